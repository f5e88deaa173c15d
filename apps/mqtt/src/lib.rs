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
//! # Notes on rumqttd 0.20: the router
//!
//! It is given what it does well: topics to subscriptions, logs for the slow, turns within shared groups. Worked around here:
//!
//! - Its matching panics on a topic whose first character is not ASCII (the router is dead then) and has no `$` rule: topics
//!   and filters are spelled anew (`broker::spelling`).
//! - Shared groups are told apart by name alone, and leaving one leaves all: the filter is made part of the name, and the
//!   remaining ones are joined again.
//! - Any empty payload deletes a retained message, retain handling and retain-as-published are not known, at most 100 are
//!   shown: retained messages are ours (`broker::retained`).
//! - Packet ids end at 100, acknowledgements out of order disconnect, nothing is sent twice, PUBREL with properties is ignored:
//!   messages pass it with QoS 0, their QoS in an envelope; ids, windows and repetition are the session's.
//! - No no-local, one QoS for a subscription whatever the publisher's: done by the session, which knows its subscription by the
//!   identifier that the router adds.
//! - Client ids with `+ $ # /` are turned away without an answer; sessions never expire; will delay is unknown; every id is
//!   remembered for ever: links have names of ours, used again; sessions and wills are kept in `broker::clients`.
//! - Making a link and a full channel block: a thread of our own does that.
//!
//! # Left for the issue that completes the broker
//!
//! - The router never frees a filter (with room for 1,024 messages each), nor the topics that once matched; the first publish
//!   on a new topic looks at all filters, and so does every end of a link.
//! - Messages that a client of a shared group has been handed and not acknowledged are not given to another when it ends.
//! - A subscriber slower than 8 MiB of log on a filter loses the oldest messages there, QoS 1 and 2 included.
//! - Overlapping subscriptions of one client get a copy each (allowed by section 3.3.4 of the standard).
//! - Sessions and retained messages of free topics do not outlive the process. No topic aliases towards clients, no rights
//!   on single free topics (`topics.free`), no reason strings, no response information.

mod front;
mod settings;
mod shared;
mod signal;
mod connection;
mod session;
mod packet;
mod message;
mod broker;

pub use front::Front;
pub use settings::{Plain, Settings};
