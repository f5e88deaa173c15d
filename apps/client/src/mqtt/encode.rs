//! Packets to bytes, as a client sends them. Each function appends one whole packet to `out`.

use super::{AckKind, Qos, Version};

/// What a client says first.
#[derive(Debug, Clone, Copy)]
pub struct Connect<'a> {
    pub version: Version,
    pub client_id: &'a str,
    /// Becomes the MQTT password; the user name is then the client id, since 3.1.1 allows no password alone (MQTT-3.1.2-22).
    pub password: Option<&'a [u8]>,
    /// Seconds; 0 switches it off.
    pub keep_alive: u16,
    /// How many QoS 1 and 2 PUBLISHes may be on their way to us unacknowledged (5.0).
    pub receive_max: u16,
    /// Largest packet we take, in bytes (5.0).
    pub packet_max: u32,
}

/// One PUBLISH of ours; `id` counts with QoS 1 and 2 only.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: Qos,
    pub id: u16,
    pub dup: bool,
    pub retain: bool,
}

/// CONNECT, always with a clean start: what must not be lost is kept by the protocol, not by MQTT (SPEC CON-11).
pub fn connect(out: &mut Vec<u8>, connect: &Connect<'_>) {
    let v5 = connect.version == Version::V5;
    let properties = if v5 { 3 + 5 } else { 0 };
    let credentials = connect.password.map_or(0, |password| 4 + connect.client_id.len() + password.len());
    let length = 10 + if v5 { 1 + properties } else { 0 } + 2 + connect.client_id.len() + credentials;
    header(out, 0x10, length);
    text(out, "MQTT");
    out.push(if v5 { 5 } else { 4 });
    out.push(0x02 | if connect.password.is_some() { 0xc0 } else { 0 });
    short(out, connect.keep_alive);
    if v5 {
        varint(out, properties);
        out.push(0x21);
        short(out, connect.receive_max.max(1));
        out.push(0x27);
        out.extend_from_slice(&connect.packet_max.max(1).to_be_bytes());
    }
    text(out, connect.client_id);
    if let Some(password) = connect.password {
        text(out, connect.client_id);
        binary(out, password);
    }
}

/// PUBLISH.
pub fn publish(out: &mut Vec<u8>, version: Version, publication: &Publication<'_>) {
    let with_id = publication.qos != Qos::AtMostOnce;
    let v5 = version == Version::V5;
    let length =
        2 + publication.topic.len() + if with_id { 2 } else { 0 } + usize::from(v5) + publication.payload.len();
    let flags = u8::from(publication.dup) << 3 | publication.qos.bits() << 1 | u8::from(publication.retain);
    header(out, 0x30 | flags, length);
    text(out, publication.topic);
    if with_id {
        short(out, publication.id);
    }
    if v5 {
        out.push(0);
    }
    out.extend_from_slice(publication.payload);
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with reason 0, which is the short form in both versions.
pub fn acknowledge(out: &mut Vec<u8>, kind: AckKind, id: u16) {
    let first = match kind {
        AckKind::PubAck => 0x40,
        AckKind::PubRec => 0x50,
        AckKind::PubRel => 0x62,
        AckKind::PubComp => 0x70,
    };
    header(out, first, 2);
    short(out, id);
}

/// SUBSCRIBE.
pub fn subscribe(out: &mut Vec<u8>, version: Version, id: u16, filters: &[(&str, Qos)]) {
    let v5 = usize::from(version == Version::V5);
    header(out, 0x82, 2 + v5 + filters.iter().map(|(filter, _)| 3 + filter.len()).sum::<usize>());
    short(out, id);
    out.extend(std::iter::repeat_n(0, v5));
    for (filter, qos) in filters {
        text(out, filter);
        out.push(qos.bits());
    }
}

/// UNSUBSCRIBE.
pub fn unsubscribe(out: &mut Vec<u8>, version: Version, id: u16, filters: &[&str]) {
    let v5 = usize::from(version == Version::V5);
    header(out, 0xa2, 2 + v5 + filters.iter().map(|filter| 2 + filter.len()).sum::<usize>());
    short(out, id);
    out.extend(std::iter::repeat_n(0, v5));
    for filter in filters {
        text(out, filter);
    }
}

/// PINGREQ.
pub fn ping(out: &mut Vec<u8>) {
    header(out, 0xc0, 0);
}

/// DISCONNECT, normal (reason 0).
pub fn disconnect(out: &mut Vec<u8>) {
    header(out, 0xe0, 0);
}

fn header(out: &mut Vec<u8>, first: u8, length: usize) {
    out.push(first);
    varint(out, length);
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn short(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Length and bytes; what does not fit a length of two bytes is cut, callers keep names far below (SPEC ID-6).
fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    short(out, bytes.len() as u16);
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, text: &str) {
    binary(out, text.as_bytes());
}
