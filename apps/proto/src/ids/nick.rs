//! Nicks: ID-17.
use std::sync::Arc;

use bytes::Bytes;

use super::{BadId, text_id};
use crate::limits::NICK;
use crate::text::{self, BadText};

/// ID-17: 2 to 32 characters, a letter first, then letters, digits, `_` or `.`; in normal form (C-12).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nick {
    text: Arc<str>,
}

text_id!(Nick);

impl Nick {
    pub fn parse(input: &[u8]) -> Result<Self, BadId> {
        let normal = text::name(&Bytes::copy_from_slice(input), NICK).map_err(|bad| match bad {
            BadText::NotUtf8 => BadId::Character,
            BadText::Short | BadText::Long => BadId::Length,
        })?;
        let text = std::str::from_utf8(&normal).map_err(|_| BadId::Character)?;
        let first = text.chars().next().is_some_and(char::is_alphabetic);
        match first && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
            true => Ok(Self { text: text.into() }),
            false => Err(BadId::Character),
        }
    }

    /// The key of the index: two nicks that differ only in case have the same.
    pub fn folded(&self) -> String {
        text::folded(&self.text)
    }
}
