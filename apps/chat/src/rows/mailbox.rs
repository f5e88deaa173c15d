//! Mailboxes and circles.

use bytes::Bytes;
use etf::Record;
use kvs::Table;

/// user → [`Mailbox`]: there is a mailbox of that name (MAIL-2). Writer: mailbox.
pub const MAILBOX: Table = Table("mailbox");
/// user NUL id → [`Letter`] in the box; those up to the box's `cut` are erased. Writer: mailbox.
pub const LETTER: Table = Table("letter");
/// user, or `*` and the name of a circle, NUL length of a Key, Key, scope → id (MAILR-2). Writer: mailbox, circle.
pub const KEY: Table = Table("key");
/// The same NUL id → [`Keyed`]: which of its Keys is the oldest. Writer: mailbox, circle.
pub const KEYED: Table = Table("keyed");
/// circle NUL user → empty: who has joined (MAILR-3). Writer: circle.
pub const CIRCLE: Table = Table("circle");
/// circle NUL seq → [`Letter`] that is yet to be put into boxes. Writer: circle.
pub const CIRCLE_DUE: Table = Table("circle_due");

/// A mailbox (MAIL-2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Mailbox {
    /// Key of the account that has proved to be its user, if one had to.
    pub account: Option<Bytes>,
    /// Letters up to this one are erased, or about to be (MAIL-7).
    pub cut: u64,
}

/// A letter in a box (MAIL-3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Letter {
    /// Letters of a box are numbered one by one, in the order of their ids.
    pub place: u64,
    pub from: Bytes,
    pub to: Bytes,
    pub key: Option<Bytes>,
    pub tag: Bytes,
    pub content: Bytes,
}

/// A Key that is remembered (MAILR-2); numbered as letters are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Keyed {
    pub place: u64,
    pub key: Bytes,
    pub scope: Bytes,
}
