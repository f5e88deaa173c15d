//! Timers of a node's processes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::Time;

/// Inputs that become due, earliest first; those of one moment in the order they were set.
pub(crate) struct Timers<I> {
    heap: BinaryHeap<Timer<I>>,
    set: u64,
}

pub(crate) struct Timer<I> {
    at: Time,
    order: u64,
    pub(crate) slot: u32,
    /// The life of the process that set it; another one does not get it.
    pub(crate) life: u64,
    pub(crate) input: I,
}

impl<I> Timers<I> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), set: 0 }
    }

    pub(crate) fn set(&mut self, at: Time, slot: u32, life: u64, input: I) {
        self.set += 1;
        self.heap.push(Timer { at, order: self.set, slot, life, input });
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|timer| timer.at)
    }

    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer<I>> {
        self.next().filter(|at| *at <= now).and_then(|_| self.heap.pop())
    }
}

/// The heap gives the greatest first, so the earliest is the greatest.
impl<I> Ord for Timer<I> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<I> PartialOrd for Timer<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<I> PartialEq for Timer<I> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<I> Eq for Timer<I> {}
