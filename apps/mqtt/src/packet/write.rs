//! Packets to a client. PUBLISH, the acknowledgements and DISCONNECT are written here: of the first the codec hides the fields,
//! of the last it miscounts the length, and the others are a few bytes.

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{ConnAck, ConnAckProperties, ConnectReturnCode, Packet, Protocol, PublishProperties};

use super::{Qos, Version, frame, reason};

pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0x00];

/// Variable byte integer (section 1.5.5); `value` is below 2^28.
pub(crate) fn varint(out: &mut BytesMut, mut value: usize) {
    while value > 0x7F {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// A PUBLISH to a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending<'a> {
    /// 0 with QoS 0.
    pub(crate) id: u16,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) properties: Option<&'a PublishProperties>,
    pub(crate) extra: Extra<'a>,
}

/// Properties that differ from one receiver to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extra<'a> {
    pub(crate) alias: Option<u16>,
    /// Seconds left, instead of those that the publisher gave.
    pub(crate) expiry: Option<u32>,
    pub(crate) subscription_ids: &'a [usize],
}

impl Sending<'_> {
    /// Bytes after the fixed header.
    fn remaining(&self, version: Version) -> usize {
        let id = if self.qos == Qos::Zero { 0 } else { 2 };
        2 + self.topic.len() + id + self.payload.len() + self.section(version)
    }

    fn section(&self, version: Version) -> usize {
        match version {
            Version::V4 => 0,
            Version::V5 => {
                let len = self.properties.map_or(0, properties_len) + self.extra.len();
                varint_len(len) + len
            }
        }
    }

    /// Bytes of the whole packet.
    pub(crate) fn len(&self, version: Version) -> usize {
        let remaining = self.remaining(version);
        1 + varint_len(remaining) + remaining
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.reserve(self.len(version));
        out.put_u8(frame::PUBLISH << 4 | u8::from(self.dup) << 3 | self.qos.bits() << 1 | u8::from(self.retain));
        varint(out, self.remaining(version));
        text(out, self.topic);
        if self.qos != Qos::Zero {
            out.put_u16(self.id);
        }
        if version == Version::V5 {
            varint(out, self.properties.map_or(0, properties_len) + self.extra.len());
            if let Some(known) = self.properties {
                properties(out, known, self.extra.expiry);
            }
            self.extra.write(out);
        }
        out.extend_from_slice(self.payload);
    }
}

impl Extra<'_> {
    /// Without the expiry, which only takes another's place.
    fn len(&self) -> usize {
        let ids = self.subscription_ids.iter().map(|id| 1 + varint_len(*id));
        self.alias.map_or(0, |_| 3) + ids.sum::<usize>()
    }

    fn write(&self, out: &mut BytesMut) {
        if let Some(alias) = self.alias {
            out.put_u8(35);
            out.put_u16(alias);
        }
        for id in self.subscription_ids {
            out.put_u8(11);
            varint(out, *id);
        }
    }
}

/// Length before the bytes; what is longer than 65,535 bytes never comes this far.
fn text(out: &mut BytesMut, text: &str) {
    binary(out, text.as_bytes());
}

fn binary(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u16(bytes.len() as u16);
    out.extend_from_slice(bytes);
}

fn properties_len(known: &PublishProperties) -> usize {
    let texts = [&known.response_topic, &known.content_type].into_iter().flatten().map(|text| 3 + text.len());
    let pairs = known.user_properties.iter().map(|(key, value)| 5 + key.len() + value.len());
    known.payload_format_indicator.map_or(0, |_| 2)
        + known.message_expiry_interval.map_or(0, |_| 5)
        + known.correlation_data.as_ref().map_or(0, |data| 3 + data.len())
        + texts.sum::<usize>()
        + pairs.sum::<usize>()
}

fn properties(out: &mut BytesMut, known: &PublishProperties, left: Option<u32>) {
    if let Some(format) = known.payload_format_indicator {
        out.put_slice(&[1, format]);
    }
    if let Some(expiry) = known.message_expiry_interval {
        out.put_u8(2);
        out.put_u32(left.unwrap_or(expiry));
    }
    if let Some(content) = &known.content_type {
        out.put_u8(3);
        text(out, content);
    }
    if let Some(topic) = &known.response_topic {
        out.put_u8(8);
        text(out, topic);
    }
    if let Some(data) = &known.correlation_data {
        out.put_u8(9);
        binary(out, data);
    }
    for (key, value) in &known.user_properties {
        out.put_u8(38);
        text(out, key);
        text(out, value);
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (`kind`); 3.1.1 knows no reason.
pub(crate) fn ack(out: &mut BytesMut, version: Version, kind: u8, id: u16, reason: u8) {
    let flags = if kind == frame::PUBREL { 2 } else { 0 };
    out.put_u8(kind << 4 | flags);
    if version == Version::V4 || reason == reason::SUCCESS {
        out.put_u8(2);
        out.put_u16(id);
    } else {
        out.put_u8(3);
        out.put_u16(id);
        out.put_u8(reason);
    }
}

/// The same with the reason in words, for a client of 5.0 that asked for problem information.
pub(crate) fn explained_ack(out: &mut BytesMut, kind: u8, id: u16, reason: u8) {
    out.put_u8(kind << 4);
    varint(out, 3 + explanation_len(reason));
    out.put_u16(id);
    out.put_u8(reason);
    explanation(out, reason);
}

/// A property section with a Reason String; its length is below 128.
fn explanation(out: &mut BytesMut, reason: u8) {
    varint(out, explanation_len(reason) - 1);
    out.put_u8(31);
    text(out, reason::text(reason));
}

fn explanation_len(reason: u8) -> usize {
    1 + 3 + reason::text(reason).len()
}

/// CONNACK. `code` is a reason of 5.0; 3.1.1 is told its own (CON-3).
pub(crate) fn connack(out: &mut BytesMut, version: Version, present: bool, code: u8, known: Option<ConnAckProperties>) {
    let ack = ConnAck { session_present: present, code: return_code(version, code) };
    // Writing to a buffer cannot fail: the length is far below the limit of the format.
    let _ = match version {
        Version::V4 => V4.write(Packet::ConnAck(ack, None), out),
        Version::V5 => V5.write(Packet::ConnAck(ack, known), out),
    };
}

fn return_code(version: Version, code: u8) -> ConnectReturnCode {
    use ConnectReturnCode::*;
    match (version, code) {
        (_, reason::SUCCESS) => Success,
        (Version::V4, reason::UNSUPPORTED_VERSION) => RefusedProtocolVersion,
        (Version::V4, reason::BAD_CLIENT_ID) => ClientIdentifierNotValid,
        (Version::V4, reason::BAD_CREDENTIALS) => BadUserNamePassword,
        (Version::V4, reason::NOT_AUTHORIZED | reason::BANNED | reason::BAD_AUTHENTICATION_METHOD) => NotAuthorized,
        (Version::V4, _) => ServiceUnavailable,
        (Version::V5, reason::MALFORMED) => MalformedPacket,
        (Version::V5, reason::PROTOCOL_ERROR) => ProtocolError,
        (Version::V5, reason::UNSUPPORTED_VERSION) => UnsupportedProtocolVersion,
        (Version::V5, reason::BAD_CLIENT_ID) => ClientIdentifierNotValid,
        (Version::V5, reason::BAD_CREDENTIALS) => BadUserNamePassword,
        (Version::V5, reason::NOT_AUTHORIZED) => NotAuthorized,
        (Version::V5, reason::UNAVAILABLE) => ServerUnavailable,
        (Version::V5, reason::BANNED) => Banned,
        (Version::V5, reason::BAD_AUTHENTICATION_METHOD) => BadAuthenticationMethod,
        (Version::V5, reason::PACKET_TOO_LARGE) => PacketTooLarge,
        (Version::V5, reason::QUOTA_EXCEEDED) => QuotaExceeded,
        (Version::V5, reason::RETAIN_NOT_SUPPORTED) => RetainNotSupported,
        (Version::V5, reason::RATE_EXCEEDED) => ConnectionRateExceeded,
        (Version::V5, reason::IMPLEMENTATION) => ImplementationSpecificError,
        (Version::V5, _) => UnspecifiedError,
    }
}

/// SUBACK with one code for each filter; 3.1.1 knows one failure, 0x80. `explained`: with the first failure in words.
pub(crate) fn suback(out: &mut BytesMut, version: Version, id: u16, codes: &[u8], explained: bool) {
    let failure = codes.iter().copied().find(|code| explained && *code >= reason::UNSPECIFIED);
    let section = match version {
        Version::V4 => 0,
        Version::V5 => failure.map_or(1, explanation_len),
    };
    out.put_u8(frame::SUBACK << 4);
    varint(out, 2 + section + codes.len());
    out.put_u16(id);
    match (version, failure) {
        (Version::V4, _) => (),
        (Version::V5, None) => out.put_u8(0),
        (Version::V5, Some(code)) => explanation(out, code),
    }
    out.extend(codes.iter().map(|code| match version {
        Version::V4 if *code >= reason::UNSPECIFIED => reason::UNSPECIFIED,
        Version::V4 | Version::V5 => *code,
    }));
}

/// Bytes of a SUBACK or UNSUBACK of 5.0 with so many codes and no words; 3.1.1 has shorter ones.
pub(crate) fn codes_len(codes: usize) -> usize {
    let remaining = 3 + codes;
    1 + varint_len(remaining) + remaining
}

/// UNSUBACK; 3.1.1 has no codes in it.
pub(crate) fn unsuback(out: &mut BytesMut, version: Version, id: u16, codes: &[u8]) {
    out.put_u8(frame::UNSUBACK << 4);
    match version {
        Version::V4 => {
            out.put_u8(2);
            out.put_u16(id);
        }
        Version::V5 => {
            varint(out, 3 + codes.len());
            out.put_u16(id);
            out.put_u8(0);
            out.extend_from_slice(codes);
        }
    }
}

/// DISCONNECT from the server: 5.0 only, 3.1.1 is just closed.
pub(crate) fn disconnect(out: &mut BytesMut, version: Version, code: u8, explained: bool) {
    match (version, explained && code >= reason::UNSPECIFIED) {
        (Version::V4, _) => (),
        (Version::V5, false) => out.put_slice(&[frame::DISCONNECT << 4, 1, code]),
        (Version::V5, true) => {
            out.put_u8(frame::DISCONNECT << 4);
            varint(out, 1 + explanation_len(code));
            out.put_u8(code);
            explanation(out, code);
        }
    }
}
