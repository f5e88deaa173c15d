//! Requests of a client that are not finished: their order, their acknowledgements, QoS 2 once per packet id (DLV-15, G-5, G-6).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use chat::{CALLS_MAX, UNFINISHED_MAX};
use proto::topic::ReplyForm;

use super::outflow::Limits;
use crate::packet::{Qos, Version, frame, reason, write};

/// QoS 2 identifiers that a 3.1.1 client may leave without PUBREL; 5.0 keeps to the Receive Maximum.
const RECEIVED_MAX: usize = 1024;

/// A request topic as last seen, and where its answers go (TOPIC-1, TOPIC-2). Most clients use one all their life.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) asked_on: Bytes,
    pub(crate) token: Option<Bytes>,
    pub(crate) version_ok: bool,
    pub(crate) reply: Arc<str>,
}

impl Route {
    /// Of a connection that has asked nothing yet.
    pub(crate) fn initial(client_id: &str) -> Route {
        let reply = ReplyForm::default().topic(client_id).into();
        Route { asked_on: Bytes::new(), token: None, version_ok: true, reply }
    }
}

/// A PUBLISH that is not yet acknowledged.
#[derive(Debug)]
struct Pending {
    /// Number of the call; `None` when the transport answers it itself.
    call: Option<u64>,
    id: u16,
    qos: Qos,
    route: Arc<Route>,
    /// Bytes of a call that is at work.
    size: usize,
    /// Set when it may be acknowledged, with this reason.
    done: Option<u8>,
    /// An answer of the transport's own, sent in its turn.
    answer: Option<Bytes>,
}

#[derive(Debug, Default)]
pub(crate) struct Inflow {
    next_call: u64,
    pending: VecDeque<Pending>,
    /// QoS 2 identifiers received and not released.
    received: Vec<u16>,
}

/// What a PUBLISH is, before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// QoS 2 sent again: nothing to do but, if it was, acknowledge it again.
    Again,
    /// More without acknowledgement than it was allowed (0x93).
    TooMany,
}

impl Inflow {
    /// No further request may be taken before one ends.
    pub(crate) fn is_full(&self) -> bool {
        let at_work = || self.pending.iter().map(|pending| pending.size).sum::<usize>();
        self.pending.len() >= CALLS_MAX || at_work() >= UNFINISHED_MAX
    }

    pub(crate) fn arrival(&self, id: u16, qos: Qos, version: Version, receive_max: u16) -> Arrival {
        if qos == Qos::Zero {
            return Arrival::New;
        }
        if qos == Qos::Two && self.received.contains(&id) {
            return Arrival::Again;
        }
        let unfinished = self.pending.iter().filter(|pending| pending.qos == Qos::One).count() + self.received.len();
        let allowed = match version {
            Version::V4 => RECEIVED_MAX,
            Version::V5 => usize::from(receive_max),
        };
        if unfinished >= allowed { Arrival::TooMany } else { Arrival::New }
    }

    /// A call of the chat, of `size` bytes; returns its number.
    pub(crate) fn call(&mut self, id: u16, qos: Qos, route: Arc<Route>, size: usize) -> u64 {
        let call = self.next_call;
        self.next_call += 1;
        self.push(Pending { call: Some(call), id, qos, route, size, done: None, answer: None });
        call
    }

    /// A PUBLISH that needs no chat: acknowledged with `code` when all before it are.
    pub(crate) fn settled(&mut self, id: u16, qos: Qos, route: Arc<Route>, code: u8, answer: Option<Bytes>) {
        self.push(Pending { call: None, id, qos, route, size: 0, done: Some(code), answer });
    }

    fn push(&mut self, pending: Pending) {
        if pending.qos == Qos::Two {
            self.received.push(pending.id);
        }
        self.pending.push_back(pending);
    }

    /// Where the answers of `call` go, and with which QoS (TOPIC-12).
    pub(crate) fn route(&self, call: u64) -> Option<(&Arc<Route>, Qos)> {
        let pending = self.pending.iter().find(|pending| pending.call == Some(call))?;
        Some((&pending.route, pending.qos))
    }

    pub(crate) fn done(&mut self, call: u64, code: u8) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.call == Some(call)) {
            pending.done = Some(code);
            pending.size = 0;
        }
    }

    /// Takes the first if it is finished, writes its acknowledgement, and gives back its own answer.
    pub(crate) fn acknowledge(
        &mut self,
        limits: Limits,
        out: &mut BytesMut,
    ) -> Option<Option<(Arc<Route>, Qos, Bytes)>> {
        let code = self.pending.front()?.done?;
        let first = self.pending.pop_front()?;
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
        let refused = limits.version == Version::V5 && code >= reason::UNSPECIFIED;
        let kind = match first.qos {
            Qos::Zero => None,
            Qos::One => Some(frame::PUBACK),
            Qos::Two => Some(frame::PUBREC),
        };
        match kind {
            None => (),
            Some(kind) if refused && limits.explain => write::explained_ack(out, kind, first.id, code),
            Some(kind) => write::ack(out, limits.version, kind, first.id, code),
        }
        // 5.0: a PUBREC that says an error is the end of it; 3.1.1 does not see the error and goes on.
        if refused && first.qos == Qos::Two {
            self.release(first.id);
        }
        Some(first.answer.map(|answer| (first.route, first.qos, answer)))
    }

    /// A QoS 2 PUBLISH again: PUBREC again, unless the first is still at work.
    pub(crate) fn again(&self, id: u16, version: Version, out: &mut BytesMut) {
        if !self.pending.iter().any(|pending| pending.qos == Qos::Two && pending.id == id) {
            write::ack(out, version, frame::PUBREC, id, reason::SUCCESS);
        }
    }

    /// PUBREL: the identifier is free again.
    pub(crate) fn released(&mut self, id: u16, version: Version, out: &mut BytesMut) {
        let code = if self.release(id) { reason::SUCCESS } else { reason::ID_NOT_FOUND };
        write::ack(out, version, frame::PUBCOMP, id, code);
    }

    fn release(&mut self, id: u16) -> bool {
        let Some(at) = self.received.iter().position(|received| *received == id) else {
            return false;
        };
        self.received.swap_remove(at);
        if self.received.is_empty() {
            self.received = Vec::new();
        }
        true
    }

    /// Identifiers that outlive the connection (CON-11), when `self` ends.
    pub(crate) fn into_received(self) -> Vec<u16> {
        self.received
    }

    pub(crate) fn resume(&mut self, received: Vec<u16>) {
        self.received = received;
    }
}
