//! What nodes share: the registry and one inbox each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::effects::Letter;
use crate::registry::Entry;
use crate::{App, Registry};

/// Inputs from outside that may wait for one process. At the limit [`crate::Handle::tell`] gives the input back and
/// the transport stops reading. Tells between processes are always taken: they are bounded by the calls in flight.
pub const MAILBOX_MAX: usize = 4096;

/// The mailbox is full, or the server is stopping; the input comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full<I>(pub I);

pub(crate) struct Net<A: App> {
    pub(crate) registry: Registry<A>,
    pub(crate) inboxes: Vec<Inbox<A>>,
    /// No more inputs from outside.
    pub(crate) closed: AtomicBool,
}

/// Inputs on their way to a node.
pub(crate) enum Item<A: App> {
    Tell(Arc<Entry<A>>, Letter<A::Input>),
    Publish { group: A::Group, input: A::Input, copy: fn(&A::Input) -> A::Input },
}

/// Where other threads put what is for a node. Bounded by what may wait for its processes.
pub(crate) struct Inbox<A: App> {
    queue: Mutex<Queue<A>>,
    /// A wake-up is under way, so another is not needed.
    woken: AtomicBool,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// How many items the node had ever taken when it last had nothing to do.
    settled: AtomicU64,
}

struct Queue<A: App> {
    items: Vec<Item<A>>,
    /// How many were ever put here.
    taken_in: u64,
}

impl<A: App> Net<A> {
    pub(crate) fn new(registry: Registry<A>) -> Self {
        let inboxes = (0..registry.threads).map(|_| Inbox::new()).collect();
        Self { registry, inboxes, closed: AtomicBool::new(false) }
    }

    /// An input from outside.
    pub(crate) fn tell(&self, name: &A::Name, input: A::Input) -> Result<(), Full<A::Input>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Full(input));
        }
        let Some(entry) = self.registry.admit(name, MAILBOX_MAX) else {
            return Err(Full(input));
        };
        if let Some(inbox) = self.inboxes.get(entry.thread) {
            inbox.put(std::iter::once(Item::Tell(entry, Letter::new(input))));
        }
        Ok(())
    }

    /// An input from outside that must arrive, whatever waits there: that something has ended. Not when the server is stopping.
    pub(crate) fn tell_always(&self, name: &A::Name, input: A::Input) {
        if !self.closed.load(Ordering::Acquire)
            && let Some(entry) = self.registry.admit(name, usize::MAX)
            && let Some(inbox) = self.inboxes.get(entry.thread)
        {
            inbox.put(std::iter::once(Item::Tell(entry, Letter::new(input))));
        }
    }

    /// Whether there was a moment during this call when no input was waiting or being stepped anywhere and no output
    /// was held back. Both counts only rise and the first is read first, so if they meet they were equal in between.
    pub(crate) fn is_quiet(&self) -> bool {
        let settled: u64 = self.inboxes.iter().map(|inbox| inbox.settled.load(Ordering::Acquire)).sum();
        let taken_in: u64 = self.inboxes.iter().map(|inbox| inbox.lock().taken_in).sum();
        settled == taken_in
    }
}

impl<A: App> Inbox<A> {
    fn new() -> Self {
        Self {
            queue: Mutex::new(Queue { items: Vec::new(), taken_in: 0 }),
            woken: AtomicBool::new(false),
            wake: OnceLock::new(),
            settled: AtomicU64::new(0),
        }
    }

    pub(crate) fn on_wake(&self, wake: Box<dyn Fn() + Send + Sync>) {
        // A node is started once; a second waker would have nothing to wake.
        let _ = self.wake.set(wake);
    }

    /// Puts items behind those that are there, and wakes the node unless it is about to look.
    pub(crate) fn put(&self, items: impl Iterator<Item = Item<A>>) {
        let mut queue = self.lock();
        let before = queue.items.len();
        queue.items.extend(items);
        let added = queue.items.len() - before;
        queue.taken_in += added as u64;
        drop(queue);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }

    /// Moves the first `most` items into the empty `into`. From here on a new item wakes the node again.
    pub(crate) fn take(&self, most: usize, into: &mut Vec<Item<A>>) {
        self.woken.store(false, Ordering::Release);
        let mut queue = self.lock();
        if queue.items.len() <= most {
            std::mem::swap(&mut queue.items, into);
        } else {
            into.extend(queue.items.drain(..most));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// The node has nothing to do and has taken this many items so far.
    pub(crate) fn settle(&self, taken: u64) {
        self.settled.store(taken, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
