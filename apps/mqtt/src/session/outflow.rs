//! What is on its way to a client: packet identifiers, the window, acknowledgements (MQTT 5.0 sections 4.3, 4.9).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::broker::Row;
use crate::message::Delivered;
use crate::packet::write::{self, Extra, Sending};
use crate::packet::{Qos, Version, frame, reason};

/// Packets that wait for a place in the client's window; beyond, the client has stopped taking what it asked for and is closed.
pub(crate) const WAITING_MAX: usize = 1024;

/// A packet for the client, not yet numbered.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    /// Answer, notice or item of the chat: never sent twice by the same connection.
    Chat { topic: Arc<str>, payload: Bytes, qos: Qos, delivery: Option<u64> },
    /// From a free topic: sent again when its session is resumed (CON-11).
    Free(Delivered),
}

impl Parcel {
    fn qos(&self) -> Qos {
        match self {
            Parcel::Chat { qos, .. } => *qos,
            Parcel::Free(delivered) => delivered.qos,
        }
    }

    fn sending(&self, id: u16) -> Sending<'_> {
        match self {
            Parcel::Chat { topic, payload, qos, .. } => {
                let extra = Extra::default();
                Sending { id, qos: *qos, retain: false, dup: false, topic, payload, properties: None, extra }
            }
            Parcel::Free(delivered) => sending(delivered, id, false),
        }
    }
}

fn sending(delivered: &Delivered, id: u16, dup: bool) -> Sending<'_> {
    let message = &delivered.message;
    Sending {
        id,
        qos: delivered.qos,
        retain: delivered.retain,
        dup,
        topic: &message.topic,
        payload: &message.payload,
        properties: message.properties.as_deref(),
        extra: Extra { alias: None, expiry: delivered.left, subscription_ids: &delivered.ids },
    }
}

/// A packet without its last acknowledgement.
#[derive(Debug)]
struct Sent {
    id: u16,
    state: State,
}

#[derive(Debug)]
enum State {
    /// QoS 1 or 2 of the chat: waits for PUBACK, or PUBREC.
    Chat { qos: Qos, delivery: Option<u64> },
    /// QoS 1 or 2 of a free topic.
    Free(Delivered),
    /// QoS 2: PUBREL is sent, waits for PUBCOMP. Of a session that lasts, its row.
    Released(Option<Arc<Row>>),
}

/// Nothing of it is allocated while nothing is under way.
#[derive(Debug, Default)]
pub(crate) struct Outflow {
    last_id: u16,
    /// In the order of sending.
    sent: VecDeque<Sent>,
    /// Sent on an earlier connection, and not yet on this one.
    again: VecDeque<Sent>,
    waiting: VecDeque<Parcel>,
    /// Topics that the client knows by their places here, counted from one.
    aliases: Vec<Arc<str>>,
}

/// What a client takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) version: Version,
    /// Packets without their last acknowledgement (Receive Maximum).
    pub(crate) window: u16,
    /// Bytes of a packet.
    pub(crate) packet_max: u32,
    /// Topic aliases that it remembers for us.
    pub(crate) alias_max: u16,
    /// It wants reasons in words (Request Problem Information).
    pub(crate) explain: bool,
}

/// The client does not take what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clogged;

impl Outflow {
    /// Sends now, or when the window allows; what is larger than the client takes is dropped ([MQTT-3.1.2-25]).
    pub(crate) fn send(&mut self, parcel: Parcel, limits: Limits, out: &mut BytesMut) -> Result<(), Clogged> {
        if parcel.sending(0).len(limits.version) > limits.packet_max as usize {
            return Ok(());
        }
        let full = parcel.qos() != Qos::Zero && self.is_full(limits);
        if !full && self.waiting.is_empty() {
            self.put(parcel, limits, out);
            return Ok(());
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Clogged);
        }
        self.waiting.push_back(parcel);
        Ok(())
    }

    /// More may be sent at once: a source that can wait should.
    pub(crate) fn has_room(&self, limits: Limits) -> bool {
        self.waiting.is_empty() && !self.is_full(limits)
    }

    fn is_full(&self, limits: Limits) -> bool {
        self.sent.len() + self.again.len() >= usize::from(limits.window)
    }

    fn put(&mut self, parcel: Parcel, limits: Limits, out: &mut BytesMut) {
        let id = if parcel.qos() == Qos::Zero { 0 } else { self.next_id() };
        if let Parcel::Free(Delivered { qos: Qos::Two, row: Some(row), .. }) = &parcel {
            row.sent(id, false);
        }
        match &parcel {
            Parcel::Free(delivered) if limits.alias_max > 0 => self.put_aliased(delivered, id, limits, out),
            _ => parcel.sending(id).write(limits.version, out),
        }
        let state = match parcel {
            _ if id == 0 => return,
            Parcel::Chat { qos, delivery, .. } => State::Chat { qos, delivery },
            Parcel::Free(delivered) => State::Free(delivered),
        };
        self.sent.push_back(Sent { id, state });
    }

    /// Topics get an alias as they come, as long as there is one left; then it stands for the topic (section 3.3.2.3.4).
    fn put_aliased(&mut self, delivered: &Delivered, id: u16, limits: Limits, out: &mut BytesMut) {
        let mut sending = sending(delivered, id, false);
        let topic = &delivered.message.topic;
        let place = self.aliases.iter().position(|known| known == topic);
        let alias = u16::try_from(place.unwrap_or(self.aliases.len()) + 1).unwrap_or(u16::MAX);
        if place.is_some() {
            sending.topic = "";
            sending.extra.alias = Some(alias);
        } else if alias <= limits.alias_max {
            sending.extra.alias = Some(alias);
            match sending.len(limits.version) > limits.packet_max as usize {
                true => sending.extra.alias = None,
                false => self.aliases.push(topic.clone()),
            }
        }
        sending.write(limits.version, out);
    }

    /// The window is far smaller than the 65,535 identifiers, so that a free one is always near.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.sent.iter().chain(&self.again).any(|sent| sent.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// False: what was sent under this identifier is acknowledged by another kind of packet ([MQTT-4.3.2-1], [MQTT-4.3.3-1]). What is not
    /// known any more may be acknowledged again.
    pub(crate) fn takes(&self, id: u16, kind: u8) -> bool {
        let mut known = self.sent.iter().filter(|sent| sent.id == id);
        known.all(|Sent { state, .. }| match kind {
            frame::PUBACK => state.is(Qos::One),
            frame::PUBREC => !state.is(Qos::One),
            _ => matches!(state, State::Released(_)),
        })
    }

    /// PUBACK: the durable item that it confirms, if it was one.
    pub(crate) fn acknowledged(&mut self, id: u16, limits: Limits, out: &mut BytesMut) -> Option<u64> {
        let delivery = match self.remove(id, |state| state.is(Qos::One))?.state {
            State::Chat { delivery, .. } => delivery,
            State::Free(_) | State::Released(_) => None,
        };
        self.refill(limits, out);
        delivery
    }

    /// PUBREC: answered by PUBREL, unless it says an error, which ends it ([MQTT-4.3.3-4]).
    pub(crate) fn received(&mut self, id: u16, said: u8, limits: Limits, out: &mut BytesMut) {
        let place = self.sent.iter_mut().find(|sent| sent.id == id && !sent.state.is(Qos::One));
        match place {
            None => write::ack(out, limits.version, frame::PUBREL, id, reason::ID_NOT_FOUND),
            Some(_) if said >= reason::UNSPECIFIED => {
                self.remove(id, |_| true);
                self.refill(limits, out);
            }
            Some(sent) => {
                let row = match &mut sent.state {
                    State::Free(delivered) => delivered.row.take(),
                    State::Released(row) => row.take(),
                    State::Chat { .. } => None,
                };
                if let Some(row) = &row {
                    row.sent(id, true);
                }
                sent.state = State::Released(row);
                write::ack(out, limits.version, frame::PUBREL, id, reason::SUCCESS);
            }
        }
    }

    /// PUBCOMP.
    pub(crate) fn completed(&mut self, id: u16, limits: Limits, out: &mut BytesMut) {
        self.remove(id, |state| matches!(state, State::Released(_)));
        self.refill(limits, out);
    }

    fn remove(&mut self, id: u16, fits: impl Fn(&State) -> bool) -> Option<Sent> {
        let at = self.sent.iter().position(|sent| sent.id == id && fits(&sent.state))?;
        let sent = self.sent.remove(at);
        if self.sent.is_empty() {
            self.sent = VecDeque::new();
        }
        sent
    }

    fn refill(&mut self, limits: Limits, out: &mut BytesMut) {
        self.send_again(limits, out);
        while let Some(parcel) = self.waiting.front() {
            if parcel.qos() != Qos::Zero && self.is_full(limits) {
                return;
            }
            if let Some(parcel) = self.waiting.pop_front() {
                self.put(parcel, limits, out);
            }
        }
        self.waiting = VecDeque::new();
    }

    /// Takes out what may not be sent any more.
    pub(crate) fn retain(&mut self, may: impl Fn(&Delivered) -> bool) {
        self.sent.retain(|sent| match &sent.state {
            State::Free(delivered) => may(delivered),
            State::Chat { .. } | State::Released(_) => true,
        });
        self.again.retain(|sent| match &sent.state {
            State::Free(delivered) => may(delivered),
            State::Chat { .. } | State::Released(_) => true,
        });
        self.waiting.retain(|parcel| match parcel {
            Parcel::Free(delivered) => may(delivered),
            Parcel::Chat { .. } => true,
        });
    }

    /// QoS 2 that an earlier run of the server has sent: `None` where it was released as well.
    pub(crate) fn found(&mut self, id: u16, delivered: Option<Delivered>, row: Arc<Row>) {
        let state = match delivered {
            Some(delivered) => State::Free(Delivered { row: Some(row), ..delivered }),
            None => State::Released(Some(row)),
        };
        self.again.push_back(Sent { id, state });
    }

    /// A resumed session: what lacks an acknowledgement goes out again, in its order and marked as a duplicate ([MQTT-4.4.0-1]).
    pub(crate) fn resume(&mut self, now: Instant, limits: Limits, out: &mut BytesMut) {
        self.aliases = Vec::new();
        self.waiting.retain(|parcel| matches!(parcel, Parcel::Free(_)));
        self.again.extend(std::mem::take(&mut self.sent));
        self.again.retain_mut(|sent| match &mut sent.state {
            State::Chat { .. } => false,
            State::Free(delivered) => {
                delivered.left = delivered.message.left(now);
                sending(delivered, sent.id, true).len(limits.version) <= limits.packet_max as usize
            }
            State::Released(_) => true,
        });
        self.refill(limits, out);
    }

    fn send_again(&mut self, limits: Limits, out: &mut BytesMut) {
        while self.sent.len() < usize::from(limits.window) {
            let Some(sent) = self.again.pop_front() else {
                self.again = VecDeque::new();
                return;
            };
            match &sent.state {
                State::Free(delivered) => sending(delivered, sent.id, true).write(limits.version, out),
                State::Released(_) => write::ack(out, limits.version, frame::PUBREL, sent.id, reason::SUCCESS),
                State::Chat { .. } => (),
            }
            self.sent.push_back(sent);
        }
    }

    /// What came by shared subscriptions and no client has begun to answer; QoS 2, once sent, is nobody else's ([MQTT-4.8.2-5]).
    pub(crate) fn into_shared(self) -> Vec<Delivered> {
        let unfinished = self.sent.into_iter().chain(self.again).filter_map(|sent| match sent.state {
            State::Free(delivered) if delivered.qos == Qos::One => Some(delivered),
            State::Free(_) | State::Chat { .. } | State::Released(_) => None,
        });
        let waiting = self.waiting.into_iter().filter_map(|parcel| match parcel {
            Parcel::Free(delivered) => Some(delivered),
            Parcel::Chat { .. } => None,
        });
        unfinished.chain(waiting).filter(|delivered| delivered.share.is_some()).collect()
    }
}

impl State {
    /// Sent with this QoS and not yet answered at all.
    fn is(&self, asked: Qos) -> bool {
        match self {
            State::Chat { qos, .. } => *qos == asked,
            State::Free(delivered) => delivered.qos == asked,
            State::Released(_) => false,
        }
    }
}
