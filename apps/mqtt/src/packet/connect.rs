//! CONNECT: checked whole before the codec reads it (MQTT 5.0 section 3.1).

use bytes::{BufMut, Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Packet, Protocol};

use super::property::{self, Place};
use super::reader::Reader;
use super::{Bad, Connect, Version, reason, write};

const CLEAN: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

/// A CONNECT that cannot be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadConnect {
    /// Broken: say why in the version it speaks (3.1.1 hears nothing), then close.
    Bad(Version, Bad),
    /// Not MQTT: close without a word.
    Alien,
    /// MQTT of a level that is not spoken here: answered in the form of the nearest one.
    Level(Version),
}

/// Reads a whole CONNECT packet whose fixed header has `header` bytes.
pub(crate) fn read(packet: &[u8], header: usize) -> Result<Connect, BadConnect> {
    let body = packet.get(header..).unwrap_or_default();
    let version = version(body)?;
    let checked = check(body, version).map_err(|bad| BadConnect::Bad(version, bad))?;
    let decoded = decode(body, &checked, version).ok_or(BadConnect::Bad(version, Bad::MALFORMED))?;
    Ok(Connect { password: checked.password, ..decoded })
}

fn version(body: &[u8]) -> Result<Version, BadConnect> {
    let mut reader = Reader::new(body);
    let name = reader.bytes().map_err(|_| BadConnect::Alien)?;
    let level = reader.u8().map_err(|_| BadConnect::Alien)?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V4),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 6..) => Err(BadConnect::Level(Version::V5)),
        (b"MQTT" | b"MQIsdp", _) => Err(BadConnect::Level(Version::V4)),
        _ => Err(BadConnect::Alien),
    }
}

struct Checked {
    /// Where the user name would begin: what follows is ours to read, a password need not be UTF-8.
    login_at: usize,
    password: Option<Bytes>,
}

fn check(body: &[u8], version: Version) -> Result<Checked, Bad> {
    let mut reader = Reader::new(body);
    reader.bytes()?;
    reader.u8()?;
    let flags = reader.u8()?;
    check_flags(flags, version)?;
    reader.u16()?;
    if version == Version::V5 {
        property::check(reader.section()?, Place::Connect)?;
    }
    reader.text()?;
    if flags & WILL != 0 {
        check_will(&mut reader, version)?;
    }
    let login_at = body.len() - reader.len();
    if flags & USER_NAME != 0 {
        reader.text()?;
    }
    let password = match flags & PASSWORD {
        0 => None,
        _ => Some(proto::erased(reader.bytes()?)),
    };
    if reader.is_empty() { Ok(Checked { login_at, password }) } else { Err(Bad::MALFORMED) }
}

fn check_will(reader: &mut Reader<'_>, version: Version) -> Result<(), Bad> {
    if version == Version::V5 {
        property::check(reader.section()?, Place::Will)?;
    }
    let topic = reader.text()?;
    reader.bytes()?;
    if topic.is_empty() || topic.contains(['+', '#']) { Err(Bad::MALFORMED) } else { Ok(()) }
}

fn check_flags(flags: u8, version: Version) -> Result<(), Bad> {
    let will_free = flags & WILL != 0 || flags & (WILL_QOS | WILL_RETAIN) == 0;
    let password_alone = flags & PASSWORD != 0 && flags & USER_NAME == 0;
    let good =
        flags & 1 == 0 && will_free && flags & WILL_QOS != WILL_QOS && (version == Version::V5 || !password_alone);
    if good { Ok(()) } else { Err(Bad(reason::MALFORMED)) }
}

/// The codec's turn, without user name and password: it knows no binary password, and neither is needed from it.
fn decode(body: &[u8], checked: &Checked, version: Version) -> Option<Connect> {
    let kept = body.get(..checked.login_at)?;
    let flags_at = 2 + 4 + 1;
    let mut packet = BytesMut::with_capacity(kept.len() + 5);
    packet.put_u8(0x10);
    write::varint(&mut packet, kept.len());
    let start = packet.len();
    packet.extend_from_slice(kept);
    *packet.get_mut(start + flags_at)? &= CLEAN | WILL | WILL_QOS | WILL_RETAIN;

    let size = packet.len();
    let read = match version {
        Version::V4 => V4.read_mut(&mut packet, size),
        Version::V5 => V5.read_mut(&mut packet, size),
    };
    let Ok(Packet::Connect(connect, properties, will, will_properties, _)) = read else {
        return None;
    };
    Some(Connect {
        version,
        client_id: connect.client_id,
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        properties,
        will: will.map(|will| (will, will_properties)),
        password: None,
    })
}
