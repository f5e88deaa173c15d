//! Pushes: who can be woken, by what, and what is on its way to a gateway.

use bytes::Bytes;
use etf::Record;
use kvs::Table;

/// SHA-256 of a push token → [`Holder`] (AUTH-7). Writer: the profile of the account it names.
pub const HOLDER: Table = Table("holder");
/// phone → [`Wakeable`], while one of its devices has a push token (PUSH-1). Writer: profile.
pub const WAKEABLE: Table = Table("wakeable");
/// phone NUL feed NUL number → [`Wake`]: what to tell those who are away, of which the latest will do. Writer: whoever queues it (keys
/// cannot meet); remover: profile.
pub const WAKE: Table = Table("wake");
/// feed of a room → number of the first message that its members who are away are still to be told of. Writer: conversation.
pub const ROUND: Table = Table("round");
/// phone NUL number → [`Asked`]: what services push (PUSH-5). Writer: the session of the service (keys cannot meet); remover: profile.
pub const ASKED: Table = Table("asked");
/// gateway NUL number → [`Outgoing`] push. Writer: profile; remover: whoever hands it to its gateway.
pub const OUTGOING: Table = Table("outgoing");

/// The one device that has a push token.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Holder {
    pub phone: Bytes,
    pub dev_key: Bytes,
}

/// An account that can be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Wakeable {
    /// All its devices: when as many are connected, nobody is away.
    pub devices: u64,
}

/// What is to be told of a feed (PUSH-2).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Wake {
    /// phone_ids of who is told, and who caused it.
    pub to: Bytes,
    pub from: Bytes,
    /// The push's type, and the record that it is about.
    pub kind: Bytes,
    pub model: Bytes,
}

/// What a service pushes to an account (PUSH-5): the record, and how long it is tried, seconds; 0: as long as others.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Asked {
    pub push: Bytes,
    pub ttl: u64,
}

/// A push that has been decided, for one device. Its token is where the device keeps it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Outgoing {
    pub phone: Bytes,
    pub dev_key: Bytes,
    /// SHA-256 of the push token that it is for.
    pub print: Bytes,
    /// Of which it tells; empty: of none, and the device wants it though it has been here since.
    pub feed: Bytes,
    /// The record `push`, encoded.
    pub push: Bytes,
    pub created: u64,
    pub expires: u64,
}
