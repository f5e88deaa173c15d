//! Bytes from a client into packets: checked here, their fields read by `rumqttd::protocol` where it reads them rightly.

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Filter, Packet, Protocol, QoS};
use zeroize::Zeroize;

use super::connect::{self, BadConnect};
use super::frame::{self, Frame, Front};
use super::property::{self, Found, Place};
use super::reader::Reader;
use super::{Asked, Bad, Incoming, Publish, Qos, Subscribe, Version, reason, write};

/// What the front of a buffer holds.
#[derive(Debug)]
pub(crate) enum Next {
    Packet(Incoming),
    /// Nothing whole yet; this many bytes would be, as far as can be told.
    Needs(usize),
    Bad(Bad),
    /// Only before CONNECT.
    BadConnect(BadConnect),
}

/// Takes one packet off `buffer`. Before CONNECT `version` is absent, and nothing else is accepted.
pub(crate) fn next(buffer: &mut BytesMut, version: Option<Version>, max: usize) -> Next {
    let frame = match frame::front(buffer, version, max) {
        Ok(Front::Whole(frame)) => frame,
        Ok(Front::Needs(bytes)) => return Next::Needs(bytes),
        Err(bad) => return Next::Bad(bad),
    };
    let mut packet = buffer.split_to(frame.total);
    let Some(version) = version else {
        let read = connect::read(&packet, frame.header);
        // It has the password.
        packet.as_mut().zeroize();
        return match read {
            Ok(connect) => Next::Packet(Incoming::Connect(Box::new(connect))),
            Err(bad) => Next::BadConnect(bad),
        };
    };
    match decode(packet, frame, version) {
        Ok(packet) => Next::Packet(packet),
        Err(bad) => Next::Bad(bad),
    }
}

fn decode(packet: BytesMut, frame: Frame, version: Version) -> Result<Incoming, Bad> {
    let body = packet.get(frame.header..).unwrap_or_default();
    match frame.kind {
        frame::PUBLISH => publish(packet, frame, version),
        frame::PUBACK => Ok(Incoming::PubAck { id: ack(body, version, &reason::OF_PUBLISH)?.0 }),
        frame::PUBREC => ack(body, version, &reason::OF_PUBLISH).map(|(id, reason)| Incoming::PubRec { id, reason }),
        frame::PUBREL => Ok(Incoming::PubRel { id: ack(body, version, &reason::OF_RELEASE)?.0 }),
        frame::PUBCOMP => Ok(Incoming::PubComp { id: ack(body, version, &reason::OF_RELEASE)?.0 }),
        frame::SUBSCRIBE => subscribe(body, version),
        frame::UNSUBSCRIBE => unsubscribe(body, version),
        frame::PINGREQ if body.is_empty() => Ok(Incoming::Ping),
        frame::DISCONNECT => disconnect(body, version),
        _ => Err(Bad::MALFORMED),
    }
}

fn publish(mut packet: BytesMut, frame: Frame, version: Version) -> Result<Incoming, Bad> {
    let qos = Qos::of((frame.flags >> 1) & 0b11).ok_or(Bad::MALFORMED)?;
    let id = check_publish(packet.get(frame.header..).unwrap_or_default(), qos, version)?;
    let size = packet.len();
    let read = match version {
        Version::V4 => V4.read_mut(&mut packet, size),
        Version::V5 => V5.read_mut(&mut packet, size),
    };
    let Ok(Packet::Publish(publish, properties)) = read else {
        return Err(Bad::MALFORMED);
    };
    if publish.topic.is_empty() && properties.as_ref().is_none_or(|known| known.topic_alias.is_none()) {
        return Err(Bad::PROTOCOL);
    }
    Ok(Incoming::Publish(Publish {
        id,
        qos,
        retain: publish.retain,
        topic: publish.topic,
        payload: publish.payload,
        properties: properties.map(Box::new),
    }))
}

/// The packet identifier of a PUBLISH whose topic and properties are good (section 3.3).
fn check_publish(body: &[u8], qos: Qos, version: Version) -> Result<u16, Bad> {
    let mut reader = Reader::new(body);
    let topic = reader.text()?;
    if topic.contains(['+', '#']) || (topic.is_empty() && version == Version::V4) {
        return Err(Bad::MALFORMED);
    }
    let id = match qos {
        Qos::Zero => 0,
        Qos::One | Qos::Two => reader.packet_id()?,
    };
    if version == Version::V5 {
        property::check(reader.section()?, Place::Publish)?;
    }
    Ok(id)
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: packet identifier and reason, one of `reasons` (sections 3.4 to 3.7).
fn ack(body: &[u8], version: Version, reasons: &[u8]) -> Result<(u16, u8), Bad> {
    let mut reader = Reader::new(body);
    let id = reader.packet_id()?;
    if reader.is_empty() {
        return Ok((id, 0));
    }
    if version == Version::V4 {
        return Err(Bad::MALFORMED);
    }
    let reason = one_of(reader.u8()?, reasons)?;
    if !reader.is_empty() {
        property::check(reader.section()?, Place::Ack)?;
    }
    if reader.is_empty() { Ok((id, reason)) } else { Err(Bad::MALFORMED) }
}

fn one_of(reason: u8, reasons: &[u8]) -> Result<u8, Bad> {
    if reasons.contains(&reason) { Ok(reason) } else { Err(Bad::PROTOCOL) }
}

fn subscribe(body: &[u8], version: Version) -> Result<Incoming, Bad> {
    let (id, found, filters) = list(body, version, Place::Subscribe)?;
    check_filters(filters, true, version)?;
    let packet = without_properties(0x82, id, filters, version);
    let Some(Packet::Subscribe(read, _)) = decoded(packet, version) else {
        return Err(Bad::MALFORMED);
    };
    let filters = read.filters.into_iter().map(asked).collect();
    Ok(Incoming::Subscribe(Subscribe { id, subscription_id: found.subscription_id, filters }))
}

fn unsubscribe(body: &[u8], version: Version) -> Result<Incoming, Bad> {
    let (id, _, filters) = list(body, version, Place::Unsubscribe)?;
    check_filters(filters, false, version)?;
    match decoded(without_properties(0xA2, id, filters, version), version) {
        Some(Packet::Unsubscribe(read, _)) => Ok(Incoming::Unsubscribe { id, filters: read.filters }),
        _ => Err(Bad::MALFORMED),
    }
}

fn list(body: &[u8], version: Version, place: Place) -> Result<(u16, Found, &[u8]), Bad> {
    let mut reader = Reader::new(body);
    let id = reader.packet_id()?;
    let found = match version {
        Version::V4 => Found::default(),
        Version::V5 => property::check(reader.section()?, place)?,
    };
    Ok((id, found, reader.rest()))
}

/// At least one filter; with options, their reserved bits clear ([MQTT-3.8.3-5]). One that is none ends a connection of 3.1.1; of 5.0 it is
/// told by its own code in the answer (0x8F).
fn check_filters(filters: &[u8], options: bool, version: Version) -> Result<(), Bad> {
    let mut reader = Reader::new(filters);
    if reader.is_empty() {
        return Err(Bad::PROTOCOL);
    }
    while !reader.is_empty() {
        let filter = reader.text()?;
        if version == Version::V4 && !well_formed(filter) {
            return Err(Bad::MALFORMED);
        }
        if options {
            check_options(reader.u8()?, filter, version)?;
        }
    }
    Ok(())
}

fn check_options(options: u8, filter: &str, version: Version) -> Result<(), Bad> {
    let reserved = match version {
        Version::V4 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    if options & reserved != 0 {
        return Err(Bad::MALFORMED);
    }
    // QoS 3, retain handling 3, no local on a shared subscription ([MQTT-3.8.3-4]).
    let shared_no_local = options & 0b100 != 0 && filter.starts_with("$share/");
    if options & 0b11 == 3 || options & 0b11_0000 == 0b11_0000 || shared_no_local {
        return Err(Bad::PROTOCOL);
    }
    Ok(())
}

/// Section 4.7.1: `#` only last and alone in its level, `+` alone in its level; 4.8.2: a shared one names its group and a filter.
pub(crate) fn well_formed(filter: &str) -> bool {
    let plain = match filter.strip_prefix("$share/") {
        None => filter,
        Some(shared) => match shared.split_once('/') {
            Some((group, rest)) if !group.is_empty() && !group.contains(['+', '#']) => rest,
            _ => return false,
        },
    };
    let mut levels = plain.split('/').rev();
    let last = levels.next().unwrap_or_default();
    let last_good = last == "#" || last == "+" || !last.contains(['+', '#']);
    !plain.is_empty() && last_good && levels.all(|level| level == "+" || !level.contains(['+', '#']))
}

/// The codec misreads what follows a subscription identifier, so it never sees properties.
fn without_properties(first: u8, id: u16, filters: &[u8], version: Version) -> BytesMut {
    let len = filters.len() + if version == Version::V5 { 3 } else { 2 };
    let mut packet = BytesMut::with_capacity(len + 5);
    packet.put_u8(first);
    write::varint(&mut packet, len);
    packet.put_u16(id);
    if version == Version::V5 {
        packet.put_u8(0);
    }
    packet.extend_from_slice(filters);
    packet
}

fn decoded(mut packet: BytesMut, version: Version) -> Option<Packet> {
    let size = packet.len();
    match version {
        Version::V4 => V4.read_mut(&mut packet, size).ok(),
        Version::V5 => V5.read_mut(&mut packet, size).ok(),
    }
}

fn asked(filter: Filter) -> Asked {
    let qos = match filter.qos {
        QoS::AtMostOnce => Qos::Zero,
        QoS::AtLeastOnce => Qos::One,
        QoS::ExactlyOnce => Qos::Two,
    };
    Asked {
        filter: filter.path,
        qos,
        no_local: filter.nolocal,
        retain_as_published: filter.preserve_retain,
        retained: filter.retain_forward_rule,
    }
}

fn disconnect(body: &[u8], version: Version) -> Result<Incoming, Bad> {
    let mut reader = Reader::new(body);
    if reader.is_empty() {
        return Ok(Incoming::Disconnect { reason: 0, session_expiry: None });
    }
    if version == Version::V4 {
        return Err(Bad::MALFORMED);
    }
    let reason = one_of(reader.u8()?, &reason::OF_DISCONNECT)?;
    let found =
        if reader.is_empty() { Found::default() } else { property::check(reader.section()?, Place::Disconnect)? };
    if !reader.is_empty() {
        return Err(Bad::MALFORMED);
    }
    Ok(Incoming::Disconnect { reason, session_expiry: found.session_expiry })
}
