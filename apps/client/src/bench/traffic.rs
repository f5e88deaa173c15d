//! The load of pairs: every side writes to the other, over the chat or, for comparison, over a bare MQTT broker.

use std::time::{Duration, Instant};

use super::fleet::{Next, Outs, Work};
use super::flow::{MessageId, Meter};
use super::side::Side;
use super::wording::{accepted_id, acknowledge_record, acknowledge_stranger, is_ack, is_message, refuse_errors};
use crate::Error;
use crate::mqtt::{self, AckKind, Packet, Qos, Version};

/// Unanswered messages of one sender in an open loop; beyond it the server has fallen behind for good.
const BEHIND_MAX: usize = 10_000;
/// How long leftovers are waited for after the time is over.
const DRAIN: Duration = Duration::from_secs(5);

/// Whom the same traffic goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// A message is accepted by its Ack record and received when the other side has it, which then sends its own Ack record.
    Chat,
    /// Accepted by PUBACK, received by subscription; nothing else.
    Broker,
}

/// What the load looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) peer: Peer,
    /// Outstanding messages of one sender (closed loop).
    pub(super) window: usize,
    /// A window is filled again when this many fit, so that messages leave in bursts; 1 to `window`.
    pub(super) burst: usize,
    /// Messages a second of all senders together (open loop); the window does not count then.
    pub(super) rate: Option<f64>,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
    /// Messages of each sender, after which it is silent; with it the run ends when all are done.
    pub(super) limit: Option<u32>,
    /// Whether a message is done only when its receiver has it.
    pub(super) wait_for_receiver: bool,
    pub(super) qos: Qos,
}

pub(super) struct Traffic {
    shape: Shape,
    run: [u8; 8],
    sides: Vec<Side>,
    pub(super) meter: Meter,
    phase: Phase,
    /// Sides that may send again.
    fillable: Vec<usize>,
    sent: u64,
    turn: usize,
    /// Called when measuring begins and ends.
    mark: Box<dyn FnMut() + Send>,
    pub(super) measured: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Opening,
    Warm { since: Instant },
    Measure { since: Instant },
    Drain { since: Instant },
}

impl Traffic {
    /// Sides 2n and 2n+1 are a pair, unless only senders are there. `mark` is called when measuring begins and when it ends.
    pub(super) fn new(
        shape: Shape,
        run: [u8; 8],
        sides: Vec<Side>,
        mark: Box<dyn FnMut() + Send>,
    ) -> Result<Traffic, Error> {
        let (meter, fillable) = (Meter::new()?, Vec::new());
        let (phase, measured) = (Phase::Opening, Duration::ZERO);
        Ok(Traffic { shape, run, sides, meter, phase, fillable, sent: 0, turn: 0, mark, measured })
    }

    /// Messages that are still outstanding.
    pub(super) fn outstanding(&self) -> usize {
        self.sides.iter().map(|side| side.flow.outstanding).sum()
    }

    /// Begins anew with the same connections, for so many messages of each sender more.
    pub(super) fn more(&mut self, messages: u32) {
        self.shape.limit = self.shape.limit.map(|limit| limit + messages);
        self.phase = Phase::Opening;
    }

    fn published(
        &mut self,
        at: usize,
        publish: &mqtt::Publish<'_>,
        now: Instant,
        outs: &mut Outs,
    ) -> Result<(), Error> {
        if publish.qos == Qos::AtLeastOnce {
            mqtt::acknowledge(outs.to(at), AckKind::PubAck, publish.id);
        }
        match self.shape.peer {
            Peer::Broker => {
                if let Some(id) = self.find(at, publish.payload) {
                    self.received(id, now);
                }
            }
            Peer::Chat if is_ack(publish.payload) => {
                let id = accepted_id(publish.payload, self.run);
                // On the reply topic: accepted. On ses: a receipt (MESSAGE-12).
                if let Some(id) = id.filter(|id| id.sender as usize == at && publish.topic.starts_with("actions")) {
                    self.accepted(at, id.number, now);
                }
            }
            Peer::Chat if is_message(publish.payload) => match self.find(at, publish.payload) {
                // The own copy leaves the queue by its PUBACK (DLV-3).
                Some(id) if id.sender as usize == at => {}
                Some(id) => {
                    acknowledge_record(outs.to(at), &id.text(self.run));
                    self.received(id, now);
                }
                None => acknowledge_stranger(outs.to(at), publish.payload),
            },
            Peer::Chat => refuse_errors(publish.payload)?,
        }
        Ok(())
    }

    fn find(&mut self, at: usize, payload: &[u8]) -> Option<MessageId> {
        self.sides.get_mut(at)?.find(self.run, payload)
    }

    fn accepted(&mut self, at: usize, number: u32, now: Instant) {
        if let Some(side) = self.sides.get_mut(at) {
            side.flow.accepted(number, now, &mut self.meter);
            self.fillable.push(at);
        }
    }

    fn received(&mut self, id: MessageId, now: Instant) {
        let sender = id.sender as usize;
        if let Some(side) = self.sides.get_mut(sender) {
            side.flow.received(id.number, now, &mut self.meter);
            self.fillable.push(sender);
        }
    }

    fn acknowledged(&mut self, at: usize, id: u16, now: Instant) {
        let Some(side) = self.sides.get_mut(at) else { return };
        side.unacknowledged = side.unacknowledged.saturating_sub(1);
        self.fillable.push(at);
        if self.shape.peer == Peer::Broker
            && let Some(place) = side.packets.iter().position(|(packet, _)| *packet == id)
            && let Some((_, number)) = side.packets.remove(place)
        {
            side.flow.accepted(number, now, &mut self.meter);
        }
    }

    /// Whether side `at` may send one more.
    fn may_send(&self, at: usize) -> bool {
        let Some(side) = self.sides.get(at) else { return false };
        let window = if self.shape.rate.is_some() { BEHIND_MAX } else { self.shape.window };
        side.ready
            && side.flow.outstanding < window
            && side.unacknowledged < side.quota
            && self.shape.limit.is_none_or(|limit| side.flow.sent() < limit)
    }

    fn send(&mut self, at: usize, now: Instant, outs: &mut Outs) {
        if let Some(side) = self.sides.get_mut(at) {
            side.send(at, self.run, &self.shape, now, outs.to(at));
            self.sent += 1;
        }
    }

    /// Closed loop: fill the windows of those that something came for.
    fn fill(&mut self, now: Instant, outs: &mut Outs) {
        let Shape { window, burst, .. } = self.shape;
        for at in std::mem::take(&mut self.fillable) {
            if self.sides.get(at).is_some_and(|side| side.flow.outstanding + burst > window) {
                continue;
            }
            while self.may_send(at) {
                self.send(at, now, outs);
            }
        }
    }

    /// Open loop: send what is due by now, side after side; says how long nothing is due.
    fn pour(&mut self, rate: f64, since: Instant, now: Instant, outs: &mut Outs) -> Duration {
        self.fillable.clear();
        let due = (now.duration_since(since).as_secs_f64() * rate) as u64;
        let mut skipped = 0;
        while self.sent < due && skipped < self.sides.len() {
            self.turn = (self.turn + 1) % self.sides.len().max(1);
            if self.may_send(self.turn) {
                self.send(self.turn, now, outs);
                skipped = 0;
            } else {
                skipped += 1;
            }
        }
        let next = since + Duration::from_secs_f64((self.sent + 1) as f64 / rate);
        next.saturating_duration_since(now).max(Duration::from_micros(100))
    }

    fn start(&mut self, now: Instant) {
        self.fillable = (0..self.sides.len()).collect();
        self.phase = Phase::Warm { since: now };
    }
}

impl Work for Traffic {
    fn packet(&mut self, at: usize, packet: &Packet<'_>, now: Instant, outs: &mut Outs) -> Result<(), Error> {
        match packet {
            Packet::Publish(publish) => self.published(at, publish, now, outs)?,
            Packet::Ack { kind: AckKind::PubAck, id, reason } if *reason < 0x80 => self.acknowledged(at, *id, now),
            Packet::Ack { kind: AckKind::PubAck, reason, .. } => return Err(Error::NotPublished(*reason)),
            Packet::ConnAck(connack) => {
                if let Some(side) = self.sides.get_mut(at) {
                    side.quota = connack.receive_max;
                    side.ready = self.shape.peer == Peer::Chat;
                }
                if self.shape.peer == Peer::Broker {
                    let filter = format!("bench/pair/{}/{}", at / 2, at % 2);
                    mqtt::subscribe(outs.to(at), Version::V5, 1, &[(&filter, Qos::AtLeastOnce)]);
                }
            }
            Packet::SubAck { .. } => {
                if let Some(side) = self.sides.get_mut(at) {
                    side.ready = true;
                }
            }
            Packet::Disconnect { reason } => return Err(Error::Closed(*reason)),
            Packet::Ack { .. } | Packet::UnsubAck { .. } | Packet::PingResp => {}
        }
        Ok(())
    }

    fn round(&mut self, now: Instant, outs: &mut Outs) -> Result<Next, Error> {
        let mut wait = Duration::from_millis(50);
        match self.phase {
            Phase::Opening => {
                if self.sides.iter().all(|side| side.ready) {
                    self.start(now);
                    wait = Duration::ZERO;
                }
            }
            Phase::Warm { since } | Phase::Measure { since } => match self.shape.rate {
                Some(rate) => wait = self.pour(rate, since, now, outs).min(wait),
                None => self.fill(now, outs),
            },
            Phase::Drain { .. } => self.fillable.clear(),
        }
        let is_finished = || {
            self.shape.limit.is_some()
                && self.outstanding() == 0
                && self.sides.iter().all(|side| Some(side.flow.sent()) == self.shape.limit)
        };
        match self.phase {
            Phase::Warm { since } if now.duration_since(since) >= self.shape.warm_up => {
                (self.mark)();
                self.meter.recording = true;
                self.sent = 0;
                self.phase = Phase::Measure { since: now };
                wait = Duration::ZERO;
            }
            Phase::Measure { since } if now.duration_since(since) >= self.shape.time || is_finished() => {
                self.meter.recording = false;
                self.measured = now.duration_since(since);
                (self.mark)();
                self.phase = Phase::Drain { since: now };
            }
            Phase::Drain { since } if self.outstanding() == 0 || now.duration_since(since) >= DRAIN => {
                return Ok(Next::Done);
            }
            Phase::Opening | Phase::Warm { .. } | Phase::Measure { .. } | Phase::Drain { .. } => {}
        }
        Ok(Next::Wait(wait))
    }
}
