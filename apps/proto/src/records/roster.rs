//! `Roster`, an address book with a face, and `Contact`, a roster as another sees it.
use bytes::Bytes;
use etf::{AtomEnum, Choice, Record};

use super::{Feature, Message, PresenceStatus, Room, Service, Star, Tag};

#[derive(Debug, Clone, PartialEq, Record)]
pub struct Roster {
    pub id: Option<RosterId>,
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub email: Option<Bytes>,
    pub nick: Option<Bytes>,
    pub userlist: Vec<UserEntry>,
    pub roomlist: Vec<Room>,
    pub favorite: Vec<Star>,
    pub tags: Vec<Tag>,
    /// Account key of the owner.
    pub phone: Option<Bytes>,
    pub avatar: Option<Bytes>,
    /// Time of last change, milliseconds.
    pub update: Option<u64>,
    pub status: Option<RosterStatus>,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            id: None,
            names: None,
            surnames: None,
            email: None,
            nick: None,
            userlist: Vec::new(),
            roomlist: Vec::new(),
            favorite: Vec::new(),
            tags: Vec::new(),
            phone: None,
            avatar: None,
            update: Some(0),
            status: None,
        }
    }
}

/// The id of a roster, or the phone_id that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum RosterId {
    Number(u64),
    Name(Bytes),
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum UserEntry {
    Contact(Box<Contact>),
    Id(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum RosterStatus {
    Get,
    Create,
    Del,
    Remove,
    Nick,
    Search,
    Contact,
    Add,
    Update,
    List,
    Patch,
    LastMsg,
    Nickid,
    Set,
}

impl RosterStatus {
    /// Old atoms by their present name (C-7).
    pub fn modern(self) -> Self {
        match self {
            Self::Nickid => Self::Nick,
            Self::Set => Self::Patch,
            Self::Get
            | Self::Create
            | Self::Del
            | Self::Remove
            | Self::Nick
            | Self::Search
            | Self::Contact
            | Self::Add
            | Self::Update
            | Self::List
            | Self::Patch
            | Self::LastMsg => self,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
pub struct Contact {
    pub phone_id: Option<Bytes>,
    pub avatar: Option<Bytes>,
    pub names: Option<Bytes>,
    pub surnames: Option<Bytes>,
    pub nick: Option<Bytes>,
    pub reader: Option<ContactReader>,
    /// Unread messages of the receiver (D-19).
    pub nread: Option<u64>,
    pub last_msg: Option<Box<Message>>,
    pub presence: Option<PresenceStatus>,
    /// Time of last change, milliseconds.
    pub update: Option<u64>,
    /// Milliseconds.
    pub created: Option<u64>,
    /// The receiver's own settings for this contact.
    pub settings: Vec<Feature>,
    /// The peer's certificates.
    pub services: Vec<Service>,
    /// State of the relation (FRIEND-10).
    pub status: Option<ContactStatus>,
}

impl Default for Contact {
    fn default() -> Self {
        Self {
            phone_id: None,
            avatar: None,
            names: None,
            surnames: None,
            nick: None,
            reader: None,
            nread: Some(0),
            last_msg: None,
            presence: None,
            update: Some(0),
            created: Some(0),
            settings: Vec::new(),
            services: Vec::new(),
            status: None,
        }
    }
}

/// Last read message ids; the server sends `[own, peer's]` (D-20).
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum ContactReader {
    Both(Vec<u64>),
    Own(u64),
}

/// The last seven are of the old text and never sent (D-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum ContactStatus {
    Request,
    #[atom("authorization", "autorization")]
    Authorization,
    Ignore,
    Internal,
    Friend,
    LastMsg,
    Ban,
    Banned,
    Deleted,
    /// A phone-book entry that is not registered; the header's spelling (D-58).
    Nonexised,
    Muted,
    Unmuted,
    Unbanned,
    Revoke,
    Remove,
    Update,
}
