//! Bytes to packets, as a client receives them.

use super::cursor::{Cursor, Malformed};
use super::{AckKind, ConnAck, Packet, Publish, Qos, Version};

/// The first packet in `bytes` and how many bytes it takes; `None` while it is not complete.
///
/// A packet of more than `max` bytes is refused as soon as its header says so, before its body has come.
pub fn decode(bytes: &[u8], version: Version, max: usize) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((first, body_len, header_len)) = header(bytes)? else { return Ok(None) };
    let total = header_len.saturating_add(body_len);
    if total > max {
        return Err(Malformed("packet larger than agreed"));
    }
    match bytes.get(header_len..total) {
        Some(body) => Ok(Some((packet(first, body, version)?, total))),
        None => Ok(None),
    }
}

/// First byte, Remaining Length, and the length of both.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let Some((first, lengths)) = bytes.split_first() else { return Ok(None) };
    let mut value = 0;
    for (at, byte) in lengths.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((*first, value, at + 2)));
        }
    }
    if lengths.len() >= 4 { Err(Malformed("length of more than four bytes")) } else { Ok(None) }
}

fn packet(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, Malformed> {
    let mut body = Cursor::new(body);
    match (first >> 4, first & 0x0f) {
        (2, 0) => connack(body, version).map(Packet::ConnAck),
        (3, flags) => publish(flags, body, version).map(Packet::Publish),
        (4, 0) => ack(AckKind::PubAck, body, version),
        (5, 0) => ack(AckKind::PubRec, body, version),
        (6, 2) => ack(AckKind::PubRel, body, version),
        (7, 0) => ack(AckKind::PubComp, body, version),
        (9, 0) => {
            let id = packet_id(&mut body)?;
            skip_properties(&mut body, version)?;
            Ok(Packet::SubAck { id, codes: body.rest() })
        }
        (11, 0) => Ok(Packet::UnsubAck { id: packet_id(&mut body)? }),
        (13, 0) => Ok(Packet::PingResp),
        (14, 0) if version == Version::V5 => {
            Ok(Packet::Disconnect { reason: if body.is_empty() { 0 } else { body.byte()? } })
        }
        _ => Err(Malformed("no packet that a server sends")),
    }
}

fn connack(mut body: Cursor<'_>, version: Version) -> Result<ConnAck, Malformed> {
    let session_present = body.byte()? & 1 == 1;
    let code = body.byte()?;
    let mut connack =
        ConnAck { session_present, code, receive_max: u16::MAX, packet_max: None, client_id: None, keep_alive: None };
    // A server that does not speak 5.0 refuses in the words of 3.1.1: two bytes, no properties.
    if version == Version::V311 || body.is_empty() {
        return Ok(connack);
    }
    let mut properties = body.properties()?;
    while !properties.is_empty() {
        match properties.byte()? {
            0x12 => connack.client_id = Some(properties.text()?.to_owned()),
            0x13 => connack.keep_alive = Some(properties.short()?),
            0x21 => connack.receive_max = properties.short()?.max(1),
            0x27 => connack.packet_max = Some(properties.long()?),
            other => properties.skip_property(other)?,
        }
    }
    Ok(connack)
}

fn publish(flags: u8, mut body: Cursor<'_>, version: Version) -> Result<Publish<'_>, Malformed> {
    let qos = Qos::from_bits(flags >> 1 & 3).ok_or(Malformed("QoS 3"))?;
    let topic = body.text()?;
    let id = if qos == Qos::AtMostOnce { 0 } else { packet_id(&mut body)? };
    skip_properties(&mut body, version)?;
    Ok(Publish { dup: flags & 8 != 0, qos, retain: flags & 1 != 0, topic, id, payload: body.rest() })
}

fn ack<'a>(kind: AckKind, mut body: Cursor<'a>, version: Version) -> Result<Packet<'a>, Malformed> {
    let id = packet_id(&mut body)?;
    let reason = if version == Version::V311 || body.is_empty() { 0 } else { body.byte()? };
    Ok(Packet::Ack { kind, id, reason })
}

fn packet_id(body: &mut Cursor<'_>) -> Result<u16, Malformed> {
    match body.short()? {
        0 => Err(Malformed("packet identifier 0")),
        id => Ok(id),
    }
}

fn skip_properties(body: &mut Cursor<'_>, version: Version) -> Result<(), Malformed> {
    if version == Version::V311 {
        return Ok(());
    }
    let mut properties = body.properties()?;
    while !properties.is_empty() {
        let id = properties.byte()?;
        properties.skip_property(id)?;
    }
    Ok(())
}
