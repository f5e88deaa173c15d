//! Values into terms, as a current Erlang writes them (C-2).

use crate::{Atom, VERSION, write};
use bytes::Bytes;
use std::cell::Cell;

/// A value that is written as one term.
pub trait Encode {
    /// Appends the term, without version byte.
    fn encode(&self, out: &mut Vec<u8>);

    /// The value if it is an integer of 0..255: a list of nothing else is written as a string (C-2).
    fn code(&self) -> Option<u8> {
        None
    }
}

/// The scratch buffer a thread keeps between documents is given back when it has grown beyond this, in bytes.
const SCRATCH_MAX: usize = 64 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One document: the version byte and the term, in an allocation of its size; what is large has an eighth more at most.
pub fn encode<T: Encode + ?Sized>(value: &T) -> Bytes {
    let out = written(value);
    let is_close = out.len() > SCRATCH_MAX && out.capacity() - out.len() <= out.len() / 8;
    if is_close {
        return out.into();
    }
    let bytes = Bytes::copy_from_slice(&out);
    put_away(out);
    bytes
}

/// How long the document is that [`encode`] makes of the value.
pub fn length<T: Encode + ?Sized>(value: &T) -> usize {
    let out = written(value);
    let length = out.len();
    put_away(out);
    length
}

fn written<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = SCRATCH.take();
    out.push(VERSION);
    value.encode(&mut out);
    out
}

fn put_away(mut scratch: Vec<u8>) {
    if scratch.capacity() <= SCRATCH_MAX {
        scratch.clear();
        SCRATCH.set(scratch);
    }
}

impl Encode for Bytes {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write::binary(out, self);
    }
}

/// Absent is `[]` (C-5).
impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.encode(out),
            None => write::nil(out),
        }
    }

    fn code(&self) -> Option<u8> {
        self.as_ref()?.code()
    }
}

impl<T: Encode> Encode for Vec<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Vec<u8>) {
        write::list(out, self);
    }
}

impl Encode for u64 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write::integer(out, i128::from(*self));
    }

    fn code(&self) -> Option<u8> {
        u8::try_from(*self).ok()
    }
}

impl Encode for i64 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write::integer(out, i128::from(*self));
    }

    fn code(&self) -> Option<u8> {
        u8::try_from(*self).ok()
    }
}

impl Encode for u32 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write::integer(out, i128::from(*self));
    }

    fn code(&self) -> Option<u8> {
        u8::try_from(*self).ok()
    }
}

/// One that is not finite has no term; it is written as 0.0.
impl Encode for f64 {
    fn encode(&self, out: &mut Vec<u8>) {
        write::float(out, *self);
    }
}

impl Encode for Atom {
    fn encode(&self, out: &mut Vec<u8>) {
        write::atom(out, self.as_str());
    }
}

impl<T: Encode + ?Sized> Encode for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn code(&self) -> Option<u8> {
        (**self).code()
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn code(&self) -> Option<u8> {
        (**self).code()
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        write::tuple(out, 2);
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Encode, B: Encode, C: Encode> Encode for (A, B, C) {
    fn encode(&self, out: &mut Vec<u8>) {
        write::tuple(out, 3);
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
    }
}
