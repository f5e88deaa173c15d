//! Properties of MQTT 5.0 (section 2.2.2.2): which may stand where, how often, and with which values.

use super::reader::Reader;
use super::{Bad, reason};

/// Where properties stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    Will,
    Publish,
    Subscribe,
    /// UNSUBSCRIBE: user properties only.
    Unsubscribe,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack,
    Disconnect,
}

/// Values that a caller asks for by the way; everything else is only checked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) subscription_id: Option<usize>,
    pub(crate) session_expiry: Option<u32>,
}

/// Walks a property section. Unknown and misplaced ones are malformed, repeated ones and forbidden values are protocol errors.
pub(crate) fn check(mut section: Reader<'_>, place: Place) -> Result<Found, Bad> {
    let mut found = Found::default();
    let mut seen = 0u64;
    while !section.is_empty() {
        let id = section.varint()?;
        if !stands(id, place) {
            return Err(Bad::MALFORMED);
        }
        let bit = 1u64 << id;
        if id != USER_PROPERTY && seen & bit != 0 {
            return Err(Bad::PROTOCOL);
        }
        seen |= bit;
        value(id, &mut section, &mut found)?;
    }
    // [MQTT-3.1.2.11.10]: data without a method.
    if seen & (1 << 22) != 0 && seen & (1 << 21) == 0 {
        return Err(Bad::PROTOCOL);
    }
    Ok(found)
}

const USER_PROPERTY: usize = 38;

fn stands(id: usize, place: Place) -> bool {
    match place {
        Place::Connect => matches!(id, 17 | 21 | 22 | 23 | 25 | 33 | 34 | 38 | 39),
        Place::Will => matches!(id, 1 | 2 | 3 | 8 | 9 | 24 | 38),
        // 11, the subscription identifier, comes from servers only ([MQTT-3.3.4-6]).
        Place::Publish => matches!(id, 1 | 2 | 3 | 8 | 9 | 35 | 38),
        Place::Subscribe => matches!(id, 11 | 38),
        Place::Unsubscribe => id == USER_PROPERTY,
        Place::Ack => matches!(id, 31 | 38),
        Place::Disconnect => matches!(id, 17 | 28 | 31 | 38),
    }
}

fn value(id: usize, section: &mut Reader<'_>, found: &mut Found) -> Result<(), Bad> {
    match id {
        // Payload format; request problem and response information: 0 or 1.
        1 | 23 | 25 => {
            if section.u8()? > 1 {
                return Err(Bad::PROTOCOL);
            }
        }
        // Message expiry, will delay.
        2 | 24 => {
            section.u32()?;
        }
        17 => found.session_expiry = Some(section.u32()?),
        // Maximum packet size: not zero.
        39 => {
            if section.u32()? == 0 {
                return Err(Bad::PROTOCOL);
            }
        }
        // Receive maximum: not zero.
        33 => {
            if section.u16()? == 0 {
                return Err(Bad::PROTOCOL);
            }
        }
        // Topic alias: not zero ([MQTT-3.3.2-8]).
        35 => {
            if section.u16()? == 0 {
                return Err(Bad(reason::ALIAS_INVALID));
            }
        }
        34 => {
            section.u16()?;
        }
        11 => match section.varint()? {
            0 => return Err(Bad::PROTOCOL),
            id => found.subscription_id = Some(id),
        },
        // Response topic: a topic name ([MQTT-3.3.2-14]).
        8 => {
            let topic = section.text()?;
            if topic.is_empty() || topic.contains(['+', '#']) {
                return Err(Bad::PROTOCOL);
            }
        }
        9 | 22 => {
            section.bytes()?;
        }
        USER_PROPERTY => {
            section.text()?;
            section.text()?;
        }
        // Content type, authentication method, server reference, reason string.
        _ => {
            section.text()?;
        }
    }
    Ok(())
}
