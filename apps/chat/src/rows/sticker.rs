//! Packs of stickers.

use kvs::Table;

/// id → `StickerPack`; kind, folded text NUL id → empty: its name, its keywords; id → how often it was asked for. Writer: stickers.
pub const STICKERS: Table = Table("stickers");
pub const STICKER_WORD: Table = Table("sticker_word");
pub const DOWNLOADED: Table = Table("downloaded");
