//! Erlang terms as Rust values (SPEC section 1): checked decoding, encoding, derived records, a text notation.
//!
//! Bytes from outside are read twice: [`check`] walks them once and refuses whatever C-3 refuses or a limit
//! forbids, allocating next to nothing; then a type's [`Decode`] reads its fields straight from the bytes.
//!
//! ```
//! use bytes::Bytes;
//! use etf::{Record, decode, encode};
//!
//! #[derive(Debug, Default, PartialEq, Record)]
//! struct Ack {
//!     id: Option<Bytes>,
//! }
//!
//! let bytes = encode(&Ack { id: Some("m1".into()) });
//! assert_eq!(decode::<Ack>(&bytes).unwrap().id.unwrap(), "m1");
//! ```

mod atom;
mod check;
mod decode;
mod encode;
mod error;
mod fits;
mod inflate;
mod integer;
mod limits;
mod list;
mod reader;
mod shape;
mod tag;
mod term;
pub mod text;
pub mod write;

use bytes::Bytes;

pub use crate::atom::Atom;
pub use crate::check::{Checked, check};
pub use crate::decode::Decode;
pub use crate::encode::{Encode, encode, length};
pub use crate::error::Error;
pub use crate::fits::Fits;
pub use crate::limits::Limits;
pub use crate::reader::Reader;
pub use crate::shape::{Atoms, Shape};
pub use crate::term::Term;
pub use etf_derive::{AtomEnum, Choice, Record};

/// The byte every document begins with (C-1).
pub const VERSION: u8 = 131;

/// One value from one document (version byte and term, nothing behind it), within the default [`Limits`].
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, Error> {
    decode_with(bytes, &Limits::default())
}

/// As [`decode`]. A binary that is the better part of the document is a part of it, not a copy: so a piece of a file is not copied on its
/// way, and `bytes` live as long as it does.
pub fn decode_parts<T: Decode>(bytes: &Bytes) -> Result<T, Error> {
    let checked = check(bytes, &Limits::default())?;
    let mut reader = checked.reader_in(bytes);
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// As [`decode`], of bytes that [`encode`] has made: without the pass that what comes from outside needs first.
pub fn decode_own<T: Decode>(bytes: &[u8]) -> Result<T, Error> {
    let (&version, term) = bytes.split_first().ok_or(Error::Short { at: 0 })?;
    if version != VERSION {
        return Err(Error::Version);
    }
    let mut reader = Reader::new(term);
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// As [`decode`], within `limits`.
pub fn decode_with<T: Decode>(bytes: &[u8], limits: &Limits) -> Result<T, Error> {
    let checked = check(bytes, limits)?;
    let mut reader = checked.reader();
    let value = T::decode(&mut reader)?;
    reader.end()?;
    Ok(value)
}
