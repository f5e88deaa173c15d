//! Favourites: `Tag`, `Star`, `RoomStar` (FAV).
use bytes::Bytes;
use etf::{AtomEnum, Choice, Decode, Error, Reader, Record};

use super::{Contact, Message, Room};

/// A label in a roster; key is (roster_id, name).
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record(also(6 = "Tag::from_v1"))]
pub struct Tag {
    pub roster_id: Option<Bytes>,
    pub name: Option<Bytes>,
    pub color: Option<Bytes>,
    pub status: Option<TagStatus>,
}

impl Tag {
    /// Arity 6: the leading id is dropped (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.skip()?;
        Ok(Self {
            roster_id: Decode::decode(r)?,
            name: Decode::decode(r)?,
            color: Decode::decode(r)?,
            status: Decode::decode(r)?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum TagStatus {
    Create,
    Remove,
    Edit,
}

/// A favourite message.
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record(also(5 = "Star::from_v1"))]
pub struct Star {
    /// Server id (C-11).
    pub id: Option<u64>,
    /// The client's own reference.
    pub client_id: Option<Bytes>,
    pub roster_id: Option<u64>,
    pub message: Option<Box<Message>>,
    pub tags: Vec<Tag>,
    pub status: Option<StarStatus>,
}

impl Star {
    /// Arity 5: id and client_id are absent, integer tags are dropped (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        let roster_id = Decode::decode(r)?;
        let message = Decode::decode(r)?;
        let tags: Vec<OldTag> = Decode::decode(r)?;
        Ok(Self {
            id: None,
            client_id: None,
            roster_id,
            message,
            tags: tags.into_iter().filter_map(OldTag::into_tag).collect(),
            status: Decode::decode(r)?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Choice)]
enum OldTag {
    Tag(Tag),
    Number(i64),
}

impl OldTag {
    fn into_tag(self) -> Option<Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Number(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum StarStatus {
    Add,
    Remove,
}

/// A Star with where it came from.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct RoomStar {
    pub star: Option<Box<Star>>,
    pub from: Option<StarFrom>,
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum StarFrom {
    Contact(Box<Contact>),
    Room(Box<Room>),
}
