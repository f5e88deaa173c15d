//! What is due to devices: how far each has come, and the notices of an account.

use bytes::Bytes;
use etf::Record;
use kvs::{Table, View};
use n2o::Failure;
use proto::limits::QUEUE_MS;

use super::read;

/// client id NUL stream → [`mail::Cursor`](mail::cursor::Cursor). Writer: session. That of a feed that has ended goes when the device comes.
pub const CURSOR: Table = Table("cursor");
/// phone NUL seq → [`Kept`] notice. Writer: whoever causes it (keys cannot meet); remover: mail.
pub const NOTICE: Table = Table("notice");

/// The stream of an account's notices, where others are feeds.
pub const NOTICES: &[u8] = b"n";

/// A durable notice of an account (DLV-1).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Kept {
    pub topic: Bytes,
    pub payload: Bytes,
    /// Newer ones with the same key replace older unsent ones (DLV-9).
    pub merge: Option<Bytes>,
    /// Milliseconds: it is kept for so long (DLV-10).
    pub created: u64,
}

impl Kept {
    /// DLV-10: it has waited for too long to be shown to anybody.
    pub fn is_over(&self, now: u64) -> bool {
        now.saturating_sub(self.created) > QUEUE_MS
    }
}

pub fn cursor_key(client_id: &str, stream: &[u8]) -> Bytes {
    [client_id.as_bytes(), stream].join(&0).into()
}

/// How far a device with this birth number has acknowledged a stream: nowhere means from its birth on (AUTH-4). What an earlier life of it
/// has left counts for nothing (DLV-12).
///
/// # Errors
/// The store cannot be read.
pub fn cursor(store: &dyn View, client_id: &str, stream: &[u8], birth: u64) -> Result<mail::Cursor, Failure> {
    let kept: Option<mail::Cursor> = read(store, CURSOR, &cursor_key(client_id, stream))?;
    Ok(kept.filter(|kept| kept.upto >= birth).unwrap_or(mail::Cursor::at(birth)))
}
