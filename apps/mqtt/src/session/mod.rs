//! One MQTT session as a value: packets and outs go in, bytes and things to ask for come out. No socket, no clock, no chat.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use chat::door::{Bye, Denied, Origin, Out, Verdict};
use proto::topic::Topic;

pub(crate) mod free;
pub(crate) mod greet;
mod inflow;
mod outflow;
mod publish;
mod subscribe;

pub(crate) use free::Kept;
pub(crate) use greet::{Greeting, Kind};

use crate::broker::Options;
use crate::message::Message;
use crate::packet::{Bad, Incoming, Qos, Version, frame, reason, write};
use crate::rights::{Act, Rights};
use free::Free;
use inflow::{Inflow, Route};
use outflow::{Clogged, Limits, Outflow, Parcel};
use subscribe::Asking;

/// What a session wants done, in this order of time within each kind.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// For the client.
    pub(crate) bytes: BytesMut,
    /// For the chat and the broker.
    pub(crate) asks: VecDeque<Ask>,
    /// The connection ends when `bytes` are written.
    pub(crate) end: Option<End>,
}

#[derive(Debug)]
pub(crate) enum Ask {
    Request {
        call: u64,
        origin: Origin,
        payload: Bytes,
    },
    Confirm(u64),
    MayReceive {
        ask: u64,
        topic: Topic,
    },
    Publish(Box<Message>),
    /// QoS 2: to be published when `id` is released.
    Hold {
        id: u16,
        message: Box<Message>,
    },
    Release(u16),
    /// `retained` asks for what is kept there.
    Subscribe {
        filter: Arc<str>,
        options: Options,
        retained: bool,
    },
    Unsubscribe {
        filter: Arc<str>,
    },
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said good-bye; its will is forgotten.
    Left,
    /// Anything else.
    Broken,
    /// The chat or a younger connection ended it: nothing is left to tell the chat.
    Dismissed,
}

/// Whether a packet was taken.
#[derive(Debug)]
pub(crate) enum Taken {
    Yes,
    /// Not before something else ends: offer it again after the next out.
    Later(Incoming),
}

#[derive(Debug)]
pub(crate) struct Session {
    kind: Kind,
    client_id: Arc<str>,
    limits: Limits,
    receive_max: u16,
    inflow: Inflow,
    outflow: Outflow,
    /// Of the latest request (TOPIC-2).
    route: Arc<Route>,
    aliases: HashMap<u16, Bytes>,
    asking: Option<Box<Asking>>,
    /// Of those who may use free topics.
    free: Option<Box<Free>>,
    rights: Option<Box<Rights>>,
    /// CONNECT said a session expiry of 0: DISCONNECT may not say another.
    ends_with_connection: bool,
    expiry_said: Option<u32>,
}

impl Session {
    pub(crate) fn new(greeting: &Greeting, receive_max: u16) -> Session {
        Session {
            kind: greeting.kind,
            client_id: greeting.client_id.clone(),
            limits: greeting.limits,
            receive_max,
            inflow: Inflow::default(),
            outflow: Outflow::default(),
            route: Arc::new(Route::initial(&greeting.client_id)),
            aliases: HashMap::new(),
            asking: None,
            free: greeting.free.then(Box::default),
            rights: greeting.rights.clone(),
            ends_with_connection: greeting.expiry_asked == 0,
            expiry_said: None,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.limits.version
    }

    /// One packet from the client.
    pub(crate) fn packet(&mut self, packet: Incoming, todo: &mut Todo) -> Taken {
        match packet {
            Incoming::Publish(publish) => return self.publish(publish, todo),
            Incoming::Subscribe(subscribe) => return self.subscribe(subscribe, todo),
            Incoming::Unsubscribe { id, filters } => self.unsubscribe(id, &filters, todo),
            Incoming::PubAck { id } if !self.outflow.takes(id, frame::PUBACK) => self.broken(Bad::PROTOCOL, todo),
            Incoming::PubRec { id, .. } if !self.outflow.takes(id, frame::PUBREC) => self.broken(Bad::PROTOCOL, todo),
            Incoming::PubComp { id } if !self.outflow.takes(id, frame::PUBCOMP) => self.broken(Bad::PROTOCOL, todo),
            Incoming::PubAck { id } => {
                let delivery = self.outflow.acknowledged(id, self.limits, &mut todo.bytes);
                todo.asks.extend(delivery.map(Ask::Confirm));
            }
            Incoming::PubRec { id, reason } => self.outflow.received(id, reason, self.limits, &mut todo.bytes),
            Incoming::PubRel { id } => {
                if self.free.is_some() {
                    todo.asks.push_back(Ask::Release(id));
                }
                self.inflow.released(id, self.limits.version, &mut todo.bytes);
            }
            Incoming::PubComp { id } => self.outflow.completed(id, self.limits, &mut todo.bytes),
            Incoming::Ping => todo.bytes.extend_from_slice(&write::PINGRESP),
            Incoming::Disconnect { reason, session_expiry } => self.disconnect(reason, session_expiry, todo),
            Incoming::Connect(_) => self.broken(Bad::PROTOCOL, todo),
        }
        Taken::Yes
    }

    fn disconnect(&mut self, code: u8, session_expiry: Option<u32>, todo: &mut Todo) {
        if self.ends_with_connection && session_expiry.is_some_and(|seconds| seconds > 0) {
            return self.broken(Bad::PROTOCOL, todo);
        }
        self.expiry_said = session_expiry;
        // Only this one takes the will back ([MQTT-3.1.2-8]).
        todo.end = Some(if code == reason::SUCCESS { End::Left } else { End::Broken });
    }

    /// Seconds that the session is to outlive the connection, if DISCONNECT said another number than CONNECT.
    pub(crate) fn expiry_said(&self) -> Option<u32> {
        self.expiry_said
    }

    /// CON-12: says why (5.0), then closes.
    pub(crate) fn broken(&self, bad: Bad, todo: &mut Todo) {
        self.close(bad.0, End::Broken, todo);
    }

    pub(crate) fn close(&self, code: u8, end: End, todo: &mut Todo) {
        write::disconnect(&mut todo.bytes, self.limits.version, code, self.limits.explain);
        todo.end = Some(end);
    }

    /// One thing that the chat wants done, after the connection is accepted.
    pub(crate) fn out(&mut self, out: Out, todo: &mut Todo) {
        match out {
            Out::Answer { call, payload } => self.answer(call, payload, todo),
            Out::Done { call, verdict } => {
                self.inflow.done(call, code_of(verdict));
                self.acknowledge(todo);
            }
            Out::Notice { payload } => {
                let topic = self.route.reply.clone();
                self.send(Parcel::Chat { topic, payload, qos: Qos::Zero, delivery: None }, todo);
            }
            Out::Item { topic, payload, delivery } => {
                let qos = if delivery.is_some() { Qos::One } else { Qos::Zero };
                self.send(Parcel::Chat { topic, payload, qos, delivery }, todo);
            }
            Out::Right { ask, granted } => self.right(ask, granted, todo),
            // No packet carries the mailboxes.
            Out::Mail { .. } => {}
            Out::Close(bye) => self.close(bye_code(bye), End::Dismissed, todo),
            // They come once, before a session is made.
            Out::Welcome(..) | Out::Denied(_) => (),
        }
    }

    fn answer(&mut self, call: u64, payload: Bytes, todo: &mut Todo) {
        if let Some((route, qos)) = self.inflow.route(call) {
            let topic = route.reply.clone();
            self.send(Parcel::Chat { topic, payload, qos, delivery: None }, todo);
        }
    }

    /// Acknowledges what is finished, in the order of arrival (G-5, [MQTT-4.6.0-2]).
    fn acknowledge(&mut self, todo: &mut Todo) {
        while let Some(own) = self.inflow.acknowledge(self.limits, &mut todo.bytes) {
            if let Some((route, qos, payload)) = own {
                self.send(Parcel::Chat { topic: route.reply.clone(), payload, qos, delivery: None }, todo);
            }
        }
    }

    fn send(&mut self, parcel: Parcel, todo: &mut Todo) {
        if self.outflow.send(parcel, self.limits, &mut todo.bytes) == Err(Clogged) {
            self.close(reason::QUOTA_EXCEEDED, End::Broken, todo);
        }
    }

    /// Whether it takes an answer with so many codes ([MQTT-3.1.2-24]); if not, nothing of what it asks is done, and it is closed.
    fn takes_codes(&self, count: usize, todo: &mut Todo) -> bool {
        let takes = write::codes_len(count) <= self.limits.packet_max as usize;
        if !takes {
            self.broken(Bad(reason::PACKET_TOO_LARGE), todo);
        }
        takes
    }

    /// TOPIC-13: whether it may do that to the free topics that `filter` names.
    fn may(&self, act: Act, filter: &str) -> bool {
        greet::may(self.rights.as_deref(), self.kind, act, filter)
    }

    /// The client can be sent more of what can wait.
    pub(crate) fn has_room(&self) -> bool {
        self.outflow.has_room(self.limits)
    }
}

fn code_of(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Done => reason::SUCCESS,
        Verdict::NoRight => reason::NOT_AUTHORIZED,
        Verdict::BadPayload => reason::PAYLOAD_INVALID,
        Verdict::TooMuch => reason::QUOTA_EXCEEDED,
    }
}

fn bye_code(bye: Bye) -> u8 {
    match bye {
        Bye::Done => reason::SUCCESS,
        Bye::TakenOver => reason::TAKEN_OVER,
        Bye::Expired => reason::NOT_AUTHORIZED,
        Bye::Ended => reason::ADMINISTRATIVE,
        Bye::TimeUp => reason::TOO_LONG_CONNECTED,
        Bye::TooOften => reason::RATE_TOO_HIGH,
        Bye::ShuttingDown => reason::SHUTTING_DOWN,
        Bye::Fault => reason::IMPLEMENTATION,
    }
}

/// CON-3: a denial in the codes of 5.0.
pub(crate) fn denied_code(denied: Denied) -> u8 {
    match denied {
        Denied::BadCredentials => reason::BAD_CREDENTIALS,
        Denied::NotAuthorized => reason::NOT_AUTHORIZED,
        Denied::BadClientId => reason::BAD_CLIENT_ID,
        Denied::Banned => reason::BANNED,
        Denied::TooMany => reason::QUOTA_EXCEEDED,
        Denied::Unavailable => reason::UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests;
