//! One step of a file transfer: `ftp` from clients, `ftpack` to them (FTP-1 to FTP-8).
use bytes::Bytes;
use etf::{Atom, Choice, Record, Term};

#[derive(Clone, PartialEq, Default, Record)]
#[record("ftp")]
pub struct Ftp {
    pub id: Option<Bytes>,
    pub sid: Option<Bytes>,
    pub filename: Option<Bytes>,
    pub meta: Option<Bytes>,
    /// Bytes.
    pub size: Option<u64>,
    /// Bytes.
    pub offset: Option<u64>,
    /// Bytes.
    pub block: Option<u64>,
    /// The chunk.
    pub data: Option<Bytes>,
    pub status: Option<FtpStatus>,
    pub options: Term,
}

discreet!(Ftp: id, size, offset, block, status);

/// The server's side of [`Ftp`], the same fields.
#[derive(Clone, PartialEq, Default, Record)]
#[record("ftpack")]
pub struct Ftpack {
    pub id: Option<Bytes>,
    pub sid: Option<Bytes>,
    pub filename: Option<Bytes>,
    pub meta: Option<Bytes>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
    pub block: Option<u64>,
    pub data: Option<Bytes>,
    pub status: Option<FtpStatus>,
    pub options: Term,
}

discreet!(Ftpack: id, size, offset, block, status);

/// `init`, `send`, `relay`, or `{event,stop}`.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum FtpStatus {
    Text(Bytes),
    Event(FtpEvent),
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record("event")]
pub struct FtpEvent {
    pub name: Atom,
}

/// Arity 10, without options: a type of its own, since it is answered with the arity received (C-6).
#[derive(Clone, PartialEq, Default, Record)]
#[record("ftp")]
pub struct Ftp10 {
    pub id: Option<Bytes>,
    pub sid: Option<Bytes>,
    pub filename: Option<Bytes>,
    pub meta: Option<Bytes>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
    pub block: Option<u64>,
    pub data: Option<Bytes>,
    pub status: Option<FtpStatus>,
}

discreet!(Ftp10: id, size, offset, block, status);

/// Arity 10 of [`Ftpack`].
#[derive(Clone, PartialEq, Default, Record)]
#[record("ftpack")]
pub struct Ftpack10 {
    pub id: Option<Bytes>,
    pub sid: Option<Bytes>,
    pub filename: Option<Bytes>,
    pub meta: Option<Bytes>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
    pub block: Option<u64>,
    pub data: Option<Bytes>,
    pub status: Option<FtpStatus>,
}

discreet!(Ftpack10: id, size, offset, block, status);

impl From<Ftp10> for Ftp {
    fn from(old: Ftp10) -> Self {
        Self {
            id: old.id,
            sid: old.sid,
            filename: old.filename,
            meta: old.meta,
            size: old.size,
            offset: old.offset,
            block: old.block,
            data: old.data,
            status: old.status,
            options: Term::nil(),
        }
    }
}

impl From<Ftpack> for Ftpack10 {
    fn from(new: Ftpack) -> Self {
        Self {
            id: new.id,
            sid: new.sid,
            filename: new.filename,
            meta: new.meta,
            size: new.size,
            offset: new.offset,
            block: new.block,
            data: new.data,
            status: new.status,
        }
    }
}
