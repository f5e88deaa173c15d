//! The output gate: nothing leaves before what it rests on is on disk.

use std::collections::VecDeque;

use kvs::Ticket;

use crate::Time;

/// Outputs that may wait for the disk at one node. At the limit the node steps nothing until some have left, so
/// mailboxes fill and transports stop reading.
pub const GATE_MAX: usize = 65_536;
/// Milliseconds that patient outputs wait for a flush which others ask for.
pub const PATIENCE_MS: u64 = 2;

/// Outputs in order, each with the ticket that has to be durable first. Tickets rise along the queue.
pub(crate) struct Gate<O> {
    waiting: VecDeque<(Ticket, O)>,
    /// The ticket of the last that is in a hurry.
    hurried: Option<Ticket>,
    /// How long the patient ones have waited at least.
    patient_since: Option<Time>,
}

impl<O> Gate<O> {
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new(), hurried: None, patient_since: None }
    }

    /// `patient_since` says that it is, and when it came.
    pub(crate) fn push(&mut self, ticket: Ticket, output: O, patient_since: Option<Time>) {
        match patient_since {
            None => self.hurried = Some(ticket),
            Some(now) => self.patient_since = self.patient_since.or(Some(now)),
        }
        self.waiting.push_back((ticket, output));
    }

    /// Moves out what may leave now. Those that remain came while the disk was at work, so their wait begins now.
    pub(crate) fn release(&mut self, now: Time, durable: Ticket, into: &mut Vec<O>) {
        let before = self.waiting.len();
        while self.waiting.front().is_some_and(|(ticket, _)| *ticket <= durable) {
            into.extend(self.waiting.pop_front().map(|(_, output)| output));
        }
        self.hurried = self.hurried.filter(|ticket| *ticket > durable);
        if self.waiting.is_empty() {
            self.patient_since = None;
        } else if self.waiting.len() < before {
            self.patient_since = self.patient_since.map(|_| now);
        }
    }

    /// The ticket that would let everything go.
    pub(crate) fn awaited(&self) -> Option<Ticket> {
        self.waiting.back().map(|(ticket, _)| *ticket)
    }

    /// The ticket that the disk should reach now.
    pub(crate) fn wanted(&self, now: Time) -> Option<Ticket> {
        match self.patient_until() {
            Some(until) if until <= now => self.awaited(),
            Some(_) | None => self.hurried,
        }
    }

    /// When the patient ones become impatient.
    pub(crate) fn patient_until(&self) -> Option<Time> {
        self.patient_since.map(|since| since + PATIENCE_MS)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= GATE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(gate: &mut Gate<char>, now: u64, durable: u64) -> String {
        let mut out = Vec::new();
        gate.release(Time(now), Ticket(durable), &mut out);
        out.into_iter().collect()
    }

    #[test]
    fn the_patient_leave_with_a_flush_that_others_ask_for() {
        let mut gate = Gate::new();
        gate.push(Ticket(1), 'a', Some(Time(0)));
        assert_eq!(gate.wanted(Time(PATIENCE_MS - 1)), None);
        gate.push(Ticket(2), 'b', None);
        gate.push(Ticket(3), 'c', Some(Time(1)));
        assert_eq!((gate.wanted(Time(1)), gate.awaited()), (Some(Ticket(2)), Some(Ticket(3))));
        assert_eq!(left(&mut gate, 1, 2), "ab");
        assert_eq!(gate.wanted(Time(1)), None);
        assert_eq!(left(&mut gate, 1, 3), "c");
        assert_eq!((gate.awaited(), gate.patient_until()), (None, None));
    }

    #[test]
    fn the_patient_ask_for_a_flush_themselves_in_the_end() {
        let mut gate = Gate::new();
        gate.push(Ticket(7), 'a', Some(Time(0)));
        gate.push(Ticket(9), 'b', Some(Time(1)));
        assert_eq!(gate.wanted(Time(PATIENCE_MS)), Some(Ticket(9)));
        assert_eq!(left(&mut gate, 5, 8), "a");
        assert_eq!((gate.wanted(Time(5)), gate.patient_until()), (None, Some(Time(5 + PATIENCE_MS))));
    }
}
