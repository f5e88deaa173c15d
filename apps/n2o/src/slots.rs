//! Where a node keeps its processes, with their mailboxes and what else ends with them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::effects::Letter;
use crate::registry::{Entry, NO_SLOT};
use crate::restarts::Restarts;
use crate::{App, Time};

/// A mailbox that grew beyond this many inputs gives its memory back when it is empty.
const MAILBOX_KEPT: usize = 64;

/// One process, or a name whose process is down.
pub(crate) struct Slot<A: App> {
    pub(crate) entry: Arc<Entry<A>>,
    pub(crate) process: Option<A::Process>,
    pub(crate) mailbox: VecDeque<Letter<A::Input>>,
    /// It is in the run queue.
    pub(crate) queued: bool,
    /// It told itself something, which it is to do after the others had their turn.
    pub(crate) goes_on: bool,
    /// It asked to end; steps no more before the commit has ended it.
    pub(crate) stopping: bool,
    /// When it last had something to do.
    pub(crate) active: Time,
    /// Tells this process from those before it in this slot.
    pub(crate) life: u64,
    /// Timers this life has running.
    pub(crate) timers: usize,
    pub(crate) groups: BTreeSet<A::Group>,
    pub(crate) restarts: Restarts,
}

impl<A: App> Slot<A> {
    pub(crate) fn take_letter(&mut self) -> Option<Letter<A::Input>> {
        if self.stopping {
            return None;
        }
        let letter = self.mailbox.pop_front()?;
        self.entry.took_one();
        if self.mailbox.is_empty() && self.mailbox.capacity() > MAILBOX_KEPT {
            self.mailbox = VecDeque::new();
        }
        Some(letter)
    }

    pub(crate) fn is_runnable(&self) -> bool {
        !self.stopping && !self.queued && !self.mailbox.is_empty()
    }
}

/// All slots of a node. Freed places are used again, so the array is as long as the node was ever full.
pub(crate) struct Slots<A: App> {
    places: Vec<Option<Slot<A>>>,
    free: Vec<u32>,
    /// Lives given so far.
    lives: u64,
}

impl<A: App> Slots<A> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), lives: 0 }
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Slot<A>> {
        self.places.get_mut(id as usize)?.as_mut()
    }

    /// The slot of a process this node is told about, made at its first input.
    pub(crate) fn of(&mut self, entry: &Arc<Entry<A>>, now: Time) -> u32 {
        match entry.slot.load(Ordering::Relaxed) {
            NO_SLOT => self.add(Arc::clone(entry), now),
            id => id,
        }
    }

    fn add(&mut self, entry: Arc<Entry<A>>, now: Time) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer processes than 2^32 fit into memory")
        });
        entry.slot.store(id, Ordering::Relaxed);
        let slot = Slot {
            entry,
            process: None,
            mailbox: VecDeque::new(),
            queued: false,
            goes_on: false,
            stopping: false,
            active: now,
            life: self.new_life(),
            timers: 0,
            groups: BTreeSet::new(),
            restarts: Restarts::default(),
        };
        if let Some(place) = self.places.get_mut(id as usize) {
            *place = Some(slot);
        }
        id
    }

    /// A number no process of this node had before.
    pub(crate) fn new_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }

    /// Forgets a slot whose entry has left the registry.
    pub(crate) fn remove(&mut self, id: u32) {
        if let Some(place) = self.places.get_mut(id as usize)
            && place.take().is_some()
        {
            self.free.push(id);
        }
    }

    /// One more than the greatest slot number.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }
}
