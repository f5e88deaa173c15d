//! Who is where: processes by name, members of groups by node, and the parts of the server that report a status.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ahash::RandomState;
use dashmap::DashMap;

use crate::{App, Ring};

/// All processes of this server. Reading it costs a lookup; it is written when a process comes or goes.
pub struct Registry<A: App> {
    pub(crate) ring: Ring,
    /// Threads the ring nodes are spread over.
    pub(crate) threads: usize,
    pub(crate) entries: DashMap<A::Name, Arc<Entry<A>>, RandomState>,
    /// Members of each group, counted per thread.
    groups: DashMap<A::Group, Vec<u32>, RandomState>,
    /// For each thread the last id before its round under way; [`NO_ROUND`] between two of them.
    rounds: Vec<Round>,
    pub(crate) parts: Arc<Mutex<BTreeMap<String, String>>>,
}

impl<A: App> Registry<A> {
    pub(crate) fn new(ring: Ring, threads: usize) -> Self {
        Self {
            ring,
            threads: threads.max(1),
            entries: DashMap::default(),
            groups: DashMap::default(),
            rounds: (0..threads.max(1)).map(|_| Round(AtomicU64::new(NO_ROUND))).collect(),
            parts: Arc::default(),
        }
    }

    /// Whether the process is loaded now, and has not asked to end.
    pub fn is_alive(&self, name: &A::Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.state() == State::Alive)
    }

    /// Inputs the process has not stepped yet, on their way to it or in its mailbox.
    pub fn mailbox(&self, name: &A::Name) -> usize {
        self.entries.get(name).map_or(0, |entry| entry.waiting())
    }

    /// Processes loaded or with inputs waiting.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many processes are in the group.
    pub fn group_size(&self, group: &A::Group) -> usize {
        self.groups.get(group).map_or(0, |counts| counts.iter().map(|count| *count as usize).sum())
    }

    /// The thread, from 0, that the ring puts a process of this name on.
    pub fn thread(&self, name: &A::Name) -> usize {
        match self.entries.get(name) {
            Some(entry) => entry.thread,
            None => self.ring.node(&A::key(name)) % self.threads,
        }
    }

    /// The nodes of the ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Shows a part of the server that is no process (a listener, the broker) in the tree under `path`, whose
    /// levels are separated by `/`, until the returned value is dropped.
    pub fn part(&self, path: &str, status: &str) -> Part {
        let part = Part { path: path.to_owned(), parts: Arc::downgrade(&self.parts) };
        part.set(status);
        part
    }

    /// A thread begins a round: what it will write has ids beyond `last`.
    pub(crate) fn begin_round(&self, thread: usize, last: u64) {
        self.note_round(thread, last);
    }

    /// What the round has written is in the store.
    pub(crate) fn end_round(&self, thread: usize) {
        self.note_round(thread, NO_ROUND);
    }

    fn note_round(&self, thread: usize, last: u64) {
        if let Some(round) = self.rounds.get(thread) {
            round.0.store(last, Ordering::Release);
        }
    }

    /// The id, `last` at most, up to which all rounds have written what they will. `last` was read before.
    pub(crate) fn settled(&self, last: u64) -> u64 {
        self.rounds.iter().map(|round| round.0.load(Ordering::Acquire)).fold(last, u64::min)
    }

    /// Admits one input to the process, which from here on stays in the registry until it is stepped. None when
    /// `limit` inputs wait already.
    pub(crate) fn admit(&self, name: &A::Name, limit: usize) -> Option<Arc<Entry<A>>> {
        if let Some(entry) = self.entries.get(name) {
            return entry.admit(limit).then(|| Arc::clone(&entry));
        }
        let thread = self.ring.node(&A::key(name)) % self.threads;
        let entry = self.entries.entry(name.clone()).or_insert_with(|| Arc::new(Entry::new(name.clone(), thread)));
        entry.admit(limit).then(|| Arc::clone(&entry))
    }

    /// Forgets a process that ended; false when an input is on its way to it. Counting an input happens under the
    /// lock that this takes, so there are never two entries for one name.
    pub(crate) fn release(&self, entry: &Entry<A>) -> bool {
        self.entries.remove_if(&entry.name, |_, entry| entry.waiting() == 0).is_some()
    }

    pub(crate) fn join(&self, group: &A::Group, thread: usize) {
        let mut counts = self.groups.entry(group.clone()).or_insert_with(|| vec![0; self.threads]);
        if let Some(count) = counts.get_mut(thread) {
            *count += 1;
        }
    }

    pub(crate) fn leave(&self, group: &A::Group, thread: usize) {
        if let Some(mut counts) = self.groups.get_mut(group)
            && let Some(count) = counts.get_mut(thread)
        {
            *count = count.saturating_sub(1);
        }
        self.groups.remove_if(group, |_, counts| counts.iter().all(|count| *count == 0));
    }

    /// Adds the threads that have members of the group to `threads`, in order.
    pub(crate) fn threads_of(&self, group: &A::Group, threads: &mut Vec<usize>) {
        if let Some(counts) = self.groups.get(group) {
            threads.extend(counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(thread, _)| thread));
        }
    }
}

/// One process in the registry; shared by its node, the inputs on their way to it and the tree.
pub(crate) struct Entry<A: App> {
    pub(crate) name: A::Name,
    pub(crate) thread: usize,
    /// Where its node keeps it; only that node writes it.
    pub(crate) slot: AtomicU32,
    waiting: AtomicUsize,
    steps: AtomicU64,
    restarts: AtomicU32,
    state: AtomicU8,
}

/// Has a cache line of its own, and the one that processors fetch with it: each thread writes its round all the time.
#[repr(align(128))]
struct Round(AtomicU64);

/// A thread is in no round.
const NO_ROUND: u64 = u64::MAX;

/// An entry that its node has not seen yet.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// What the tree shows of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not loaded; the next input loads it.
    Down = 0,
    Alive = 1,
    /// Failed too often; inputs are bounced for a while.
    Barred = 2,
}

impl<A: App> Entry<A> {
    fn new(name: A::Name, thread: usize) -> Self {
        Self {
            name,
            thread,
            slot: AtomicU32::new(NO_SLOT),
            waiting: AtomicUsize::new(0),
            steps: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            state: AtomicU8::new(State::Down as u8),
        }
    }

    fn admit(&self, limit: usize) -> bool {
        let room = self.waiting() < limit;
        if room {
            self.expect_one();
        }
        room
    }

    /// Counts an input that is on its way.
    pub(crate) fn expect_one(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// An input was taken out of the mailbox. Only its node calls this.
    pub(crate) fn took_one(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.steps.store(self.steps() + 1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Down,
            1 => State::Alive,
            _ => State::Barred,
        }
    }
}

/// A part of the server that is shown in the tree as long as this lives.
pub struct Part {
    path: String,
    parts: Weak<Mutex<BTreeMap<String, String>>>,
}

impl Part {
    /// Shows another status, one short line.
    pub fn set(&self, status: &str) {
        if let Some(parts) = self.parts.upgrade() {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.insert(self.path.clone(), status.to_owned());
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.upgrade() {
            parts.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::{Bounce, Cx, Effects, Failure};

    /// An app without processes.
    struct Nobody;

    impl App for Nobody {
        type Name = &'static str;
        type Group = &'static str;
        type Input = ();
        type Output = ();
        type Process = ();

        fn key(name: &Self::Name) -> Cow<'_, [u8]> {
            name.as_bytes().into()
        }

        fn kind(_: &Self::Name) -> &'static str {
            "nobody"
        }

        fn start(&self, _: &Cx<'_, Self>, _: &Self::Name, fx: &mut Effects<Self>) -> Result<(), Failure> {
            fx.stop();
            Ok(())
        }

        fn step(&self, _: &mut (), _: &Cx<'_, Self>, _: &mut Effects<Self>, _: ()) -> Result<(), Failure> {
            Ok(())
        }

        fn bounce(&self, _: &Self::Name, _: &()) -> Option<Bounce<Self>> {
            None
        }
    }

    #[test]
    fn an_id_is_settled_when_no_open_round_may_have_drawn_it() {
        let registry = Registry::<Nobody>::new(Ring::new(2, "/"), 2);
        registry.begin_round(0, 5);
        registry.begin_round(1, 9);
        assert_eq!(registry.settled(12), 5, "the first thread may write 6");
        registry.end_round(0);
        assert_eq!(registry.settled(12), 9, "the second may write 10");
        registry.begin_round(0, 11);
        assert_eq!(registry.settled(12), 9, "a later round of another changes nothing");
        registry.end_round(1);
        registry.end_round(0);
        assert_eq!(registry.settled(12), 12);
    }
}
