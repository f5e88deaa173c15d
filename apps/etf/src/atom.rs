//! An atom of an open set.

use crate::reader::ATOM_MAX;
use std::fmt;
use std::sync::Arc;

/// An atom as its text. No table keeps it: the last copy gone, it is gone (C-8).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Atom(Arc<str>);

impl Atom {
    /// Of the first 255 characters of `text`, which is all an Erlang atom can have.
    pub fn new(text: &str) -> Self {
        let end = match text.len() <= ATOM_MAX {
            true => text.len(),
            false => text.char_indices().nth(ATOM_MAX).map_or(text.len(), |(end, _)| end),
        };
        Self(text.get(..end).unwrap_or(text).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialEq<str> for Atom {
    fn eq(&self, text: &str) -> bool {
        &*self.0 == text
    }
}

impl PartialEq<&str> for Atom {
    fn eq(&self, text: &&str) -> bool {
        &*self.0 == *text
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
