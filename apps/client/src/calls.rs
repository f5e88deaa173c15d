//! The calls of the protocol as typed functions. Each names its rule; what it answers is what the specification says.

mod account;
mod book;
mod file;
mod room;
mod search;
mod talk;

pub(crate) use account::login_of;
pub use account::{Account, Enrolment, Registered};
pub use book::Peer;
pub(crate) use file::checked;
pub(crate) use talk::fresh_msg_id;
pub use talk::{Sent, private};

use proto::Record;

use crate::Error;

/// What came instead of the answer, in words.
fn unexpected(records: &[Record]) -> Error {
    Error::Unexpected(records.iter().map(Record::atom).collect::<Vec<_>>().join(" "))
}

/// A field that says `text`; absent where that is empty.
fn bytes(text: &str) -> Option<bytes::Bytes> {
    (!text.is_empty()).then(|| bytes::Bytes::copy_from_slice(text.as_bytes()))
}

/// Text of a field for people; other bytes are shown as replacement characters.
pub(crate) fn text(field: &Option<bytes::Bytes>) -> String {
    field.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}
