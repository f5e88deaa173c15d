//! What a transport knows of one connection, and does about what the chat says to it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use chat::door::{self, Bye, Denied, Origin, Out, Role, Verdict};
use chat::{Caller, Input, Name, Port};
use proto::Refusal;
use proto::ids::Phone;
use proto::records::Io;
use proto::topic::{ReplyForm, Topic};

use super::certificates::certificate;
use crate::stage::{Got, Hello, Opening, RECORD, TEXT};

/// What a transport knows of one connection.
pub(super) struct Link {
    pub(super) port: Arc<Port>,
    pub(super) name: Name,
    pub(super) client: String,
    pub(super) open: bool,
    pub(super) connack: Option<u8>,
    pub(super) role: Option<Role>,
    pub(super) next_call: u64,
    /// Reply topics of calls that have not ended, the newest last.
    pub(super) asked: VecDeque<(u64, String)>,
    pub(super) reply: String,
    pub(super) pubacks: Vec<u8>,
    pub(super) right: Option<bool>,
    pub(super) came: Vec<Got>,
    pub(super) closed: Option<u8>,
    pub(super) at_once: bool,
    pub(super) held: Vec<u64>,
    /// It is a WebSocket.
    pub(super) terminal: Option<Terminal>,
}

/// What a transport knows of one that speaks to mailboxes.
pub(super) struct Terminal {
    pub(super) caller: Arc<Caller>,
    pub(super) account: Option<Phone>,
    pub(super) speaks_records: bool,
}

impl Link {
    pub(super) fn new(hello: &Hello) -> Link {
        Link {
            port: Arc::new(Port::default()),
            name: Name::session(&Bytes::copy_from_slice(hello.client_id.as_bytes())),
            client: hello.client_id.clone(),
            open: true,
            connack: None,
            role: None,
            next_call: 0,
            asked: VecDeque::new(),
            reply: ReplyForm::default().topic(&hello.client_id),
            pubacks: Vec::new(),
            right: None,
            came: Vec::new(),
            closed: None,
            at_once: !hello.holding,
            held: Vec::new(),
            terminal: None,
        }
    }

    pub(super) fn over_websocket(opening: &Opening, account: Option<Phone>, now: u64) -> Link {
        let certificate = opening.certified.as_deref().map(|key| certificate(key, now));
        let caller = Arc::new(Caller { certificate, open: !opening.strict });
        let link = Link::new(&Hello::default());
        let name = Name::Terminal(link.port.number());
        Link { name, terminal: Some(Terminal { caller, account, speaks_records: false }), ..link }
    }

    /// What the transport does about one out, and what it tells the chat of it.
    pub(super) fn take(&mut self, out: Out) -> Option<Input> {
        match out {
            Out::Welcome(role, _) => (self.connack, self.role) = (Some(0), Some(role)),
            Out::Denied(denied) => (self.connack, self.open) = (Some(connack(denied)), false),
            Out::Answer { call, payload } => {
                let asked = self.asked.iter().find(|(asked, _)| *asked == call);
                let topic = asked.map_or_else(|| self.reply.clone(), |(_, reply)| reply.clone());
                self.came.push(Got { topic, payload, qos: 1 });
            }
            Out::Done { call, verdict } => {
                let first = self.asked.pop_front().map(|(first, _)| first);
                assert_eq!(first, Some(call), "calls end in the order they came (G-5)");
                self.pubacks.push(puback(verdict));
            }
            Out::Notice { payload } => self.came.push(Got { topic: self.reply.clone(), payload, qos: 0 }),
            Out::Item { topic, payload, delivery } => {
                self.came.push(Got { topic: topic.to_string(), payload, qos: u8::from(delivery.is_some()) });
                match delivery {
                    Some(delivery) if self.at_once => return Some(self.confirmed(delivery)),
                    Some(delivery) => self.held.push(delivery),
                    None => {}
                }
            }
            Out::Right { granted, .. } => self.right = Some(granted),
            Out::Mail { frame, number } => {
                let speaks_records = self.terminal.as_ref().is_some_and(|terminal| terminal.speaks_records);
                let (topic, payload) = match frame {
                    door::Frame::Text(text) => (TEXT, text),
                    door::Frame::Record(record) => (RECORD, record),
                    door::Frame::Letter(letter) if speaks_records => (RECORD, letter.record.clone()),
                    door::Frame::Letter(letter) => (TEXT, letter.text.clone()),
                };
                self.came.push(Got { topic: topic.to_owned(), payload, qos: 0 });
                match self.at_once {
                    true => return Some(self.confirmed(number)),
                    false => self.held.push(number),
                }
            }
            Out::Close(bye) => (self.closed, self.open) = (Some(disconnect(bye)), false),
        }
        None
    }

    pub(super) fn confirmed(&self, delivery: u64) -> Input {
        Input::Confirmed { connection: self.port.number(), delivery }
    }

    /// As the transports do (TOPIC-1, TOPIC-8, TOPIC-10): a request, or the code it is turned down with.
    pub(super) fn origin(&mut self, name: &str) -> Result<Origin, u8> {
        match Topic::parse(name) {
            Topic::Events(events) if events.client.as_ref().is_some_and(|client| **client != *self.client) => Err(0x87),
            Topic::Events(events) => {
                self.reply = events.reply.topic(&self.client);
                if !events.version_ok {
                    let payload = etf::encode(&Io::error(Refusal::InvalidVersion));
                    self.came.push(Got { topic: self.reply.clone(), payload, qos: 1 });
                    return Err(0);
                }
                Ok(Origin::Events { token: events.token.map(|token| Bytes::copy_from_slice(token.as_bytes())) })
            }
            topic @ (Topic::Devices(_) | Topic::Contacts(_) | Topic::Private(_) | Topic::Room(_)) => {
                Ok(Origin::Broadcast(topic))
            }
            Topic::Actions(..)
            | Topic::Ses(_)
            | Topic::Ac(_)
            | Topic::Muc(_)
            | Topic::P2p(_)
            | Topic::Version(_)
            | Topic::Free
            | Topic::Unknown => Err(0x87),
        }
    }
}

/// CON-3.
fn connack(denied: Denied) -> u8 {
    match denied {
        Denied::BadCredentials => 0x86,
        Denied::NotAuthorized => 0x87,
        Denied::BadClientId => 0x85,
        Denied::Banned => 0x8a,
        Denied::TooMany => 0x97,
        Denied::Unavailable => 0x88,
    }
}

/// TOPIC-8, TOPIC-10.
fn puback(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Done => 0,
        Verdict::NoRight => 0x87,
        Verdict::BadPayload => 0x99,
        Verdict::TooMuch => 0x97,
    }
}

fn disconnect(bye: Bye) -> u8 {
    match bye {
        Bye::Done => 0,
        Bye::TakenOver => 0x8e,
        Bye::Expired => 0x87,
        Bye::Ended => 0x98,
        Bye::TimeUp => 0xa0,
        Bye::TooOften => 0x96,
        Bye::ShuttingDown => 0x8b,
        Bye::Fault => 0x83,
    }
}
