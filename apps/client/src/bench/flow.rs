//! Messages in one direction: which are outstanding, since when, and what came of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Error;

/// Length of a message's id: run, sender, number.
pub(super) const ID_LEN: usize = 8 + 6 + 8;
/// Slowest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;

/// Unique id of a message of this run, as fixed text: found in a packet and written into a template without encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageId {
    pub(super) sender: u32,
    pub(super) number: u32,
}

impl MessageId {
    pub(super) fn text(self, run: [u8; 8]) -> [u8; ID_LEN] {
        let mut text = [b'0'; ID_LEN];
        let (start, rest) = text.split_at_mut(8);
        start.copy_from_slice(&run);
        let (sender, number) = rest.split_at_mut(6);
        hex(sender, self.sender);
        hex(number, self.number);
        text
    }

    pub(super) fn parse(text: &[u8], run: [u8; 8]) -> Option<MessageId> {
        let rest = text.strip_prefix(&run)?;
        let number = |range: std::ops::Range<usize>| {
            rest.get(range)?.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
        };
        Some(MessageId { sender: number(0..6)?, number: number(6..14)? })
    }
}

fn hex(into: &mut [u8], mut value: u32) {
    for place in into.iter_mut().rev() {
        *place = b"0123456789abcdef".get((value & 15) as usize).copied().unwrap_or(b'0');
        value >>= 4;
    }
}

/// One sender's messages. A message is done when it was accepted and, where that is asked for, received.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Number of the first of `slots`.
    base: u32,
    slots: VecDeque<Slot>,
    pub(super) outstanding: usize,
}

#[derive(Debug)]
struct Slot {
    sent: Instant,
    accepted: bool,
    received: bool,
}

impl Flow {
    /// Counts the next message as sent; its number.
    pub(super) fn send(&mut self, now: Instant, wait_for_receiver: bool) -> u32 {
        self.slots.push_back(Slot { sent: now, accepted: false, received: !wait_for_receiver });
        self.outstanding += 1;
        self.base.wrapping_add(self.slots.len() as u32 - 1)
    }

    /// Messages sent so far.
    pub(super) fn sent(&self) -> u32 {
        self.base.wrapping_add(self.slots.len() as u32)
    }

    /// The sender was told that message `number` is kept.
    pub(super) fn accepted(&mut self, number: u32, now: Instant, meter: &mut Meter) {
        let Some(slot) = self.slot(number).filter(|slot| !slot.accepted) else { return };
        slot.accepted = true;
        let (took, done) = (now.duration_since(slot.sent), slot.received);
        meter.accepted.add(took, meter.recording);
        self.settle(done, meter);
    }

    /// The receiver has message `number`.
    pub(super) fn received(&mut self, number: u32, now: Instant, meter: &mut Meter) {
        let Some(slot) = self.slot(number) else { return };
        if slot.received {
            meter.repeated += 1;
            return;
        }
        slot.received = true;
        let (took, done) = (now.duration_since(slot.sent), slot.accepted);
        meter.received.add(took, meter.recording);
        self.settle(done, meter);
    }

    fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number.wrapping_sub(self.base) as usize)
    }

    fn settle(&mut self, done: bool, meter: &mut Meter) {
        if !done {
            return;
        }
        self.outstanding -= 1;
        meter.delivered += u64::from(meter.recording);
        while self.slots.front().is_some_and(|slot| slot.accepted && slot.received) {
            self.slots.pop_front();
            self.base = self.base.wrapping_add(1);
        }
    }
}

/// Latencies of one kind.
pub(super) struct Latency {
    histogram: Histogram<u64>,
}

impl Latency {
    fn new() -> Result<Latency, Error> {
        let histogram = Histogram::new_with_max(LATENCY_MAX_US, 3).map_err(|error| Error::local(error.to_string()))?;
        Ok(Latency { histogram })
    }

    pub(super) fn add(&mut self, took: Duration, recording: bool) {
        if recording {
            self.histogram.saturating_record(took.as_micros().max(1).min(u128::from(LATENCY_MAX_US)) as u64);
        }
    }

    /// Microseconds at these shares: half, 90, 99, 99.9 of 100, and the slowest.
    pub(super) fn summary(&self) -> [u64; 5] {
        let at = |share| self.histogram.value_at_quantile(share);
        [at(0.5), at(0.9), at(0.99), at(0.999), self.histogram.max()]
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }
}

/// What is measured, while it is.
pub(super) struct Meter {
    pub(super) recording: bool,
    /// Accepted and received.
    pub(super) delivered: u64,
    pub(super) repeated: u64,
    pub(super) accepted: Latency,
    pub(super) received: Latency,
}

impl Meter {
    pub(super) fn new() -> Result<Meter, Error> {
        let (accepted, received) = (Latency::new()?, Latency::new()?);
        Ok(Meter { recording: false, delivered: 0, repeated: 0, accepted, received })
    }
}
