//! The load of a room: connection 0 writes, the others receive and acknowledge.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::fleet::{Next, Outs, Work};
use super::flow::{MessageId, Meter};
use super::side::Side;
use super::traffic::{Peer, Shape};
use super::wording::{accepted_id, acknowledge_record, acknowledge_stranger, is_ack, is_message, refuse_errors};
use crate::Error;
use crate::mqtt::{self, AckKind, Packet, Qos, Version};

/// Where it all goes through a broker.
pub(super) const TOPIC: &str = "bench/room";
/// What came before (greetings, what an earlier run left) has this long to be over; so have acknowledgements to be kept.
const SETTLE: Duration = Duration::from_secs(1);
/// How long leftovers are waited for after the time is over.
const DRAIN: Duration = Duration::from_secs(10);

/// What the load looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) peer: Peer,
    /// The one who writes among them.
    pub(super) members: usize,
    pub(super) window: usize,
    pub(super) time: Duration,
    /// Messages in place of a time; acknowledged only when all have come.
    pub(super) limit: Option<u32>,
    /// No Ack records.
    pub(super) puback: bool,
}

pub(super) struct Fanout {
    plan: Plan,
    shape: Shape,
    run: [u8; 8],
    side: Side,
    /// The messages that are not with all, and the number of the first.
    letters: VecDeque<Letter>,
    first: u32,
    ready: usize,
    phase: Phase,
    /// Acknowledgements that are held back: connection, bytes.
    held: Vec<(usize, Vec<u8>)>,
    pub(super) meter: Meter,
    pub(super) deliveries: u64,
    /// Called when measuring begins, when it ends, and when what was held back is kept.
    mark: Box<dyn FnMut() + Send>,
    pub(super) measured: Duration,
}

struct Letter {
    sent: Instant,
    /// Members that have yet to receive it.
    missing: usize,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Opening,
    Warm {
        since: Instant,
    },
    Measure {
        since: Instant,
    },
    /// What was held back goes out at the end of the first of these.
    Held {
        since: Instant,
    },
    Drain {
        since: Instant,
    },
}

impl Fanout {
    pub(super) fn new(plan: Plan, run: [u8; 8], side: Side, mark: Box<dyn FnMut() + Send>) -> Result<Fanout, Error> {
        let shape = Shape {
            peer: plan.peer,
            window: plan.window,
            burst: 1,
            rate: None,
            warm_up: SETTLE,
            time: plan.time,
            limit: plan.limit,
            wait_for_receiver: true,
            qos: Qos::AtLeastOnce,
        };
        Ok(Fanout {
            plan,
            shape,
            run,
            side,
            letters: VecDeque::new(),
            first: 0,
            ready: 0,
            phase: Phase::Opening,
            held: Vec::new(),
            meter: Meter::new()?,
            deliveries: 0,
            mark,
            measured: Duration::ZERO,
        })
    }

    fn published(
        &mut self,
        at: usize,
        publish: &mqtt::Publish<'_>,
        now: Instant,
        outs: &mut Outs,
    ) -> Result<(), Error> {
        let mut back = Vec::new();
        if publish.qos == Qos::AtLeastOnce {
            // Where it is no acknowledgement of ours, it only makes room for the next.
            let now_or_later = if self.plan.puback { &mut back } else { outs.to(at) };
            mqtt::acknowledge(now_or_later, AckKind::PubAck, publish.id);
        }
        let mut ours = false;
        match self.plan.peer {
            Peer::Broker => {
                let id = self.side.find(self.run, publish.payload);
                self.received(id, now);
            }
            Peer::Chat if is_ack(publish.payload) => {
                let id = accepted_id(publish.payload, self.run).filter(|_| publish.topic.starts_with("actions"));
                if let Some(id) = id.filter(|_| at == 0) {
                    self.side.flow.accepted(id.number, now, &mut self.meter);
                }
            }
            Peer::Chat if is_message(publish.payload) => match self.side.find(self.run, publish.payload) {
                // The own copy leaves the queue by its PUBACK (DLV-3).
                Some(_) if at == 0 => {}
                Some(id) => {
                    ours = true;
                    if !self.plan.puback {
                        acknowledge_record(&mut back, &id.text(self.run));
                    }
                    self.received(Some(id), now);
                }
                None => acknowledge_stranger(&mut back, publish.payload),
            },
            Peer::Chat => refuse_errors(publish.payload)?,
        }
        match self.plan.limit {
            Some(_) if ours => self.held.push((at, back)),
            Some(_) | None => outs.to(at).extend_from_slice(&back),
        }
        Ok(())
    }

    /// One member has it.
    fn received(&mut self, id: Option<MessageId>, now: Instant) {
        let Some(number) = id.map(|id| id.number) else { return };
        let Some(letter) = self.letters.get_mut(number.wrapping_sub(self.first) as usize) else { return };
        letter.missing = letter.missing.saturating_sub(1);
        self.deliveries += u64::from(self.meter.recording);
        if letter.missing == 0 {
            self.side.flow.received(number, now, &mut self.meter);
        } else {
            self.meter.received.add(now.duration_since(letter.sent), self.meter.recording);
        }
        while self.letters.front().is_some_and(|letter| letter.missing == 0) {
            self.letters.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn accepted_by_broker(&mut self, id: u16, now: Instant) {
        if let Some(place) = self.side.packets.iter().position(|(packet, _)| *packet == id)
            && let Some((_, number)) = self.side.packets.remove(place)
        {
            self.side.flow.accepted(number, now, &mut self.meter);
        }
    }

    fn fill(&mut self, now: Instant, outs: &mut Outs) {
        while self.side.flow.outstanding < self.plan.window
            && self.plan.limit.is_none_or(|limit| self.side.flow.sent() < limit)
        {
            self.letters.push_back(Letter { sent: now, missing: self.plan.members - 1 });
            self.side.send(0, self.run, &self.shape, now, outs.to(0));
        }
    }

    fn begin(&mut self, now: Instant) {
        (self.mark)();
        self.meter.recording = true;
        self.phase = Phase::Measure { since: now };
    }

    fn is_over(&self, since: Instant, now: Instant) -> bool {
        match self.plan.limit {
            Some(limit) => self.side.flow.sent() == limit && self.side.flow.outstanding == 0,
            None => now.duration_since(since) >= self.plan.time,
        }
    }
}

impl Work for Fanout {
    fn packet(&mut self, at: usize, packet: &Packet<'_>, now: Instant, outs: &mut Outs) -> Result<(), Error> {
        match packet {
            Packet::Publish(publish) => self.published(at, publish, now, outs)?,
            Packet::Ack { kind: AckKind::PubAck, id, reason } if *reason < 0x80 => {
                if at == 0 && self.plan.peer == Peer::Broker {
                    self.accepted_by_broker(*id, now);
                }
            }
            Packet::Ack { kind: AckKind::PubAck, reason, .. } => return Err(Error::NotPublished(*reason)),
            Packet::ConnAck(_) if self.plan.peer == Peer::Broker && at > 0 => {
                mqtt::subscribe(outs.to(at), Version::V5, 1, &[(TOPIC, Qos::AtLeastOnce)]);
            }
            Packet::ConnAck(_) | Packet::SubAck { .. } => self.ready += 1,
            Packet::Disconnect { reason } => return Err(Error::Closed(*reason)),
            Packet::Ack { .. } | Packet::UnsubAck { .. } | Packet::PingResp => {}
        }
        Ok(())
    }

    fn round(&mut self, now: Instant, outs: &mut Outs) -> Result<Next, Error> {
        match self.phase {
            Phase::Opening if self.ready == self.plan.members => self.phase = Phase::Warm { since: now },
            Phase::Warm { since } => {
                if self.plan.limit.is_none() {
                    self.fill(now, outs);
                }
                if now.duration_since(since) >= SETTLE {
                    self.begin(now);
                }
            }
            Phase::Measure { since } if self.is_over(since, now) => {
                self.meter.recording = false;
                self.measured = now.duration_since(since);
                self.phase = match self.plan.limit {
                    Some(_) => Phase::Held { since: now },
                    None => {
                        (self.mark)();
                        Phase::Drain { since: now }
                    }
                };
            }
            Phase::Measure { .. } => self.fill(now, outs),
            Phase::Held { since } if now.duration_since(since) >= SETTLE => {
                (self.mark)();
                for (at, back) in self.held.drain(..) {
                    outs.to(at).extend_from_slice(&back);
                }
                self.phase = Phase::Drain { since: now };
            }
            Phase::Drain { since } => {
                let settled = self.plan.limit.is_none() || now.duration_since(since) >= 2 * SETTLE;
                if settled && self.side.flow.outstanding == 0 || now.duration_since(since) >= DRAIN {
                    (self.mark)();
                    return Ok(Next::Done);
                }
            }
            Phase::Opening | Phase::Held { .. } => {}
        }
        Ok(Next::Wait(Duration::from_millis(20)))
    }
}
