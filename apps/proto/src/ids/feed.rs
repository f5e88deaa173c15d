//! Feeds by name: TOPIC-7, and the key they are stored under.
use bytes::Bytes;

use super::{BadId, PhoneId, RoomId};
use crate::records::{Feed, Muc, P2p};

/// Which feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedId {
    /// A private feed, the smaller phone_id by bytes first: made by [`FeedId::p2p`].
    P2p(PhoneId, PhoneId),
    Room(RoomId),
}

impl FeedId {
    /// The private feed of two rosters, in any order; of one with itself: notes.
    pub fn p2p(one: PhoneId, other: PhoneId) -> Self {
        match one <= other {
            true => Self::P2p(one, other),
            false => Self::P2p(other, one),
        }
    }

    /// The one who is not `me` in a private feed; oneself in one's notes.
    pub fn peer(&self, me: &PhoneId) -> Option<&PhoneId> {
        match self {
            Self::P2p(one, other) if other == me => Some(one),
            Self::P2p(one, other) if one == me => Some(other),
            Self::P2p(..) | Self::Room(_) => None,
        }
    }

    /// Key in a store, `p/<a>/<b>` or `r/<room>`: `/` occurs in no id, so that keys cannot run into each other.
    pub fn key(&self) -> Bytes {
        match self {
            Self::P2p(one, other) => ["p/", one.as_str(), "/", other.as_str()].concat().into(),
            Self::Room(room) => ["r/", room.as_str()].concat().into(),
        }
    }

    /// The feed that [`FeedId::key`] names.
    pub fn from_key(key: &[u8]) -> Result<Self, BadId> {
        if let Some(room) = key.strip_prefix(b"r/") {
            return RoomId::parse(room).map(Self::Room);
        }
        let mut pair = key.strip_prefix(b"p/").ok_or(BadId::Form)?.splitn(2, |&byte| byte == b'/');
        let mut next = || pair.next().ok_or(BadId::Form).and_then(PhoneId::parse);
        Ok(Self::p2p(next()?, next()?))
    }
}

impl From<&FeedId> for Feed {
    fn from(feed: &FeedId) -> Self {
        match feed {
            FeedId::P2p(one, other) => Self::P2p(P2p { from: Some(one.to_bytes()), to: Some(other.to_bytes()) }),
            FeedId::Room(room) => Self::Muc(Muc { name: Some(room.to_bytes()) }),
        }
    }
}

impl TryFrom<&Feed> for FeedId {
    type Error = BadId;

    /// Fails when a name is absent or none.
    fn try_from(feed: &Feed) -> Result<Self, BadId> {
        match feed {
            Feed::P2p(P2p { from: Some(from), to: Some(to) }) => {
                Ok(Self::p2p(PhoneId::parse(from)?, PhoneId::parse(to)?))
            }
            Feed::Muc(Muc { name: Some(name) }) => RoomId::parse(name).map(Self::Room),
            Feed::P2p(_) | Feed::Muc(_) => Err(BadId::Form),
        }
    }
}
