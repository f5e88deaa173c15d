//! The MQTT front: listeners, sessions of MQTT 3.1.1 and 5.0, and the broker of the free topics.
//!
//! Follow one message: a listener (crate `listen`) brings the connection to a ring thread, `connection::opening` reads CONNECT and asks the chat,
//! `connection::live` reads the socket until it is empty; `packet` turns bytes into packets, `session` decides what each means
//! and is a value without I/O. Requests leave by [`chat::door`], answers come back by its port, as a batch, and are written
//! with one call. Chat topics never pass through the broker.
//!
//! # What an idle connection keeps
//!
//! A stream, a session without one allocated queue, a timer, a place in the shutdown list. Read buffers belong to threads. The
//! handshake runs in a task of its own, whose memory goes when CONNECT is accepted.
//!
//! # Notes on rumqttd 0.20: the codec
//!
//! `packet` checks every packet against the standard first, then lets `rumqttd::protocol` read its fields. What the codec
//! refuses, mistakes or misses, and what is done about it:
//!
//! - Panics (`unreachable!`) on CONNACK and UNSUBACK of 5.0, and on CONNACK codes that 3.1.1 does not have: never given to it.
//! - Hides QoS, packet id and DUP of `Publish`: read from the bytes; PUBLISH to clients is written by `packet::write`.
//! - Refuses a CONNECT whose password is not UTF-8, and takes an empty one for none: user name and password are cut off and
//!   read here.
//! - Miscounts a subscription identifier, so that the properties behind it are read as filters: properties of SUBSCRIBE and
//!   UNSUBSCRIBE are read here and cut off.
//! - Refuses a DISCONNECT of 5.0 with a reason and no properties, and writes one with a wrong length: read and written here.
//! - Refuses acknowledgements with reasons it does not know: read here.
//! - Checks neither flags of the fixed header, reserved bits, U+0000 in texts, wildcards in topic names, form of filters, zero
//!   packet ids beside PUBLISH, trailing bytes, nor which property may stand where, how often and with which value.
//! - Takes the limit of a packet for that of its body.
//!
//! # The broker is ours
//!
//! The router of rumqttd 0.20 would need more around it than it does itself: its matching panics on a topic that does not begin with
//! ASCII and knows no `$` rule; groups are told apart by name alone; packet ids end at 100, nothing is sent twice; it has no retain
//! handling, no no-local, no session expiry, no will delay; it frees neither filters nor topics, and a link takes 34 KB. So
//! `broker` has a tree of subscriptions, mailboxes, what is retained and what outlives a connection.
//!
//! - Subscriptions of one client that overlap bring one copy, with the highest QoS and all their identifiers.
//! - A mailbox has a bound. There QoS 0 is dropped; when QoS 1 or 2 does not fit, the session ends (0x97), so that Session Present 0
//!   tells the client that something is missing: there is never a silent hole.
//! - Acknowledged is what is in the mailboxes; and, of what is retained (QoS 1 and 2) or is for a session that outlives its connection,
//!   what is on the disk (`broker::book`). A connection that has something to keep writes and reads nothing before it is there; whatever
//!   nobody's lasting session needs costs nothing. A message is kept once, each waiting session has a row that refers to it.
//! - No session is chosen by a group while its client is away and another's is not; what it had not been sent then goes to others, what
//!   it had not acknowledged (QoS 1) when it ends.

mod front;
mod settings;
mod rights;
mod holder;
mod shared;
mod status;
mod signal;
mod connection;
mod session;
mod packet;
mod message;
mod broker;
#[cfg(any(test, feature = "hostile"))]
#[allow(clippy::indexing_slicing, reason = "it may fail")]
pub mod hostile;

pub use front::{Error, Front};
pub use rights::Rule;
pub use settings::{Plain, Settings};

/// What the broker of the free topics keeps in the store that it is given.
pub const TABLES: &[kvs::Table] = broker::TABLES;
