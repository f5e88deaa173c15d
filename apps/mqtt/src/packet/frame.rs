//! Where one packet ends and the next begins: the fixed header (MQTT 5.0 section 2.1).

use super::{Bad, Version};

pub(crate) const CONNECT: u8 = 1;
pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const PUBREC: u8 = 5;
pub(crate) const PUBREL: u8 = 6;
pub(crate) const PUBCOMP: u8 = 7;
pub(crate) const SUBSCRIBE: u8 = 8;
pub(crate) const SUBACK: u8 = 9;
pub(crate) const UNSUBSCRIBE: u8 = 10;
pub(crate) const UNSUBACK: u8 = 11;
pub(crate) const PINGREQ: u8 = 12;
pub(crate) const PINGRESP: u8 = 13;
pub(crate) const DISCONNECT: u8 = 14;
pub(crate) const AUTH: u8 = 15;

/// A complete packet at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Bytes of the fixed header: 2 to 5.
    pub(crate) header: usize,
    /// Bytes of the whole packet.
    pub(crate) total: usize,
}

/// What a buffer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    Whole(Frame),
    /// Not complete; in all it needs this many bytes, as far as they can tell.
    Needs(usize),
}

/// Reads the fixed header and refuses at once what no further byte can make right. `version` is absent before CONNECT.
pub(crate) fn front(bytes: &[u8], version: Option<Version>, max: usize) -> Result<Front, Bad> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(Front::Needs(2));
    };
    let (kind, flags) = (first >> 4, first & 0x0F);
    check_kind(kind, version)?;
    check_flags(kind, flags)?;

    let mut remaining = 0;
    for (at, byte) in (0..4).zip(rest) {
        remaining |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            let header = 2 + at;
            let total = header + remaining;
            if total > max {
                return Err(Bad::TOO_LARGE);
            }
            let frame = Frame { kind, flags, header, total };
            return Ok(if bytes.len() < total { Front::Needs(total) } else { Front::Whole(frame) });
        }
    }
    if rest.len() >= 4 { Err(Bad::MALFORMED) } else { Ok(Front::Needs(bytes.len() + 1)) }
}

/// Shows kind and length of each packet in bytes that are whole packets.
pub(crate) fn each(mut bytes: &[u8], mut seen: impl FnMut(u8, usize)) {
    while let Some((&first, rest)) = bytes.split_first() {
        let mut total = 1;
        for (at, byte) in (0..4).zip(rest) {
            total += 1 + (usize::from(byte & 0x7F) << (7 * at));
            if byte & 0x80 == 0 {
                break;
            }
        }
        seen(first >> 4, total);
        bytes = bytes.get(total..).unwrap_or_default();
    }
}

fn check_kind(kind: u8, version: Option<Version>) -> Result<(), Bad> {
    match (kind, version) {
        (CONNECT, None) => Ok(()),
        (_, None) => Err(Bad::PROTOCOL),
        // A second CONNECT ([MQTT-3.1.0-2]), and what only a server sends.
        (CONNECT | CONNACK | SUBACK | UNSUBACK | PINGRESP | AUTH, Some(_)) => Err(Bad::PROTOCOL),
        (PUBLISH..=DISCONNECT, Some(_)) => Ok(()),
        _ => Err(Bad::MALFORMED),
    }
}

/// [MQTT-2.1.3-1], [MQTT-3.3.1-2], [MQTT-3.3.1-4].
fn check_flags(kind: u8, flags: u8) -> Result<(), Bad> {
    let good = match kind {
        PUBLISH => flags & 0b0110 != 0b0110 && flags & 0b1110 != 0b1000,
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => flags == 0b0010,
        _ => flags == 0,
    };
    if good { Ok(()) } else { Err(Bad::MALFORMED) }
}
