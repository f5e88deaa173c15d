//! A node: one thread's processes, their run queue and what they sent. Deterministic; hosts drive it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ahash::AHashMap;
use kvs::{Sequence, Store, Ticket};

use crate::ahead::Ahead;
use crate::commit::{Step, Void};
use crate::cx::Random;
use crate::effects::{Effects, Letter};
use crate::gate::Gate;
use crate::net::{Item, Net};
use crate::registry::{Entry, State};
use crate::slots::{Slot, Slots};
use crate::timers::Timers;
use crate::{App, Bounce, Time};

/// Inputs of one process per turn; then the others have theirs.
pub const TURN_INPUTS: usize = 64;
/// Inputs a node steps before it hands over what it has and lets the sockets of its thread in.
pub const DRAIN_INPUTS: usize = 1024;
/// Milliseconds without input after which a process may end (PM-8).
pub const IDLE_MS: u64 = 300_000;
/// Milliseconds after which writes that no output waits for are flushed all the same.
pub const LAZY_FLUSH_MS: u64 = 10;

/// Milliseconds between two looks for idle processes.
const SWEEP_MS: u64 = IDLE_MS / 10;
/// Slots looked at in one go; the next go follows a millisecond later.
const SWEEP_SLOTS: u32 = 4096;

/// One thread's share of the processes.
pub(crate) struct Node<A: App> {
    pub(crate) index: usize,
    pub(crate) app: Arc<A>,
    pub(crate) net: Arc<Net<A>>,
    pub(crate) ids: Arc<Sequence>,
    pub(crate) random: Box<dyn Random>,
    pub(crate) now: Time,

    pub(crate) slots: Slots<A>,
    pub(crate) run: VecDeque<u32>,
    /// Those that go on with what they told themselves, in the next drain.
    goes_on: VecDeque<u32>,
    pub(crate) members: AHashMap<A::Group, BTreeSet<u32>>,
    pub(crate) timers: Timers<A::Input>,

    pub(crate) fx: Effects<A>,
    pub(crate) steps: Vec<Step<A>>,
    pub(crate) stops: Vec<u32>,
    pub(crate) voids: Vec<Void>,
    /// Of processes that failed since the last commit; they go out behind all that those had sent.
    pub(crate) last_words: Vec<Bounce<A>>,
    pub(crate) ahead: Ahead,

    pub(crate) outgoing: Vec<Vec<Item<A>>>,
    pub(crate) gate: Gate<A::Output>,
    /// What no output waits for, and since when.
    pub(crate) unflushed: Option<(Ticket, Time)>,

    intake: Vec<Item<A>>,
    taken: u64,
    sweep_at: Time,
    sweep_from: u32,
}

/// How much of what is there one drain takes. The simulator takes less, to meet more orders of events.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) inputs: usize,
}

impl<A: App> Node<A> {
    pub(crate) fn new(
        index: usize,
        app: Arc<A>,
        net: Arc<Net<A>>,
        store: Arc<dyn Store>,
        ids: Arc<Sequence>,
        random: Box<dyn Random>,
    ) -> Self {
        let outgoing = net.inboxes.iter().map(|_| Vec::new()).collect();
        Self {
            index,
            app,
            net,
            ids,
            random,
            now: Time::default(),
            slots: Slots::new(),
            run: VecDeque::new(),
            goes_on: VecDeque::new(),
            members: AHashMap::new(),
            timers: Timers::new(),
            fx: Effects::default(),
            steps: Vec::new(),
            stops: Vec::new(),
            voids: Vec::new(),
            last_words: Vec::new(),
            ahead: Ahead::new(store),
            outgoing,
            gate: Gate::new(),
            unflushed: None,
            intake: Vec::new(),
            taken: 0,
            sweep_at: Time::default(),
            sweep_from: 0,
        }
    }

    /// Takes what came in, steps what can run, hands over what that sent. Outputs are at the gate afterwards.
    pub(crate) fn drain(&mut self, now: Time, limits: Limits) {
        self.now = self.now.max(now);
        self.go_on();
        self.take(limits.items);
        self.fire();
        let mut left = limits.inputs;
        while left > 0 && !self.run.is_empty() && !self.gate.is_full() {
            self.net.registry.begin_round(self.index, self.ids.last());
            left -= self.round(left);
            self.commit();
        }
        self.hand_over();
        self.sweep();
    }

    /// Long work comes in steps, each a letter of its process to itself. Between two of them come the sockets and what other threads have
    /// sent, so that nobody waits for more than one.
    fn go_on(&mut self) {
        for id in self.goes_on.drain(..) {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.goes_on = false;
                self.run.push_back(id);
            }
        }
    }

    fn take(&mut self, most: usize) {
        let net = Arc::clone(&self.net);
        if let Some(inbox) = net.inboxes.get(self.index) {
            inbox.take(most, &mut self.intake);
        }
        let mut items = std::mem::take(&mut self.intake);
        self.taken += items.len() as u64;
        for item in items.drain(..) {
            match item {
                Item::Tell(entry, letter) => self.deliver(&entry, letter),
                Item::Publish { group, input, copy } => self.spread(&group, input, copy),
            }
        }
        self.intake = items;
    }

    /// Puts an input into a mailbox here; it is counted already.
    pub(crate) fn deliver(&mut self, entry: &Arc<Entry<A>>, letter: Letter<A::Input>) {
        let id = self.slots.of(entry, self.now);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.mailbox.push_back(letter);
            self.queue(id);
        }
    }

    fn queue(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id) {
            queue(slot, id, &mut self.run, &mut self.goes_on);
        }
    }

    /// Puts an input into the mailbox of every member here.
    pub(crate) fn spread(&mut self, group: &A::Group, input: A::Input, copy: fn(&A::Input) -> A::Input) {
        let Some(members) = self.members.get(group) else { return };
        for id in members {
            if let Some(slot) = self.slots.get_mut(*id) {
                slot.entry.expect_one();
                slot.mailbox.push_back(Letter::new(copy(&input)));
                queue(slot, *id, &mut self.run, &mut self.goes_on);
            }
        }
    }

    fn fire(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            let Some(slot) = self.slots.get_mut(timer.slot).filter(|slot| slot.life == timer.life) else {
                continue;
            };
            slot.timers -= 1;
            slot.entry.expect_one();
            let entry = Arc::clone(&slot.entry);
            self.deliver(&entry, Letter::new(timer.input));
        }
    }

    /// One turn for each process that can run now, within `most` inputs; the writes of all are one batch. Returns
    /// how many inputs were stepped, at least one.
    fn round(&mut self, most: usize) -> usize {
        let mut used = 0;
        for _ in 0..self.run.len() {
            let Some(id) = self.run.pop_front() else { break };
            used += self.turn(id, TURN_INPUTS.min(most - used));
            if used == most {
                break;
            }
        }
        used.max(1)
    }

    fn turn(&mut self, id: u32, most: usize) -> usize {
        let mut used = 0;
        while used < most
            && let Some(letter) = self.slots.get_mut(id).and_then(|slot| slot.take_letter())
        {
            self.step(id, letter);
            used += 1;
        }
        if let Some(slot) = self.slots.get_mut(id) {
            slot.active = self.now;
            slot.queued = false;
        }
        self.queue(id);
        used
    }

    pub(crate) fn hand_over(&mut self) {
        for (inbox, items) in self.net.inboxes.iter().zip(&mut self.outgoing) {
            if !items.is_empty() {
                inbox.put(items.drain(..));
            }
        }
    }

    /// Ends some of the processes that were idle for long (PM-8).
    fn sweep(&mut self) {
        if self.now < self.sweep_at {
            return;
        }
        let end = self.slots.end().min(self.sweep_from + SWEEP_SLOTS);
        for id in self.sweep_from..end {
            if self.is_idle(id) {
                self.end(id);
            }
        }
        let done = end == self.slots.end();
        self.sweep_from = if done { 0 } else { end };
        self.sweep_at = self.now + if done { SWEEP_MS } else { 1 };
    }

    fn is_idle(&mut self, id: u32) -> bool {
        let now = self.now;
        self.slots.get_mut(id).is_some_and(|slot| {
            slot.entry.waiting() == 0
                && slot.timers == 0
                && now.since(slot.active) >= IDLE_MS
                && (slot.process.is_none() || A::may_idle(&slot.entry.name))
        })
    }

    /// Ends a process normally. Inputs that wait load it afresh; without any its name is forgotten.
    pub(crate) fn end(&mut self, id: u32) {
        self.unload(id, State::Down);
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.stopping = false;
        if slot.is_runnable() {
            self.queue(id);
        } else if !slot.queued && self.net.registry.release(&slot.entry) {
            self.slots.remove(id);
        }
    }

    /// Drops a process with its timers and memberships.
    pub(crate) fn unload(&mut self, id: u32, state: State) {
        let life = self.slots.new_life();
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.process = None;
        slot.life = life;
        slot.timers = 0;
        slot.entry.set_state(state);
        for group in std::mem::take(&mut slot.groups) {
            self.quit(&group, id);
        }
    }

    pub(crate) fn quit(&mut self, group: &A::Group, id: u32) {
        self.net.registry.leave(group, self.index);
        if let Some(members) = self.members.get_mut(group) {
            members.remove(&id);
            if members.is_empty() {
                self.members.remove(group);
            }
        }
    }

    /// Moves out what may leave the server, given what is durable.
    pub(crate) fn release(&mut self, durable: Ticket, outputs: &mut Vec<A::Output>) {
        self.gate.release(self.now, durable, outputs);
        self.unflushed = self.unflushed.filter(|(ticket, _)| *ticket > durable);
        if !self.has_work() && self.gate.awaited().is_none() {
            self.settle();
        }
    }

    fn settle(&self) {
        if let Some(inbox) = self.net.inboxes.get(self.index) {
            inbox.settle(self.taken);
        }
    }

    /// What the disk should have now: for outputs in a hurry at once, for others and for other writes a little later.
    pub(crate) fn wanted(&self) -> Option<Ticket> {
        let lazy = || self.unflushed.filter(|(_, since)| self.now.since(*since) >= LAZY_FLUSH_MS);
        self.gate.wanted(self.now).or_else(|| lazy().map(|(ticket, _)| ticket))
    }

    /// What the disk must have before all outputs may leave.
    pub(crate) fn awaited(&self) -> Option<Ticket> {
        self.gate.awaited()
    }

    /// Whether a drain would step something of what was taken already.
    pub(crate) fn has_work(&self) -> bool {
        !self.run.is_empty() || !self.goes_on.is_empty()
    }

    /// Whether it must wait for the disk before it can step anything.
    pub(crate) fn is_blocked(&self) -> bool {
        self.gate.is_full()
    }

    /// When it must be drained again even if nothing comes in.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let sweep = (!self.slots.is_empty()).then_some(self.sweep_at);
        self.timers.next().into_iter().chain(sweep).min()
    }

    /// When writes that no output, or none in a hurry, waits for are to be flushed.
    pub(crate) fn flush_due(&self) -> Option<Time> {
        self.unflushed.map(|(_, since)| since + LAZY_FLUSH_MS).into_iter().chain(self.gate.patient_until()).min()
    }
}

/// Gives it a turn, if it has something to do and none is coming yet.
fn queue<A: App>(slot: &mut Slot<A>, id: u32, run: &mut VecDeque<u32>, goes_on: &mut VecDeque<u32>) {
    if slot.is_runnable() {
        slot.queued = true;
        let turns = if slot.goes_on { goes_on } else { run };
        turns.push_back(id);
    }
}
