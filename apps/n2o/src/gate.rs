//! The output gate: nothing leaves before what it rests on is on disk.

use std::collections::VecDeque;

use kvs::Ticket;

/// Outputs that may wait for the disk at one node. At the limit the node steps nothing until some have left, so
/// mailboxes fill and transports stop reading.
pub const GATE_MAX: usize = 65_536;

/// Outputs in order, each with the ticket that has to be durable first. Tickets rise along the queue.
pub(crate) struct Gate<O> {
    waiting: VecDeque<(Ticket, O)>,
}

impl<O> Gate<O> {
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, ticket: Ticket, output: O) {
        self.waiting.push_back((ticket, output));
    }

    /// Moves out what may leave now.
    pub(crate) fn release(&mut self, durable: Ticket, into: &mut Vec<O>) {
        while self.waiting.front().is_some_and(|(ticket, _)| *ticket <= durable) {
            into.extend(self.waiting.pop_front().map(|(_, output)| output));
        }
    }

    /// The ticket that would let everything go.
    pub(crate) fn awaited(&self) -> Option<Ticket> {
        self.waiting.back().map(|(ticket, _)| *ticket)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= GATE_MAX
    }
}
