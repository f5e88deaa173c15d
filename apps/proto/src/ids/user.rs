//! Users of the mailboxes: SPEC section 7.
use std::sync::Arc;

use super::{BadId, ascii, text_id};
use crate::limits::USER_CHARS;

/// Who has a mailbox, or what a group box is called: 1 to 64 characters of `[A-Za-z0-9_.@-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User {
    text: Arc<str>,
}

text_id!(User);

impl User {
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'-');
        let text = ascii(input, allowed)?;
        match USER_CHARS.contains(&text.len()) {
            true => Ok(Self { text: text.into() }),
            false => Err(BadId::Length),
        }
    }
}
