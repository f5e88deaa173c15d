//! What can go wrong in a store, one line each, fit for the operator to read.

use std::io;

use crate::{BATCH_MAX, KEY_MAX, TABLE_MAX, VALUE_MAX};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store has no table {0}")]
    UnknownTable(&'static str),
    #[error("a table name is 1 to {TABLE_MAX} of a to z and _, not {0:?}")]
    TableName(&'static str),
    #[error("a key is 1 to {KEY_MAX} bytes, not {0}")]
    KeySize(usize),
    #[error("a value is at most {VALUE_MAX} bytes, not {0}")]
    ValueSize(usize),
    #[error("a batch is at most {BATCH_MAX} changes, not {0}")]
    BatchSize(usize),
    /// Another process, or another `Disk` of this one, has the folder open.
    #[error("the data folder is in use by another instance")]
    Locked,
    /// The path holds other files and no store; it is left alone.
    #[error("the data folder holds other files and no store")]
    NotAStore,
    #[error("the disk is full")]
    DiskFull,
    #[error("the data was written in a format this version cannot read")]
    Format,
    #[error("the data is damaged: {0}; put it back from a backup")]
    Corrupted(String),
    #[error("the disk failed: {0}")]
    Io(#[source] io::Error),
    /// An earlier failure left it unknown what is kept, so nothing more is accepted.
    #[error("the store has stopped after an earlier failure")]
    Stopped,
    /// A sequence has given its last id.
    #[error("the sequence has no more ids")]
    Exhausted,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull,
            _ => Error::Io(error),
        }
    }
}
