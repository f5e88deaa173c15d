//! Keys of feeds: `p2p`, `muc`, `act`.
use bytes::Bytes;
use etf::{Choice, Decode, Encode, Error, Fits, Reader, Record, Term};

use super::{Group, StickerPack};

/// Key of a private feed; both equal = notes to self.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("p2p")]
pub struct P2p {
    pub from: Option<Bytes>,
    pub to: Option<Bytes>,
}

/// Key of a room feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("muc")]
pub struct Muc {
    /// Room id.
    pub name: Option<Bytes>,
}

/// Key of a computed feed.
#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record("act")]
pub struct Act {
    pub name: Option<Bytes>,
    pub data: Term,
}

/// Where a message belongs. The old `{group,N}` is read as `{muc,N}` (C-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    P2p(P2p),
    Muc(Muc),
}

impl Decode for Feed {
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        if P2p::fits(r) {
            P2p::decode(r).map(Self::P2p)
        } else if Group::fits(r) {
            Group::decode(r).map(|group| Self::Muc(Muc { name: group.name }))
        } else {
            Muc::decode(r).map(Self::Muc)
        }
    }
}

impl Encode for Feed {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::P2p(key) => key.encode(out),
            Self::Muc(key) => key.encode(out),
        }
    }
}

impl Fits for Feed {
    fn fits(r: &Reader<'_>) -> bool {
        P2p::fits(r) || Muc::fits(r) || Group::fits(r)
    }
}

/// What a history is asked of.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum HistoryFeed {
    Feed(Feed),
    Act(Act),
    StickerPack(Box<StickerPack>),
}

impl From<Feed> for HistoryFeed {
    fn from(feed: Feed) -> Self {
        Self::Feed(feed)
    }
}
