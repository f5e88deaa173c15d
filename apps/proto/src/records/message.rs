//! `Message` and its acknowledgement `Ack`.
use bytes::Bytes;
use etf::{Atom, AtomEnum, Choice, Decode, Error, Reader, Record};

use super::{Desc, Feed, Several, Stamp};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(also(15 = "Message::from_v1"))]
pub struct Message {
    /// Server id; orders the feed (C-11).
    pub id: Option<u64>,
    pub container: Option<Container>,
    pub feed_id: Option<Feed>,
    /// Neighbours in the feed, deleted messages skipped.
    pub prev: Option<u64>,
    pub next: Option<u64>,
    /// The client's own unique id, 1 to 128 bytes: acknowledgement and duplicate detection.
    pub msg_id: Option<Bytes>,
    /// Author's phone_id.
    pub from: Option<Bytes>,
    /// Peer's phone_id or room id.
    pub to: Option<Bytes>,
    /// Server time of acceptance.
    pub created: Option<Stamp>,
    pub files: Vec<Desc>,
    pub r#type: Several<Mark>,
    pub link: Option<MessageLink>,
    /// Who has read it (D-14); in a delete request for whom (D-13).
    pub seenby: Several<SeenBy>,
    pub repliedby: Vec<u64>,
    /// Member ids (D-48).
    pub mentioned: Vec<u64>,
    pub status: Option<MessageStatus>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            id: None,
            container: Some(Container::Chain),
            feed_id: None,
            prev: None,
            next: None,
            msg_id: None,
            from: None,
            to: None,
            created: None,
            files: Vec::new(),
            r#type: Several::default(),
            link: None,
            seenby: Several::default(),
            repliedby: Vec::new(),
            mentioned: Vec::new(),
            status: None,
        }
    }
}

impl Message {
    /// Arity 15: `edit_msg` is link, repliedby and mentioned are absent (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: Decode::decode(r)?,
            container: Decode::decode(r)?,
            feed_id: Decode::decode(r)?,
            prev: Decode::decode(r)?,
            next: Decode::decode(r)?,
            msg_id: Decode::decode(r)?,
            from: Decode::decode(r)?,
            to: Decode::decode(r)?,
            created: Decode::decode(r)?,
            files: Decode::decode(r)?,
            r#type: Decode::decode(r)?,
            link: Decode::decode(r)?,
            seenby: Decode::decode(r)?,
            repliedby: Vec::new(),
            mentioned: Vec::new(),
            status: Decode::decode(r)?,
        })
    }
}

/// `chain` for stored records, `cur` for cursor notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Container {
    Chain,
    Cur,
}

/// Marks of a message. `sys`, `edited` and `read` are the server's; the last five are of the old text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Mark {
    Sys,
    Reply,
    Forward,
    Read,
    Edited,
    Cursor,
    Sched,
    Online,
    Offline,
    Join,
    Leave,
}

/// A message by its id, or embedded.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum MessageLink {
    Id(u64),
    Message(Box<Message>),
}

/// A reader: phone_id, or a roster id.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum SeenBy {
    Phone(Bytes),
    Id(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum MessageStatus {
    Async,
    Delete,
    Clear,
    Update,
    Edit,
    Client,
    Deleted,
    Sent,
    Internal,
    Event,
    Muc,
    Upload,
    Link,
    Complete,
}

impl MessageStatus {
    /// Old atoms by their present name (C-7): `client` is a normal message, that is no status.
    pub fn modern(self) -> Option<Self> {
        match self {
            Self::Client => None,
            Self::Upload => Some(Self::Async),
            Self::Complete => Some(Self::Update),
            Self::Deleted => Some(Self::Delete),
            Self::Async
            | Self::Delete
            | Self::Clear
            | Self::Update
            | Self::Edit
            | Self::Sent
            | Self::Internal
            | Self::Event
            | Self::Muc
            | Self::Link => Some(self),
        }
    }

    /// Statuses that come only from servers and are refused on input (C-7).
    pub fn is_servers(self) -> bool {
        matches!(self, Self::Sent | Self::Internal | Self::Event | Self::Muc | Self::Link)
    }
}

/// From the server: accepted or delivered. From a client: received.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Ack {
    /// Which record is acknowledged; the atom `Message`.
    pub table: Atom,
    /// Its msg_id.
    pub id: Option<Bytes>,
}

impl Default for Ack {
    fn default() -> Self {
        Self { table: Atom::from("Message"), id: None }
    }
}
