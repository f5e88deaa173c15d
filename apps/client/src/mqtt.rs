//! MQTT 3.1.1 and 5.0 as a client speaks it: packets to bytes and back, without copying and without any I/O.
//!
//! Only what this protocol's clients use is here: properties that say nothing to a client are checked for shape and skipped.

mod cursor;
mod decode;
mod encode;

pub use cursor::Malformed;
pub use decode::decode;
pub use encode::{Connect, Publication, acknowledge, connect, disconnect, ping, publish, subscribe, unsubscribe};

/// Largest Remaining Length that the wire can say, in bytes (MQTT 5.0 section 1.5.5).
pub const REMAINING_MAX: usize = 268_435_455;

/// Protocol level of a connection; packets other than CONNECT do not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 3.1.1, protocol level 4.
    V311,
    /// 5.0, protocol level 5.
    #[default]
    V5,
}

/// Quality of service of one PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl Qos {
    /// The two bits on the wire; 3 is none (MQTT-3.3.1-4).
    pub fn from_bits(bits: u8) -> Option<Qos> {
        match bits {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            2 => Some(Qos::ExactlyOnce),
            _ => None,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}

/// The four acknowledgements of a PUBLISH; they share one layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// What a server may send, borrowed from the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    ConnAck(ConnAck),
    Publish(Publish<'a>),
    /// `reason` is 0 where the packet has none (3.1.1).
    Ack {
        kind: AckKind,
        id: u16,
        reason: u8,
    },
    /// One code per filter, in order.
    SubAck {
        id: u16,
        codes: &'a [u8],
    },
    UnsubAck {
        id: u16,
    },
    PingResp,
    /// 5.0 only: why the server closes.
    Disconnect {
        reason: u8,
    },
}

/// The server's answer to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    pub session_present: bool,
    /// 0 accepts; else the reason (5.0) or return code (3.1.1).
    pub code: u8,
    /// How many QoS 1 and 2 PUBLISHes the server takes unacknowledged; 65,535 where it does not say.
    pub receive_max: u16,
    /// Largest packet the server takes, in bytes, if it says.
    pub packet_max: Option<u32>,
    /// The client id that the server chose for an empty one.
    pub client_id: Option<String>,
    /// Seconds; what the server demands in place of the asked keep-alive.
    pub keep_alive: Option<u16>,
}

/// An application message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: Qos,
    pub retain: bool,
    pub topic: &'a str,
    /// 0 with QoS 0, never 0 else.
    pub id: u16,
    pub payload: &'a [u8],
}
