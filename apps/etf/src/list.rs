//! Lists: their four codings, and what counts as absent.

use crate::{Error, Reader, tag};

/// The atoms C-5 reads as `[]`.
const ABSENT: [&str; 2] = ["nil", "undefined"];

impl Reader<'_> {
    /// Reads `[]`, in any coding, or an atom that means it (C-5); else reads nothing and is false.
    #[inline]
    pub fn absent(&mut self) -> bool {
        let mut ahead = self.clone();
        let absent = match ahead.peek() {
            Some(tag::NIL) => ahead.take(1).is_ok(),
            Some(tag::STRING | tag::LIST) => ahead.empty_list().unwrap_or(false),
            Some(tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1) => {
                ahead.atom().is_ok_and(|text| ABSENT.contains(&&*text))
            }
            _ => false,
        };
        if absent {
            *self = ahead;
        }
        absent
    }

    /// Reads on through lists of no elements, whose value is their tail; whether all of it was `[]`.
    fn empty_list(&mut self) -> Result<bool, Error> {
        loop {
            match self.tag()? {
                tag::NIL => return Ok(true),
                tag::STRING => return Ok(self.string_rest()?.is_empty()),
                tag::LIST if self.count_rest()? == 0 => {}
                _ => return Ok(false),
            }
        }
    }

    /// Reads a proper list (C-4: also a string, which is the list of its codes), handing each element to `element`.
    /// Nothing but the element may be read there. `Err` for an improper list.
    pub fn list(&mut self, mut element: impl FnMut(&mut Reader<'_>) -> Result<(), Error>) -> Result<(), Error> {
        if self.absent() {
            return Ok(());
        }
        loop {
            match self.peek() {
                Some(tag::NIL) => return self.take(1).map(drop),
                Some(tag::STRING) => {
                    self.take(1)?;
                    return self.codes(element);
                }
                Some(tag::LIST) => self.take(1)?,
                _ => return Err(self.expected("a list")),
            };
            for _ in 0..self.count_rest()? {
                element(self)?;
            }
        }
    }

    /// Each code of a string as the integer it stands for.
    fn codes(&mut self, mut element: impl FnMut(&mut Reader<'_>) -> Result<(), Error>) -> Result<(), Error> {
        for &code in self.string_rest()? {
            element(&mut Reader::new(&[tag::SMALL_INTEGER, code]))?;
        }
        Ok(())
    }

    /// How many elements to make room for: what the next list claims, but never more room than 16 times the bytes left.
    pub(crate) fn room_for<T>(&self) -> usize {
        let mut ahead = self.clone();
        let claimed = match ahead.tag() {
            Ok(tag::LIST) => ahead.count_rest().unwrap_or(0),
            Ok(tag::STRING) => ahead.u16().unwrap_or(0),
            Ok(_) | Err(_) => 0,
        };
        claimed.min(4.max(self.left().saturating_mul(16) / size_of::<T>().max(1)))
    }
}
