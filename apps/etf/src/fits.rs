//! Which of several types the next term is meant for.

use crate::{Atom, Reader, Term, tag};
use bytes::Bytes;

/// A type that can tell, without reading, whether the next term is meant for it. What fits may still not decode.
pub trait Fits {
    /// Looks at the next term's tag, or its record atom and arity.
    fn fits(r: &Reader<'_>) -> bool;
}

/// A binary, or a list that begins with an integer (C-4).
impl Fits for Bytes {
    fn fits(r: &Reader<'_>) -> bool {
        matches!(r.peek(), Some(tag::BINARY)) || r.clone().binary().is_ok() || first(r).is_some_and(|r| i64::fits(&r))
    }
}

/// A list without elements, or whose first element fits.
impl<T: Fits> Fits for Vec<T> {
    fn fits(r: &Reader<'_>) -> bool {
        r.clone().absent() || first(r).is_some_and(|r| T::fits(&r))
    }
}

/// A reader at a list's first element. A string's first code stands for an integer.
fn first<'a>(r: &Reader<'a>) -> Option<Reader<'a>> {
    let mut ahead = r.clone();
    match ahead.tag().ok()? {
        tag::LIST => ahead.count_rest().ok().filter(|&length| length > 0).map(|_| ahead),
        tag::STRING => {
            ahead.string_rest().ok().filter(|codes| !codes.is_empty()).map(|_| Reader::new(&[tag::SMALL_INTEGER, 0]))
        }
        _ => None,
    }
}

impl Fits for i64 {
    fn fits(r: &Reader<'_>) -> bool {
        matches!(r.peek(), Some(tag::SMALL_INTEGER | tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG))
    }
}

impl Fits for u64 {
    fn fits(r: &Reader<'_>) -> bool {
        i64::fits(r)
    }
}

impl Fits for u32 {
    fn fits(r: &Reader<'_>) -> bool {
        i64::fits(r)
    }
}

impl Fits for f64 {
    fn fits(r: &Reader<'_>) -> bool {
        matches!(r.peek(), Some(tag::FLOAT | tag::FLOAT_TEXT))
    }
}

impl Fits for Atom {
    fn fits(r: &Reader<'_>) -> bool {
        matches!(r.peek(), Some(tag::SMALL_ATOM | tag::ATOM | tag::SMALL_ATOM_LATIN1 | tag::ATOM_LATIN1))
    }
}

impl Fits for Term {
    fn fits(_: &Reader<'_>) -> bool {
        true
    }
}

impl<T: Fits> Fits for Box<T> {
    fn fits(r: &Reader<'_>) -> bool {
        T::fits(r)
    }
}

impl<T: Fits> Fits for Option<T> {
    fn fits(r: &Reader<'_>) -> bool {
        r.clone().absent() || T::fits(r)
    }
}

impl<A: Fits, B: Fits> Fits for (A, B) {
    fn fits(r: &Reader<'_>) -> bool {
        let mut r = r.clone();
        r.tuple() == Ok(2) && passes::<A>(&mut r) && B::fits(&r)
    }
}

impl<A: Fits, B: Fits, C: Fits> Fits for (A, B, C) {
    fn fits(r: &Reader<'_>) -> bool {
        let mut r = r.clone();
        r.tuple() == Ok(3) && passes::<A>(&mut r) && passes::<B>(&mut r) && C::fits(&r)
    }
}

fn passes<T: Fits>(r: &mut Reader<'_>) -> bool {
    T::fits(r) && r.skip().is_ok()
}
