//! Parts of a term whose tag was just read.

use super::{ATOM_MAX, Reader};
use crate::{Error, tag};
use std::borrow::Cow;

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<u8, Error> {
        self.u8()
    }

    #[inline]
    pub(crate) fn tuple_rest(&mut self, found: u8) -> Result<usize, Error> {
        match found {
            tag::TUPLE => self.u8().map(usize::from),
            _ => self.count_rest(),
        }
    }

    /// A count of four bytes of terms that follow, no more than bytes are left (a term takes at least one).
    pub(crate) fn count_rest(&mut self) -> Result<usize, Error> {
        let count = self.u32()?;
        match count <= self.left() {
            true => Ok(count),
            false => Err(Error::Short { at: self.at + self.left() }),
        }
    }

    pub(crate) fn binary_rest(&mut self) -> Result<&'a [u8], Error> {
        let length = self.u32()?;
        self.take(length)
    }

    pub(crate) fn string_rest(&mut self) -> Result<&'a [u8], Error> {
        let length = self.u16()?;
        self.take(length)
    }

    pub(crate) fn bits_rest(&mut self) -> Result<Bits<'a>, Error> {
        let at = self.at;
        let length = self.u32()?;
        let last = self.u8()?;
        if last > 8 || (last == 0) != (length == 0) {
            return Err(Error::Malformed { what: "a bit string with an impossible last byte", at });
        }
        Ok(Bits { bytes: self.take(length)?, last })
    }

    pub(super) fn atom_bytes(&mut self, found: u8) -> Result<&'a [u8], Error> {
        let length = match found {
            tag::SMALL_ATOM | tag::SMALL_ATOM_LATIN1 => usize::from(self.u8()?),
            _ => self.u16()?,
        };
        self.take(length)
    }

    #[inline]
    pub(crate) fn atom_rest(&mut self, found: u8) -> Result<Cow<'a, str>, Error> {
        let at = self.at;
        let bytes = self.atom_bytes(found)?;
        let text = match found {
            tag::SMALL_ATOM | tag::ATOM => utf8(bytes, at)?.into(),
            _ => latin1(bytes),
        };
        if bytes.len() > ATOM_MAX && text.chars().count() > ATOM_MAX {
            return Err(Error::Malformed { what: "an atom of more than 255 characters", at });
        }
        Ok(text)
    }

    pub(crate) fn float_rest(&mut self, found: u8) -> Result<f64, Error> {
        let at = self.at;
        let value = match found {
            tag::FLOAT => f64::from_be_bytes(*self.chunk()?),
            _ => float_text(self.chunk::<31>()?).ok_or(Error::Malformed { what: "no number in a float's text", at })?,
        };
        match value.is_finite() {
            true => Ok(value),
            false => Err(Error::Malformed { what: "a float that is not finite", at }),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.chunk::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Result<usize, Error> {
        self.chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)))
    }

    pub(crate) fn u32(&mut self) -> Result<usize, Error> {
        self.chunk().map(|bytes| usize::try_from(u32::from_be_bytes(*bytes)).unwrap_or(usize::MAX))
    }

    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or_else(|| self.short())?;
        (self.rest, self.at) = (rest, self.at + N);
        Ok(chunk)
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.short())?;
        (self.rest, self.at) = (rest, self.at + length);
        Ok(taken)
    }

    #[cold]
    fn short(&self) -> Error {
        Error::Short { at: self.at + self.rest.len() }
    }
}

/// A bit string: of the last byte only the `last` high bits count.
pub(crate) struct Bits<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) last: u8,
}

impl<'a> Bits<'a> {
    /// The bytes if it is a binary after all.
    pub(crate) fn whole(&self) -> Option<&'a [u8]> {
        (self.last == 8 || self.bytes.is_empty()).then_some(self.bytes)
    }
}

fn utf8(bytes: &[u8], at: usize) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Malformed { what: "an atom that is not UTF-8", at })
}

fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => ascii.into(),
        Ok(_) | Err(_) => bytes.iter().copied().map(char::from).collect::<String>().into(),
    }
}

/// The old text form, as `sprintf("%.20e")` writes it, NUL padded. Rust reads more forms than Erlang, so the shape comes first.
fn float_text(padded: &[u8; 31]) -> Option<f64> {
    let text = padded.split(|&byte| byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.')?;
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction) && digits(exponent)).then(|| text.parse().ok())?
}
