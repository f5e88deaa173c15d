//! A cursor over checked bytes. Total: whatever the bytes, a method returns an error and never panics.

mod parts;

use crate::{Error, tag};
use bytes::Bytes;
use std::borrow::Cow;

/// Reads one term after another. Every method that returns an error may have moved the reader.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
    /// What `rest` is a part of, where parts may be kept.
    whole: Option<&'a Bytes>,
}

/// A binary of so many bytes, and of half of its document, is kept as a part of it.
const PART_MIN: usize = 32 << 10;

/// Erlang's limit on an atom, in characters.
pub(crate) const ATOM_MAX: usize = 255;

impl<'a> Reader<'a> {
    /// Over one term's bytes, the version byte taken off.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 1, whole: None }
    }

    /// The same of bytes that lie in `whole`.
    pub(crate) fn in_whole(bytes: &'a [u8], whole: &'a Bytes) -> Self {
        Self { whole: Some(whole), ..Self::new(bytes) }
    }

    /// The next byte's place, counted from the version byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The tag of the next term, or `None` at the end.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// That nothing follows.
    pub fn end(&self) -> Result<(), Error> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(Error::Trailing { at: self.at }),
        }
    }

    /// A tuple's arity; its elements are next.
    #[inline]
    pub fn tuple(&mut self) -> Result<usize, Error> {
        match self.peek() {
            Some(found @ (tag::TUPLE | tag::LARGE_TUPLE)) => {
                self.take(1)?;
                self.tuple_rest(found)
            }
            _ => Err(self.expected("a tuple")),
        }
    }

    /// The arity of the next tuple if its first element is `atom`; its second element is then next.
    #[inline]
    pub fn record(&mut self, atom: &'static str) -> Result<usize, Error> {
        let start = self.clone();
        match self.tuple() {
            Ok(arity) if arity > 0 && self.is_atom(atom) => Ok(arity),
            Ok(_) | Err(_) => Err(start.expected(atom)),
        }
    }

    /// What the next term would be as a record: its tag atom and its arity. Reads nothing.
    pub fn head(&self) -> Option<(Cow<'a, str>, usize)> {
        let mut ahead = self.clone();
        let arity = ahead.tuple().ok().filter(|&arity| arity > 0)?;
        Some((ahead.atom().ok()?, arity))
    }

    /// The arity of the next term if it is a tuple that begins with `atom`. Reads nothing.
    pub fn arity_of(&self, atom: &'static str) -> Option<usize> {
        self.clone().record(atom).ok()
    }

    /// A record's field: [`Decode`](crate::Decode) whose error names it.
    #[inline]
    pub fn field<T: crate::Decode>(&mut self, record: &'static str, field: &'static str) -> Result<T, Error> {
        T::decode(self).map_err(|cause| Error::Field { record, field, cause: Box::new(cause) })
    }

    /// An atom's text.
    pub fn atom(&mut self) -> Result<Cow<'a, str>, Error> {
        match self.peek() {
            Some(found @ (tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1)) => {
                self.take(1)?;
                self.atom_rest(found)
            }
            _ => Err(self.expected("an atom")),
        }
    }

    /// Reads an atom and says whether it is `text`. Cheaper than [`atom`](Self::atom).
    #[inline]
    fn is_atom(&mut self, text: &str) -> bool {
        match self.peek() {
            Some(found @ tag::SMALL_ATOM) => {
                self.take(1).and_then(|_| self.atom_bytes(found)).is_ok_and(|bytes| bytes == text.as_bytes())
            }
            _ => self.atom().is_ok_and(|found| found == text),
        }
    }

    /// A binary's bytes. Not a list of integers: `Bytes` reads that as well (C-4).
    pub fn binary(&mut self) -> Result<&'a [u8], Error> {
        match self.peek() {
            Some(tag::BINARY) => {
                self.take(1)?;
                self.binary_rest()
            }
            Some(tag::BITS) => {
                let at = self.clone();
                self.take(1)?;
                self.bits_rest()?.whole().ok_or_else(|| at.expected("a binary"))
            }
            _ => Err(self.expected("a binary")),
        }
    }

    /// A binary that outlives the reader: a copy, so that no network buffer is kept alive, unless it is the better part of one.
    pub(crate) fn own_binary(&mut self) -> Result<Bytes, Error> {
        let bytes = self.binary()?;
        let is_part = |whole: &&Bytes| bytes.len() >= PART_MIN && bytes.len() >= whole.len() / 2;
        Ok(match self.whole.filter(is_part) {
            Some(whole) => whole.slice_ref(bytes),
            None => Bytes::copy_from_slice(bytes),
        })
    }

    /// A float. An integer is not one.
    pub fn float(&mut self) -> Result<f64, Error> {
        match self.peek() {
            Some(found @ (tag::FLOAT | tag::FLOAT_TEXT)) => {
                self.take(1)?;
                self.float_rest(found)
            }
            _ => Err(self.expected("a float")),
        }
    }

    /// The number of pairs of a map; keys and values are next, in turn.
    pub fn map(&mut self) -> Result<usize, Error> {
        match self.peek() {
            Some(tag::MAP) => {
                self.take(1)?;
                self.count_rest()
            }
            _ => Err(self.expected("a map")),
        }
    }

    /// Passes over one term, without recursion.
    pub fn skip(&mut self) -> Result<(), Error> {
        let mut due: usize = 1;
        while due > 0 {
            due = due - 1 + self.skip_one()?;
        }
        Ok(())
    }

    /// Passes over a term's own bytes; returns how many terms of its inside are next.
    fn skip_one(&mut self) -> Result<usize, Error> {
        let at = self.at;
        let found = self.tag()?;
        match found {
            tag::NIL => Ok(0),
            tag::SMALL_INTEGER => self.take(1).map(|_| 0),
            tag::INTEGER => self.take(4).map(|_| 0),
            tag::BINARY => self.binary_rest().map(|_| 0),
            tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1 => {
                self.atom_bytes(found).map(|_| 0)
            }
            tag::SMALL_BIG | tag::LARGE_BIG => self.magnitude_rest(found).map(|_| 0),
            tag::FLOAT => self.take(8).map(|_| 0),
            tag::FLOAT_TEXT => self.take(31).map(|_| 0),
            tag::BITS => self.bits_rest().map(|_| 0),
            tag::STRING => self.string_rest().map(|_| 0),
            tag::TUPLE | tag::LARGE_TUPLE => self.tuple_rest(found),
            tag::LIST => self.count_rest().map(|length| length.saturating_add(1)),
            tag::MAP => self.count_rest().map(|pairs| pairs.saturating_mul(2)),
            _ => Err(Error::Tag { tag: found, at }),
        }
    }

    /// The error for a next term that is not `want`.
    #[cold]
    pub fn expected(&self, want: &'static str) -> Error {
        match self.peek() {
            Some(tag) => Error::Expected { want, tag, at: self.at },
            None => Error::Short { at: self.at },
        }
    }

    /// The error for a tuple of a record's atom and another size, its header just read.
    #[cold]
    pub fn wrong_arity(&self, record: &'static str, arity: usize) -> Error {
        Error::Arity { record, arity, at: self.at }
    }

    /// The error for an atom just read that is outside the closed set `of`.
    #[cold]
    pub fn unknown_atom(&self, of: &'static str, atom: &str) -> Error {
        Error::UnknownAtom { of, atom: atom.into(), at: self.at }
    }
}
