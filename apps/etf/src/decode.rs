//! Values out of terms.

use crate::{Atom, Error, Reader};
use bytes::Bytes;

/// A value that is read from the bytes of one term.
pub trait Decode: Sized {
    /// Reads exactly one term.
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error>;
}

/// A list of integers is a text too (C-4); `[]` is an error.
impl Decode for Bytes {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        let start = r.clone();
        match r.own_binary() {
            Ok(bytes) => Ok(bytes),
            Err(_) => {
                *r = start;
                charlist(r)
            }
        }
    }
}

/// C-4: as bytes if all are below 256 and they form UTF-8, else as code points.
fn charlist(r: &mut Reader<'_>) -> Result<Bytes, Error> {
    let start = r.clone();
    let mut codes: Vec<u32> = Vec::with_capacity(r.room_for::<u32>());
    r.list(|r| r.integer("a character").map(|code| codes.push(code))).map_err(|_| start.expected("a binary"))?;
    if codes.is_empty() {
        return Err(start.expected("a binary"));
    }
    let bytes: Option<Vec<u8>> = codes.iter().map(|&code| u8::try_from(code).ok()).collect();
    if let Some(bytes) = bytes.filter(|bytes| std::str::from_utf8(bytes).is_ok()) {
        return Ok(bytes.into());
    }
    let text: Option<String> = codes.iter().map(|&code| char::from_u32(code)).collect();
    text.map(Bytes::from).ok_or_else(|| start.expected("a binary"))
}

/// `None` is `[]`, and the atoms C-5 reads as it. An empty binary is not absent here: callers decide.
impl<T: Decode> Decode for Option<T> {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        match r.absent() {
            true => Ok(None),
            false => T::decode(r).map(Some),
        }
    }
}

/// A proper list; a string where `T` is an integer (C-4); `[]` and what C-5 reads as it.
impl<T: Decode> Decode for Vec<T> {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        if r.absent() {
            return Ok(Self::new());
        }
        let mut all = Self::with_capacity(r.room_for::<T>());
        r.list(|r| T::decode(r).map(|one| all.push(one)))?;
        Ok(all)
    }
}

impl Decode for u64 {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.integer("an integer of 0 to 2^64-1")
    }
}

impl Decode for i64 {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.integer("an integer of 64 bits")
    }
}

impl Decode for u32 {
    #[inline]
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.integer("an integer of 0 to 2^32-1")
    }
}

/// A finite float.
impl Decode for f64 {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.float()
    }
}

impl Decode for Atom {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.atom().map(|text| Self::new(&text))
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode(r).map(Self::new)
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        let start = r.clone();
        match r.tuple()? {
            2 => Ok((A::decode(r)?, B::decode(r)?)),
            _ => Err(start.expected("a tuple of two")),
        }
    }
}

impl<A: Decode, B: Decode, C: Decode> Decode for (A, B, C) {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        let start = r.clone();
        match r.tuple()? {
            3 => Ok((A::decode(r)?, B::decode(r)?, C::decode(r)?)),
            _ => Err(start.expected("a tuple of three")),
        }
    }
}
