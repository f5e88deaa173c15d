//! The pieces of a term, each in the one form of C-2. For hand-written [`Encode`]s.

use crate::{Encode, tag};

/// The longest list that is written as a string.
const STRING_MAX: usize = 65535;

/// `[]`
#[inline]
pub fn nil(out: &mut Vec<u8>) {
    out.push(tag::NIL);
}

/// An atom. `text` has at most 255 characters, or no Erlang reads it.
pub fn atom(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length) => out.extend([tag::SMALL_ATOM, length]),
        Err(_) => {
            out.push(tag::ATOM);
            out.extend(u16::try_from(text.len()).expect("255 characters take 1020 bytes at most").to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// An integer of up to 64 bits.
#[inline]
pub fn integer(out: &mut Vec<u8>, value: i128) {
    if let Ok(small) = u8::try_from(value) {
        return out.extend([tag::SMALL_INTEGER, small]);
    }
    if let Ok(fixed) = i32::try_from(value) {
        out.push(tag::INTEGER);
        return out.extend(fixed.to_be_bytes());
    }
    let bytes = value.unsigned_abs().to_le_bytes();
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    magnitude(out, value < 0, bytes.get(..used).unwrap_or_default());
}

/// An integer beyond 32 bits, as little-endian bytes without leading zeros.
pub(crate) fn magnitude(out: &mut Vec<u8>, negative: bool, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length) => out.extend([tag::SMALL_BIG, length]),
        Err(_) => {
            out.push(tag::LARGE_BIG);
            length(out, bytes.len());
        }
    }
    out.push(u8::from(negative));
    out.extend_from_slice(bytes);
}

/// A float. One that is not finite has no term and is written as 0.0.
pub fn float(out: &mut Vec<u8>, value: f64) {
    let value = if value.is_finite() { value } else { 0.0 };
    out.push(tag::FLOAT);
    out.extend(value.to_bits().to_be_bytes());
}

/// Bytes of a document behind a large binary, as a guess.
const BEHIND: usize = 1 << 10;
/// A binary of so many bytes is given its room at once.
const LARGE: usize = 16 << 10;

/// A binary.
#[inline]
pub fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() >= LARGE {
        out.reserve(bytes.len() + BEHIND);
    }
    out.push(tag::BINARY);
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A bit string of which the last byte has `last` bits, 1 to 7.
pub(crate) fn bits(out: &mut Vec<u8>, bytes: &[u8], last: u8) {
    out.push(tag::BITS);
    length(out, bytes.len());
    out.push(last);
    out.extend_from_slice(bytes);
}

/// The head of a tuple; `arity` terms must follow.
#[inline]
pub fn tuple(out: &mut Vec<u8>, arity: usize) {
    match u8::try_from(arity) {
        Ok(arity) => out.extend([tag::TUPLE, arity]),
        Err(_) => {
            out.push(tag::LARGE_TUPLE);
            length(out, arity);
        }
    }
}

/// A proper list: `[]`, a string if all are integers of 0..255, else a list.
#[inline]
pub fn list<T: Encode>(out: &mut Vec<u8>, all: &[T]) {
    if all.is_empty() {
        return nil(out);
    }
    if all.len() <= STRING_MAX && all.iter().all(|one| one.code().is_some()) {
        return string(out, all);
    }
    list_head(out, all.len());
    for one in all {
        one.encode(out);
    }
    nil(out);
}

/// A list of `count` terms that were written already, one after another; none of them is an integer.
pub fn elements(out: &mut Vec<u8>, count: usize, written: &[u8]) {
    if count == 0 {
        return nil(out);
    }
    list_head(out, count);
    out.extend_from_slice(written);
    nil(out);
}

fn string<T: Encode>(out: &mut Vec<u8>, all: &[T]) {
    out.push(tag::STRING);
    out.extend(u16::try_from(all.len()).expect("at most STRING_MAX").to_be_bytes());
    out.extend(all.iter().filter_map(Encode::code));
}

/// The head of a list that is not written as a string; `length` terms and the tail must follow.
pub(crate) fn list_head(out: &mut Vec<u8>, elements: usize) {
    out.push(tag::LIST);
    length(out, elements);
}

/// The head of a map; keys and values must follow in turn.
pub(crate) fn map(out: &mut Vec<u8>, pairs: usize) {
    out.push(tag::MAP);
    length(out, pairs);
}

#[inline]
fn length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).expect("no value of ours takes 4 GiB").to_be_bytes());
}
