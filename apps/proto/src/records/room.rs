//! `Room` and its `Member`s (ROOM-1 to ROOM-18, MEMBER).
use bytes::Bytes;
use etf::{AtomEnum, Choice, Decode, Error, Reader, Record, Term};

use super::{Container, Desc, Feature, Feed, KvsReader, Link, MessageLink, Online, Service};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(also(16 = "Room::from_v1"))]
pub struct Room {
    pub id: Option<Bytes>,
    pub name: Option<Bytes>,
    pub links: Vec<Link>,
    pub description: Option<Bytes>,
    pub settings: Vec<Feature>,
    /// Plain members.
    pub members: Vec<Member>,
    /// Owner first, then admins.
    pub admins: Vec<Member>,
    /// Avatar parts (D-53).
    pub data: Vec<Desc>,
    pub r#type: Option<RoomType>,
    /// Terms of service.
    pub tos: Option<Bytes>,
    /// Milliseconds.
    pub tos_update: Option<u64>,
    pub unread: Option<u64>,
    /// Ids of unread messages that mention the receiver.
    pub mentions: Vec<u64>,
    /// Own reader, highest reader of others (D-20).
    pub readers: Vec<u64>,
    pub last_msg: Option<MessageLink>,
    /// Time of last change of anything visible, milliseconds.
    pub update: Option<u64>,
    /// Milliseconds.
    pub created: Option<u64>,
    pub status: Option<RoomStatus>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            links: Vec::new(),
            description: None,
            settings: Vec::new(),
            members: Vec::new(),
            admins: Vec::new(),
            data: Vec::new(),
            r#type: None,
            tos: None,
            tos_update: Some(0),
            unread: Some(0),
            mentions: Vec::new(),
            readers: Vec::new(),
            last_msg: None,
            update: Some(0),
            created: Some(0),
            status: None,
        }
    }
}

impl Room {
    /// Arity 16: links, mentions and readers are absent (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: Decode::decode(r)?,
            name: Decode::decode(r)?,
            links: Vec::new(),
            description: Decode::decode(r)?,
            settings: Decode::decode(r)?,
            members: Decode::decode(r)?,
            admins: Decode::decode(r)?,
            data: Decode::decode(r)?,
            r#type: Decode::decode(r)?,
            tos: Decode::decode(r)?,
            tos_update: Decode::decode(r)?,
            unread: Decode::decode(r)?,
            mentions: Vec::new(),
            readers: Vec::new(),
            last_msg: Decode::decode(r)?,
            update: Decode::decode(r)?,
            created: Decode::decode(r)?,
            status: Decode::decode(r)?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum RoomType {
    Group,
    Channel,
    Call,
}

/// The last five are of the old text (D-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum RoomStatus {
    Create,
    Leave,
    Add,
    Remove,
    Removed,
    Join,
    Joined,
    Info,
    Patch,
    Get,
    Delete,
    LastMsg,
    Mute,
    Unmute,
    Ban,
    Unban,
    Settings,
    Voice,
    Video,
}

/// A roster in a room.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(also(19 = "Member::from_v1"))]
pub struct Member {
    /// Server id (C-11).
    pub id: Option<u64>,
    pub container: Option<Container>,
    pub feed_id: Option<Feed>,
    /// Neighbours in joining order.
    pub prev: Option<u64>,
    pub next: Option<u64>,
    /// Stored and returned, not interpreted (D-52).
    pub feeds: Vec<Term>,
    pub phone_id: Option<Bytes>,
    pub avatar: Option<Bytes>,
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    /// Name in this room.
    pub alias: Option<Bytes>,
    /// Last read message.
    pub reader: Option<MemberReader>,
    /// Milliseconds.
    pub update: Option<u64>,
    pub settings: Vec<Feature>,
    /// Certificates.
    pub services: Vec<Service>,
    pub presence: Option<Online>,
    /// Role.
    pub status: Option<MemberStatus>,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            id: None,
            container: Some(Container::Chain),
            feed_id: None,
            prev: None,
            next: None,
            feeds: Vec::new(),
            phone_id: None,
            avatar: None,
            names: None,
            surnames: None,
            alias: None,
            reader: Some(MemberReader::Id(0)),
            update: Some(0),
            settings: Vec::new(),
            services: Vec::new(),
            presence: None,
            status: None,
        }
    }
}

impl Member {
    /// Arity 19: email and vox_id are dropped, services are absent (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        let mut member = Self {
            id: Decode::decode(r)?,
            container: Decode::decode(r)?,
            feed_id: Decode::decode(r)?,
            prev: Decode::decode(r)?,
            next: Decode::decode(r)?,
            feeds: Decode::decode(r)?,
            phone_id: Decode::decode(r)?,
            avatar: Decode::decode(r)?,
            names: Decode::decode(r)?,
            surnames: Decode::decode(r)?,
            alias: Decode::decode(r)?,
            ..Self::default()
        };
        r.skip()?;
        r.skip()?;
        member.reader = Decode::decode(r)?;
        member.update = Decode::decode(r)?;
        member.settings = Decode::decode(r)?;
        member.presence = Decode::decode(r)?;
        member.status = Decode::decode(r)?;
        Ok(member)
    }
}

/// Last read message id; of a KVS cursor only the position counts.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum MemberReader {
    Id(u64),
    Cursor(Box<KvsReader>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum MemberStatus {
    Admin,
    Member,
    Removed,
    Patch,
    Owner,
}
