//! The one pass over bytes from outside, before any of them is believed (C-1, C-3, C-9).

use crate::inflate::inflate;
use crate::limits::{CONTAINER, DEPTH_CEILING};
use crate::{Decode, Error, Limits, Reader, Term, VERSION, tag};
use bytes::Bytes;
use std::borrow::Cow;

/// The bytes of one term that [`check`] found sound: plain, without version byte, nothing behind it.
#[derive(Debug, Clone)]
pub struct Checked<'a>(Cow<'a, [u8]>);

impl Checked<'_> {
    /// The term's bytes, not compressed, without the version byte.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A reader at the term's first byte.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.0)
    }

    /// The same, of a document that was found in `whole`; what was compressed is not there.
    pub(crate) fn reader_in<'a>(&'a self, whole: &'a Bytes) -> Reader<'a> {
        match &self.0 {
            Cow::Borrowed(bytes) => Reader::in_whole(bytes, whole),
            Cow::Owned(bytes) => Reader::new(bytes),
        }
    }
}

/// Checks one document: the version byte, the tags of C-3, lengths against the bytes left, depth, counts, map keys,
/// floats, atoms, and that nothing follows. Inflates a compressed one, to its claim and no further. What comes out is
/// borrowed unless it was compressed. Time grows with the bytes; memory with the map keys and the inflated size alone.
pub fn check<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Checked<'a>, Error> {
    if bytes.len() > limits.bytes {
        return Err(Error::Limit { what: "bytes", limit: limits.bytes, at: 0 });
    }
    let (&version, term) = bytes.split_first().ok_or(Error::Short { at: 0 })?;
    if version != VERSION {
        return Err(Error::Version);
    }
    let term = match term.split_first() {
        Some((&tag::COMPRESSED, wrapped)) => Cow::Owned(inflate(wrapped, limits.bytes)?),
        Some(_) | None => Cow::Borrowed(term),
    };
    let mut walk = Walk { r: Reader::new(&term), limits, elements: 0 };
    walk.term(0, false)?;
    walk.r.end()?;
    Ok(Checked(term))
}

struct Walk<'a, 'l> {
    r: Reader<'a>,
    limits: &'l Limits,
    elements: usize,
}

impl Walk<'_, '_> {
    /// One term inside `depth` containers. In a map's key (`key`) maps need no look of their own: the key is built whole.
    fn term(&mut self, depth: usize, key: bool) -> Result<(), Error> {
        self.count(1)?;
        let at = self.r.at();
        let found = self.r.tag()?;
        match found {
            tag::NIL => Ok(()),
            tag::SMALL_INTEGER => self.r.take(1).map(drop),
            tag::INTEGER => self.r.take(4).map(drop),
            tag::BINARY => self.r.binary_rest().map(drop),
            tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1 => {
                self.r.atom_rest(found).map(drop)
            }
            tag::SMALL_BIG | tag::LARGE_BIG => self.integer(found),
            tag::FLOAT | tag::FLOAT_TEXT => self.r.float_rest(found).map(drop),
            tag::BITS => self.r.bits_rest().map(drop),
            tag::STRING => self.string(),
            tag::TUPLE | tag::LARGE_TUPLE => self.tuple(found, depth, key),
            tag::LIST => self.list(depth, key),
            tag::MAP => self.map(depth, key),
            _ => Err(Error::Tag { tag: found, at }),
        }
    }

    fn integer(&mut self, found: u8) -> Result<(), Error> {
        let at = self.r.at();
        let length = self.r.magnitude_rest(found)?.length;
        if length > self.limits.integer_bytes {
            return Err(Error::Limit { what: "bytes of an integer", limit: self.limits.integer_bytes, at });
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Error> {
        let codes = self.r.string_rest()?;
        self.count(CONTAINER + codes.len())
    }

    fn tuple(&mut self, found: u8, depth: usize, key: bool) -> Result<(), Error> {
        let arity = self.r.tuple_rest(found)?;
        self.enter(depth)?;
        for _ in 0..arity {
            self.term(depth + 1, key)?;
        }
        Ok(())
    }

    fn list(&mut self, depth: usize, key: bool) -> Result<(), Error> {
        let length = self.r.count_rest()?;
        self.enter(depth)?;
        for _ in 0..length {
            self.term(depth + 1, key)?;
        }
        self.term(depth + 1, key)
    }

    fn map(&mut self, depth: usize, key: bool) -> Result<(), Error> {
        let at = self.r.at();
        let length = self.r.count_rest()?;
        self.enter(depth)?;
        let mut keys = Vec::new();
        for _ in 0..length {
            let mut start = self.r.clone();
            self.term(depth + 1, true)?;
            if !key {
                keys.push(Term::decode(&mut start)?);
            }
            self.term(depth + 1, key)?;
        }
        keys.sort_unstable();
        match keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            true => Err(Error::Malformed { what: "two equal keys in a map", at }),
            false => Ok(()),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Error> {
        let limit = self.limits.depth.min(DEPTH_CEILING);
        if depth >= limit {
            return Err(Error::Limit { what: "levels of nesting", limit, at: self.r.at() });
        }
        self.count(CONTAINER)
    }

    fn count(&mut self, elements: usize) -> Result<(), Error> {
        self.elements += elements;
        if self.elements > self.limits.elements {
            return Err(Error::Limit { what: "elements", limit: self.limits.elements, at: self.r.at() });
        }
        Ok(())
    }
}
