//! Tags and stars, and the copies that stars keep.

use bytes::Bytes;
use etf::Record;
use kvs::Table;
use proto::ids::PhoneId;
use proto::records::Tag;

use super::numbered;

/// phone_id/name → `Tag` (FAV-1). Writer: roster.
pub const TAG: Table = Table("tag");
/// phone_id NUL star id → [`Favorite`] (FAV-4), and phone_id NUL message id → star id. Writer: roster.
pub const STAR: Table = Table("star");
pub const STAR_OF: Table = Table("star_of");
/// feed NUL message id, phone_id → `Message`: the copy that the roster's star keeps. Writer: conversation.
pub const STARRED: Table = Table("starred");
/// phone_id NUL number → [`Favorite`]: a copy was made or taken away, and its star has not followed yet. Writer: the conversation (keys
/// cannot meet); remover: roster.
pub const STAR_DUE: Table = Table("star_due");
/// feed NUL message id → empty: deleted for everyone, and some copies of it remain (FAV-6). Writer: conversation.
pub const UNSTAR: Table = Table("unstar");

/// What a roster says of a star; the message itself is in [`STARRED`], and without it there is no star.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Favorite {
    pub client_id: Option<Bytes>,
    /// Key of the feed that the message is of.
    pub feed: Bytes,
    pub message: u64,
    pub tags: Vec<Tag>,
}

/// The copies of a message, one for each roster that keeps it, begin with [`numbered`] of its feed and number.
pub fn starred_key(feed: &[u8], message: u64, holder: &PhoneId) -> Bytes {
    [&numbered(feed, message), holder.as_str().as_bytes()].concat().into()
}
