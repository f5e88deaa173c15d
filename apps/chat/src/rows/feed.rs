//! Feeds: messages and what became of them, how far each has read, what is to be done when.

use bytes::Bytes;
use etf::{AtomEnum, Record};
use kvs::{Table, View};
use n2o::Failure;
use proto::ids::{FeedId, PhoneId};
use proto::records::{Message, MessageStatus};

use super::{numbered, read};

/// feed NUL id → `Message`; a deleted one keeps its keys only. Writer: conversation.
pub const MESSAGE: Table = Table("message");
/// feed NUL seq → [`Change`] of a message; at most one per message, the latest. Writer: conversation.
pub const CHANGE: Table = Table("change");
/// feed NUL id → seq of its entry in [`CHANGE`]. Writer: conversation.
pub const CHANGED: Table = Table("changed");
/// feed NUL from NUL msg_id → [`Sent`] (DLV-5). Writer: conversation.
pub const DUPLICATE: Table = Table("duplicate");
/// feed NUL phone_id → [`Reader`]. Writer: conversation.
pub const READER: Table = Table("reader");
/// feed NUL phone_id NUL id → empty: hidden for this roster (MESSAGE-7). Writer: conversation.
pub const HIDDEN: Table = Table("hidden");
/// feed NUL id, reply's id → empty: which messages reply to one (MESSAGE-8). Writer: conversation.
pub const REPLY: Table = Table("reply");
/// feed NUL kind NUL id → empty: messages of a kind other than text (HISTORY-10). Writer: conversation.
pub const KIND: Table = Table("kind");
/// feed NUL id → when the content was erased, 0 while it is there: messages of `transient` feeds (DLV-6). Writer: conversation.
pub const FLEETING: Table = Table("fleeting");
/// feed NUL time, id, chore → [`Later`]: what is to be done to a message, and when. Writer: conversation.
pub const LATER: Table = Table("later");
/// time, feed → empty: when a conversation has something in [`LATER`]; time, `a/`, phone → empty: when an account
/// has something in [`ENDED`](super::ENDED).
/// Writer: conversation, profile; the agenda reads it.
pub const AGENDA: Table = Table("agenda");

/// What became of a message after it was sent: the status it is shown with to devices that have had it; none when it was completed
/// (MESSAGE-5).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Change {
    pub id: u64,
    pub status: Option<MessageStatus>,
}

/// Something to be done to a message at a later time.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Later {
    pub chore: Chore,
    /// Keys of [`DUPLICATE`] that it is about.
    pub keys: Vec<Bytes>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Chore {
    /// MESSAGE-4: an announced message was not completed.
    Withdraw,
    /// DLV-6: look whether all devices have acknowledged it.
    #[default]
    Sweep,
    /// DLV-6: what is left of an erased message goes.
    Vanish,
    /// DLV-5: duplicates of it are no longer known.
    Forget,
}

/// A message that was accepted: its number, and the client it came from.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Sent {
    pub id: u64,
    pub client: Bytes,
}

/// How far a roster has read and cleared a feed (HISTORY-3, 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Reader {
    pub reader: u64,
    pub clear: u64,
}

pub fn reader_key(feed: &FeedId, who: &PhoneId) -> Bytes {
    reader_at(&feed.key(), who)
}

/// The same, of the feed that has this key.
pub fn reader_at(feed: &[u8], who: &PhoneId) -> Bytes {
    [feed, who.as_str().as_bytes()].join(&0).into()
}

pub fn duplicate_key(feed: &[u8], from: &[u8], msg_id: &[u8]) -> Bytes {
    [feed, from, msg_id].join(&0).into()
}

pub fn hidden_key(feed: &FeedId, who: &PhoneId, id: u64) -> Bytes {
    numbered(&reader_key(feed, who), id)
}

/// A stored message by its number; deleted ones are `None`.
pub fn message(store: &dyn View, feed: &[u8], id: u64) -> Result<Option<Message>, Failure> {
    let row: Option<Message> = read(store, MESSAGE, &numbered(feed, id))?;
    Ok(row.filter(is_kept))
}

/// Whether a stored message is one still: not deleted. It may be pending (MESSAGE-4).
pub fn is_kept(message: &Message) -> bool {
    message.status != Some(MessageStatus::Delete)
}

/// Whether it is announced only (MESSAGE-4).
pub fn is_pending(message: &Message) -> bool {
    message.status == Some(MessageStatus::Async)
}

/// Whether its content was erased (DLV-6): every message has a msg_id, what is left of one has none.
pub fn is_skeleton(message: &Message) -> bool {
    message.msg_id.is_none()
}

/// 64 bits by which an Ack record finds its item among those sent on a connection; two that meet only swap their acknowledgement.
pub fn fingerprint(msg_id: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(msg_id);
    hasher.finish()
}
