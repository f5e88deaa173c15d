//! `History`: request and answer about a feed (HISTORY-1 to HISTORY-14).
use bytes::Bytes;
use etf::{AtomEnum, Choice, Record};

use super::{HistoryFeed, Message, RoomStar, StickerPack};

#[derive(Debug, Clone, PartialEq, Record)]
pub struct History {
    /// Own phone_id.
    pub roster_id: Option<Bytes>,
    pub feed: Option<HistoryFeed>,
    /// Count; positive = older, negative = newer (D-6). In an answer: how many are still to come (D-7).
    pub size: Option<i64>,
    /// Position, a message id.
    pub entity_id: Option<u64>,
    pub data: Vec<HistoryItem>,
    pub status: Option<HistoryStatus>,
}

impl Default for History {
    fn default() -> Self {
        Self { roster_id: None, feed: None, size: Some(0), entity_id: Some(0), data: Vec::new(), status: None }
    }
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum HistoryItem {
    Message(Box<Message>),
    StickerPack(Box<StickerPack>),
    /// Of the computed feed of stars (HISTORY-12).
    RoomStar(Box<RoomStar>),
}

/// From `image` on: kinds of parts to list (HISTORY-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum HistoryStatus {
    Updated,
    Get,
    Update,
    LastLoaded,
    LastMsg,
    GetReply,
    DoubleGet,
    Delete,
    Image,
    Video,
    File,
    Link,
    Audio,
    Contact,
    Location,
    Text,
}
