//! Integers: reading every coding of C-3 and writing the one of C-2.

use crate::{Error, Reader, tag};

/// An integer as sign and little-endian bytes without leading zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Magnitude<'a> {
    pub(crate) negative: bool,
    pub(crate) bytes: &'a [u8],
    /// Bytes it took on the wire, padding included.
    pub(crate) length: usize,
}

impl<'a> Reader<'a> {
    /// An integer of any coding that fits `T`; one that does not is an error that wants `want`.
    #[inline]
    pub fn integer<T: TryFrom<i128>>(&mut self, want: &'static str) -> Result<T, Error> {
        let start = self.clone();
        let value = match self.peek() {
            Some(tag::SMALL_INTEGER) => {
                self.take(1)?;
                Some(i128::from(self.u8()?))
            }
            Some(tag::INTEGER) => {
                self.take(1)?;
                Some(i128::from(i32::from_be_bytes(*self.chunk()?)))
            }
            Some(found @ (tag::SMALL_BIG | tag::LARGE_BIG)) => {
                self.take(1)?;
                self.magnitude_rest(found)?.small()
            }
            _ => None,
        };
        value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| start.expected(want))
    }

    /// A bignum whose tag was just read. Any sign byte but 0 is a minus, as for Erlang.
    pub(crate) fn magnitude_rest(&mut self, found: u8) -> Result<Magnitude<'a>, Error> {
        let length = match found {
            tag::SMALL_BIG => usize::from(self.u8()?),
            _ => self.u32()?,
        };
        let negative = self.u8()? != 0;
        let padded = self.take(length)?;
        let used = padded.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Ok(Magnitude { negative, bytes: padded.get(..used).unwrap_or_default(), length })
    }
}

impl Magnitude<'_> {
    /// The value, if it takes eight bytes or less.
    pub(crate) fn small(&self) -> Option<i128> {
        let mut wide = [0; 8];
        wide.get_mut(..self.bytes.len())?.copy_from_slice(self.bytes);
        let value = i128::from(u64::from_le_bytes(wide));
        Some(if self.negative { -value } else { value })
    }
}
