//! Files: those on their way, those that are there, and who needs them.

use bytes::Bytes;
use etf::Record;
use kvs::Table;

/// phone NUL id → [`Transfer`] of a file (FTP-1). Writer: files.
pub const TRANSFER: Table = Table("transfer");
/// reference → [`Stored`] file (FTP-3), and phone NUL reference → [`Held`]. Writer: the files of its owner.
pub const STORED: Table = Table("stored");
pub const STORED_OF: Table = Table("stored_of");
/// reference NUL feed NUL id → empty: which messages refer to a file (FTP-7). Writer: conversation.
pub const REFERS: Table = Table("refers");
/// phone NUL reference → since when a file may be needed by nobody. Writer: whoever finds that (the latest counts); remover: files.
pub const UNUSED: Table = Table("unused");

/// A file on its way (FTP-1).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Transfer {
    /// As its sender calls it.
    pub name: Bytes,
    pub size: u64,
    /// Bytes that are there.
    pub have: u64,
    /// What they are called meanwhile.
    pub temp: Bytes,
    /// Milliseconds since 1970.
    pub began: u64,
    /// SHA-256, once all are there.
    pub digest: Option<Bytes>,
    /// What the file is called, once it is one.
    pub reference: Option<Bytes>,
    /// Of the server's sequence: an account that has the key later has later ones.
    pub number: u64,
    /// Client id of the device that has said `init` last, by record: its pieces are taken (FTP-2). Empty when the web has taken over since.
    pub writer: Option<Bytes>,
}

/// What an account has of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Held {
    pub size: u64,
    /// Of the transfer by which it came last.
    pub number: u64,
}

/// A file (FTP-3).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Stored {
    /// Account key of who uploaded it.
    pub owner: Bytes,
    pub size: u64,
    /// Since when it is about to be removed, 0 if it is not.
    pub going: u64,
}
