//! As much MQTT as a client of a scene needs, written apart from the server's: 3.1.1 and 5.0, QoS 0 and 1.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::stage::Hello;

/// Of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V4,
    V5,
}

/// A packet from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packet {
    ConnAck(u8),
    Publish { topic: String, payload: Bytes, qos: u8, id: u16 },
    PubAck { id: u16, code: u8 },
    SubAck { code: u8 },
    Disconnect(u8),
    Other,
}

/// CONNECT, clean, kept alive for ten minutes.
pub(crate) fn connect(version: Version, hello: &Hello) -> Bytes {
    let mut body = BytesMut::new();
    text(&mut body, b"MQTT");
    body.put_u8(if version == Version::V5 { 5 } else { 4 });
    let will = hello.version.filter(|_| version == Version::V4);
    let password = if hello.password.is_some() { 0xc0 } else { 0 };
    body.put_u8(0x02 | password | if will.is_some() { 0x04 } else { 0 });
    body.put_u16(600);
    if version == Version::V5 {
        properties(&mut body, hello);
    }
    text(&mut body, hello.client_id.as_bytes());
    if let Some(version) = will {
        text(&mut body, format!("version/{version}").as_bytes());
        text(&mut body, b"");
    }
    if let Some(password) = &hello.password {
        text(&mut body, b"user");
        text(&mut body, password);
    }
    packet(0x10, &body)
}

/// Receive Maximum, Maximum Packet Size, and the client version (CON-6).
fn properties(body: &mut BytesMut, hello: &Hello) {
    let mut known = BytesMut::new();
    if let Some(window) = hello.window {
        known.put_u8(0x21);
        known.put_u16(window);
    }
    if let Some(takes) = hello.takes {
        known.put_u8(0x27);
        known.put_u32(takes);
    }
    if let Some(version) = hello.version {
        known.put_u8(0x26);
        text(&mut known, b"version");
        text(&mut known, version.to_string().as_bytes());
    }
    length(body, known.len());
    body.extend_from_slice(&known);
}

/// PUBLISH at QoS 1.
pub(crate) fn publish(version: Version, id: u16, topic: &str, payload: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    text(&mut body, topic.as_bytes());
    body.put_u16(id);
    no_properties(version, &mut body);
    body.extend_from_slice(payload);
    packet(0x32, &body)
}

pub(crate) fn puback(id: u16) -> Bytes {
    packet(0x40, &id.to_be_bytes())
}

/// SUBSCRIBE to one filter at QoS 1.
pub(crate) fn subscribe(version: Version, id: u16, filter: &str) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u16(id);
    no_properties(version, &mut body);
    text(&mut body, filter.as_bytes());
    body.put_u8(1);
    packet(0x82, &body)
}

pub(crate) fn disconnect() -> Bytes {
    packet(0xe0, &[])
}

fn no_properties(version: Version, body: &mut BytesMut) {
    if version == Version::V5 {
        body.put_u8(0);
    }
}

fn packet(head: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(head);
    length(&mut out, body.len());
    out.extend_from_slice(body);
    out.freeze()
}

fn text(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(bytes);
}

fn length(out: &mut BytesMut, mut length: usize) {
    loop {
        let digit = (length % 128) as u8;
        length /= 128;
        out.put_u8(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            return;
        }
    }
}

/// Takes a whole packet off what has been read, if there is one.
pub(crate) fn decode(version: Version, buffer: &mut BytesMut) -> Option<Packet> {
    let (head, size, start) = head(buffer)?;
    if buffer.len() < start + size {
        return None;
    }
    buffer.advance(start);
    let body = buffer.split_to(size).freeze();
    Some(read(version, head, body).unwrap_or(Packet::Other))
}

/// First byte, length of the body, length of the head.
fn head(buffer: &[u8]) -> Option<(u8, usize, usize)> {
    let (head, rest) = buffer.split_first()?;
    let (mut size, mut shift) = (0, 0);
    for (at, byte) in rest.iter().take(4).enumerate() {
        size |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((*head, size, at + 2));
        }
    }
    None
}

fn read(version: Version, head: u8, mut body: Bytes) -> Option<Packet> {
    Some(match head >> 4 {
        2 => Packet::ConnAck(*body.get(1)?),
        3 => {
            let qos = head >> 1 & 3;
            let size = usize::from(body.try_get_u16().ok()?);
            let topic = body.split_to(size.min(body.len()));
            let id = if qos > 0 { body.try_get_u16().ok()? } else { 0 };
            if version == Version::V5 {
                let skip = usize::from(*body.first()?) + 1;
                body.advance(skip.min(body.len()));
            }
            Packet::Publish { topic: String::from_utf8_lossy(&topic).into_owned(), payload: body, qos, id }
        }
        4 => Packet::PubAck { id: body.try_get_u16().ok()?, code: body.first().copied().unwrap_or(0) },
        9 => Packet::SubAck { code: *body.last()? },
        14 => Packet::Disconnect(body.first().copied().unwrap_or(0)),
        _ => Packet::Other,
    })
}
