//! What the devices of an account are shown: encoded once, shared by all their sessions.

use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{FeedId, Phone, PhoneId};

/// An entry of a feed, a message item or a notice to all members of a room: encoded once, shared by every receiving session.
#[derive(Clone)]
pub struct Letter {
    pub feed: FeedId,
    /// Storage key of the feed.
    pub key: Bytes,
    pub topic: Arc<str>,
    pub author: Option<PhoneId>,
    /// Number of the entry in the feed's log.
    pub seq: u64,
    /// Number of the message; equal to `seq` for a new one.
    pub id: u64,
    /// The message itself, whose arrival its author is told of (MESSAGE-12); not its announcement or a change.
    pub whole: bool,
    /// The conversation is told when it is acknowledged (DLV-6).
    pub fleeting: bool,
    /// [`rows::fingerprint`](crate::rows::fingerprint) of msg_id, by which an Ack record finds it; without it, the transport's
    /// confirmation is its acknowledgement (DLV-3).
    pub print: Option<u64>,
    /// It is what a client sent: to that one it is an echo, which leaves on PUBACK (DLV-3).
    pub echo: bool,
    pub payload: Bytes,
    /// Connection and call that caused it, which sees the answer first.
    pub origin: Option<(u64, u64)>,
    /// Connection that caused it and has had it as its answer (G-8).
    pub except: Option<u64>,
}

proto::discreet!(Letter: feed, seq, id);

/// A durable notice as it is shown to a device.
#[derive(Clone)]
pub struct Notice {
    pub seq: u64,
    pub topic: Arc<str>,
    pub payload: Bytes,
    /// Connection that caused it and has had it as its answer (G-8).
    pub except: Option<u64>,
    /// Like `except`, but the connection gets it on the topic as the end of its call (G-8: "answered by its first notification").
    pub origin: Option<(u64, u64)>,
    /// As [`Transient::event`].
    pub event: u64,
}

proto::discreet!(Notice: seq, topic);

/// Something that is not kept.
#[derive(Clone)]
pub struct Transient {
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub except: Option<u64>,
    /// Connection and call that caused it: its sender sees the answer first.
    pub origin: Option<(u64, u64)>,
    /// Copies of one event by several topics have one number, and a device gets the first of them (G-8); 0 = there is one copy.
    pub event: u64,
    /// Whose own devices hear it otherwise.
    pub of: Option<Phone>,
}

proto::discreet!(Transient: topic);

impl Transient {
    pub fn new(topic: Arc<str>, payload: Bytes, except: Option<u64>) -> Transient {
        Transient { topic, payload, except, origin: None, event: 0, of: None }
    }
}
