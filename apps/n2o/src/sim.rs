//! The host in tests: the same nodes in one thread, with a seed, a clock that is moved, and crashes on demand.

mod seeded;

use std::sync::Arc;

use kvs::{Memory, Sequence, Store, Table, Ticket};

use crate::net::{Full, Net};
use crate::node::{Limits, Node};
use crate::{App, Failure, Registry, Ring, Time};
use seeded::Seeded;

/// When a simulation begins: 2023-11-14 22:13:20 UTC.
const BEGIN: Time = Time(1_700_000_000_000);
/// Where the simulator keeps its sequence, beside the application's tables.
const SEQUENCE: Table = Table("sim_sequence");
/// Drains after which [`Sim::run_until_quiet`] gives up: the processes tell each other without end.
const DRAINS_MAX: u64 = 10_000_000;

/// A whole server that does nothing by itself. The seed decides which node goes next, how much it takes at once and
/// when the disk is done; one seed gives one course of events.
pub struct Sim<A: App> {
    app: Arc<A>,
    seed: Seeded,
    ring: Ring,
    threads: usize,
    now: Time,
    server: Server<A>,
    durable: Ticket,
    hold: bool,
    outputs: Vec<A::Output>,
}

/// What a crash destroys.
struct Server<A: App> {
    store: Arc<Memory>,
    net: Arc<Net<A>>,
    nodes: Vec<Node<A>>,
}

impl<A: App> Sim<A> {
    /// A server with an empty store of these tables, and `nodes` ring nodes, each a thread of its own.
    ///
    /// # Panics
    /// When the store refuses a table.
    pub fn new(app: A, tables: &[Table], seed: u64, nodes: usize) -> Self {
        let tables: Vec<_> = tables.iter().copied().chain([SEQUENCE]).collect();
        let (app, seed, ring) = (Arc::new(app), Seeded::new(seed), Ring::new(nodes, "/sim/"));
        let server = Server::start(&app, &seed, &ring, nodes.max(1), Memory::new(&tables));
        let threads = nodes.max(1);
        let durable = server.store.applied();
        Self { app, seed, ring, threads, now: BEGIN, server, durable, hold: false, outputs: Vec::new() }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn store(&self) -> &Arc<Memory> {
        &self.server.store
    }

    pub fn registry(&self) -> &Registry<A> {
        &self.server.net.registry
    }

    pub fn app(&self) -> &A {
        &self.app
    }

    /// As [`crate::Handle::tell`]; nothing happens before the simulation runs.
    pub fn tell(&mut self, name: &A::Name, input: A::Input) -> Result<(), Full<A::Input>> {
        self.server.net.tell(name, input)
    }

    /// Outputs that have left, in order, and stay here over crashes.
    pub fn outputs(&self) -> &[A::Output] {
        &self.outputs
    }

    /// Takes the outputs that have left.
    pub fn take_outputs(&mut self) -> Vec<A::Output> {
        std::mem::take(&mut self.outputs)
    }

    /// While true, nothing becomes durable: outputs that rest on writes stay.
    pub fn hold_flush(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// Lets the server work, at this moment of its clock, until it has nothing to do.
    ///
    /// # Panics
    /// When that does not end.
    pub fn run_until_quiet(&mut self) {
        for _ in 0..DRAINS_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("the processes tell each other without end");
    }

    /// One node's drain, or a flush; false when there is nothing to do.
    fn turn(&mut self) -> bool {
        let ready = self.ready();
        let disk = self.awaits_disk();
        let disk_first = disk && self.seed.below(4) == 0;
        match ready.get(self.seed.below(ready.len())) {
            Some(node) if !disk_first => self.drain(*node),
            Some(_) | None if disk => self.flush(),
            Some(_) | None => return false,
        }
        true
    }

    /// Lets the server work for so many turns of one node or the disk, to be interrupted in the midst of it.
    pub fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            if !self.turn() {
                return;
            }
        }
    }

    /// One turn as in [`Self::run`]; with nothing to do, time passes up to the next timer.
    pub fn run_on(&mut self) {
        if !self.turn()
            && let Some(due) = self.server.nodes.iter().filter_map(Node::next_due).min()
        {
            self.now = self.now.max(due);
            self.drain_due();
        }
    }

    /// Lets time pass: timers fire in order, each at its own moment, idle processes end.
    pub fn advance(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        self.run_until_quiet();
        while let Some(due) = self.server.nodes.iter().filter_map(Node::next_due).min().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.drain_due();
            self.run_until_quiet();
        }
        self.now = end;
        self.drain_due();
        self.run_until_quiet();
    }

    /// The machine loses power: what was not flushed is gone, with all processes, timers, groups and inputs.
    pub fn crash(&mut self) {
        self.restart(self.server.store.crash());
    }

    /// As [`Self::crash`], but the disk has some of what was not flushed, as a real one may.
    pub fn crash_lucky(&mut self) {
        let unsure = self.server.store.applied().0 - self.durable.0;
        let lucky = Ticket(self.durable.0 + self.seed.below(unsure as usize + 1) as u64);
        self.restart(self.server.store.crash_at(lucky));
    }

    /// Ends one process as a panic would; its next input loads it afresh.
    pub fn kill(&mut self, name: &A::Name) {
        let entry = self.server.net.registry.entries.get(name).map(|entry| Arc::clone(&entry));
        if let Some(entry) = entry
            && let Some(node) = self.server.nodes.get_mut(entry.thread)
        {
            node.fail(entry.slot.load(std::sync::atomic::Ordering::Relaxed), &Failure::from("it was killed"));
            node.commit();
            node.hand_over();
        }
    }

    fn restart(&mut self, store: Memory) {
        self.durable = store.applied();
        self.server = Server::start(&self.app, &self.seed, &self.ring, self.threads, store);
    }

    /// Nodes that can go on.
    fn ready(&self) -> Vec<usize> {
        let inboxes = self.server.net.inboxes.iter();
        let ready = |node: &Node<A>| node.has_work() && !node.is_blocked();
        let nodes = self.server.nodes.iter().zip(inboxes).enumerate();
        nodes.filter(|(_, (node, inbox))| ready(node) || !inbox.is_empty()).map(|(index, _)| index).collect()
    }

    fn drain(&mut self, index: usize) {
        let limits = Limits { items: 1 + self.seed.below(32), inputs: 1 + self.seed.below(128) };
        if let Some(node) = self.server.nodes.get_mut(index) {
            node.drain(self.now, limits);
            node.release(self.durable, &mut self.outputs);
        }
    }

    /// Looks at every node once, in an order the seed decides.
    fn drain_due(&mut self) {
        let count = self.server.nodes.len();
        let first = self.seed.below(count);
        (0..count).for_each(|n| self.drain((first + n) % count));
    }

    fn awaits_disk(&self) -> bool {
        !self.hold && self.server.nodes.iter().any(|node| node.awaited().or(node.wanted()).is_some())
    }

    fn flush(&mut self) {
        self.durable = self.server.store.flush().expect("memory does not fail to flush");
        for node in &mut self.server.nodes {
            node.release(self.durable, &mut self.outputs);
        }
    }
}

impl<A: App> Server<A> {
    fn start(app: &Arc<A>, seed: &Seeded, ring: &Ring, threads: usize, store: Memory) -> Self {
        let store = Arc::new(store);
        let ids = Sequence::open(store.clone(), SEQUENCE, b"last").expect("the simulator made the table");
        let ids = Arc::new(ids);
        let net = Arc::new(Net::new(Registry::new(ring.clone(), threads)));
        let node = |index| {
            let random = Box::new(seed.split());
            Node::new(index, app.clone(), net.clone(), store.clone(), ids.clone(), random)
        };
        let nodes = (0..threads).map(node).collect();
        Self { store, net, nodes }
    }
}
