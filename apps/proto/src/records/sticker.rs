//! `StickerPack` (STICKER-1, 2).
use bytes::Bytes;
use etf::Record;

use super::Desc;

#[derive(Debug, Clone, PartialEq, Record)]
pub struct StickerPack {
    pub id: Option<u64>,
    pub name: Option<Bytes>,
    pub keywords: Vec<Bytes>,
    pub description: Option<Bytes>,
    pub author: Option<Bytes>,
    /// Parts of mime `sticker`.
    pub stickers: Vec<Desc>,
    pub created: Option<u64>,
    pub updated: Option<u64>,
    pub downloaded: Option<u64>,
}

impl Default for StickerPack {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            keywords: Vec::new(),
            description: None,
            author: None,
            stickers: Vec::new(),
            created: Some(0),
            updated: Some(0),
            downloaded: Some(0),
        }
    }
}
