//! Packets of MQTT 3.1.1 and 5.0: framing and every check of the standard here, the fields by `rumqttd::protocol`.
//!
//! What that codec gets wrong is listed in the documentation of this crate; none of it reaches it.

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::{ConnectProperties, LastWill, LastWillProperties, PublishProperties, RetainForwardRule};

mod connect;
mod decode;
pub(crate) mod frame;
mod property;
mod reader;
pub(crate) mod reason;
pub(crate) mod write;

pub(crate) use connect::BadConnect;
pub(crate) use decode::{Next, next, well_formed};

/// MQTT 3.1.1 (protocol level 4) or 5.0 (level 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V5,
}

/// A packet that ends its connection, with the reason that 5.0 is told (CON-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad(pub(crate) u8);

impl Bad {
    pub(crate) const MALFORMED: Bad = Bad(reason::MALFORMED);
    pub(crate) const PROTOCOL: Bad = Bad(reason::PROTOCOL_ERROR);
    pub(crate) const TOO_LARGE: Bad = Bad(reason::PACKET_TOO_LARGE);
}

/// Quality of service.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    #[default]
    Zero,
    One,
    Two,
}

impl Qos {
    pub(crate) fn of(bits: u8) -> Option<Qos> {
        match bits {
            0 => Some(Qos::Zero),
            1 => Some(Qos::One),
            2 => Some(Qos::Two),
            _ => None,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Qos::Zero => 0,
            Qos::One => 1,
            Qos::Two => 2,
        }
    }
}

/// What a client sends.
#[derive(Debug)]
pub(crate) enum Incoming {
    Connect(Box<Connect>),
    Publish(Publish),
    PubAck { id: u16 },
    PubRec { id: u16, reason: u8 },
    PubRel { id: u16 },
    PubComp { id: u16 },
    Subscribe(Subscribe),
    Unsubscribe { id: u16, filters: Vec<String> },
    Ping,
    Disconnect { reason: u8, session_expiry: Option<u32> },
}

pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    /// Seconds; 0 is none asked for.
    pub(crate) keep_alive: u16,
    pub(crate) properties: Option<ConnectProperties>,
    pub(crate) will: Option<(LastWill, Option<LastWillProperties>)>,
    pub(crate) password: Option<Bytes>,
}

proto::discreet!(Connect: version, client_id, clean_start, keep_alive);

#[derive(Debug)]
pub(crate) struct Publish {
    /// Packet identifier; 0 with QoS 0.
    pub(crate) id: u16,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// UTF-8 without wildcards. Empty only beside a topic alias.
    pub(crate) topic: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) properties: Option<Box<PublishProperties>>,
}

#[derive(Debug)]
pub(crate) struct Subscribe {
    pub(crate) id: u16,
    pub(crate) subscription_id: Option<usize>,
    pub(crate) filters: Vec<Asked>,
}

/// One filter of a SUBSCRIBE with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) filter: String,
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retained: RetainForwardRule,
}

/// Takes nothing, keeps no capacity: an idle connection costs no buffer.
pub(crate) fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        *buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod tests;
