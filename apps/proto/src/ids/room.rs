//! Names of rooms: ID-16.
use std::sync::Arc;

use super::{BadId, PhoneId, ascii, text_id};
use crate::limits::ROOM_ID_CHARS;

/// ID-16: 1 to 64 characters that are no phone_id, so that a message's `to` is one or the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId {
    text: Arc<str>,
}

text_id!(RoomId);

impl RoomId {
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        if !ROOM_ID_CHARS.contains(&input.len()) {
            return Err(BadId::Length);
        }
        let text = ascii(input, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))?;
        match PhoneId::parse(input) {
            Ok(_) => Err(BadId::Form),
            Err(_) => Ok(Self { text: text.into() }),
        }
    }
}
