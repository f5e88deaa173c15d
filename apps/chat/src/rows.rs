//! What is kept: the tables, their keys, and the rows that are not wire records themselves.
//!
//! An account is kept under the key it was made with, whatever its number is now (`names.rs`); "phone" and "phone_id" below are of that
//! key. Every row has one writer, named beside its table (but a [`CARD`], which says again what other rows say). Rows are ETF, readable by
//! Erlang's `binary_to_term`; keys are order-preserving bytes: text parts separated by `/` (which no part contains) or NUL, numbers as eight
//! bytes, big end first.

mod key;
// People, and what they are to each other.
mod auth;
mod account;
mod roster;
// What they write, and how it reaches them.
mod feed;
mod room;
mod due;
mod push;
mod mailbox;
// What they keep.
mod favorite;
mod file;
mod sticker;
// What is still to be done.
mod work;

use bytes::Bytes;
use etf::{Decode, Encode};
use kvs::{Table, View};
use n2o::Failure;

pub use account::*;
pub use auth::*;
pub use due::*;
pub use favorite::*;
pub use feed::*;
pub use file::*;
pub use key::*;
pub use mailbox::*;
pub use push::*;
pub use room::*;
pub use roster::*;
pub use sticker::*;
pub use work::*;

/// Every table that the chat uses.
pub const TABLES: &[Table] = &[
    PROFILE,
    NUMBER,
    CALLED,
    ALIAS,
    WAKEABLE,
    WAKE,
    ROUND,
    ASKED,
    OUTGOING,
    DEVICE,
    KEYS,
    CARD,
    PUBLISHER,
    BINDING,
    LAPSED,
    ENDED,
    PENDING,
    TRIES,
    INVITE,
    STANDING,
    PROOF,
    EMAIL,
    PERSON,
    ROSTER,
    NICK,
    NICK_OF,
    BOOK,
    GONE,
    WANTED,
    RELATION,
    TALLY,
    MESSAGE,
    CHANGE,
    CHANGED,
    DUPLICATE,
    READER,
    HIDDEN,
    ROOM,
    MEMBER,
    MEMBER_AT,
    IN_ROOM,
    BANNED,
    NEWS,
    READ_BY,
    MENTION,
    REPLY,
    KIND,
    FLEETING,
    LATER,
    AGENDA,
    TAG,
    STAR,
    STAR_OF,
    STARRED,
    STAR_DUE,
    UNSTAR,
    LOOKUPS,
    LINK,
    ROOM_NAME,
    STICKERS,
    STICKER_WORD,
    DOWNLOADED,
    CURSOR,
    NOTICE,
    TRANSFER,
    STORED,
    STORED_OF,
    REFERS,
    UNUSED,
    HOLDER,
    WORK,
    MAILBOX,
    LETTER,
    KEY,
    KEYED,
    CIRCLE,
    CIRCLE_DUE,
];

/// Those of them whose rows are read once or twice and deleted soon.
pub const BRIEF: &[Table] = &[WAKE, ASKED, OUTGOING];

/// Gives every row below `prefix` to `act`, in order.
pub fn each(
    store: &dyn View,
    table: Table,
    prefix: &[u8],
    mut act: impl FnMut(&Bytes, &Bytes) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut last = Bytes::new();
    loop {
        let rows = store.scan(table, &beyond(prefix, &last))?;
        for (key, row) in &rows {
            act(key, row)?;
        }
        match rows.last() {
            Some((key, _)) if rows.len() == kvs::SCAN_DEFAULT => last = key.slice(prefix.len()..),
            Some(_) | None => return Ok(()),
        }
    }
}

/// Reads one row. A row that does not decode is a failure of ours: the store is damaged.
pub fn read<T: Decode>(store: &dyn View, table: Table, key: &[u8]) -> Result<Option<T>, Failure> {
    match store.get(table, key)? {
        None => Ok(None),
        Some(row) => decode(&row).map(Some),
    }
}

pub fn decode<T: Decode>(row: &[u8]) -> Result<T, Failure> {
    etf::decode_own(row).map_err(|why| Failure::new(format!("a stored row does not decode: {why}")))
}

pub fn encode<T: Encode>(row: &T) -> Bytes {
    etf::encode(row)
}

#[cfg(test)]
mod tests {
    use kvs::{Batch, Memory, Store};

    use super::*;

    #[test]
    fn each_row_is_found_whatever_bytes_its_key_has() {
        let store = Memory::new(&[PROFILE]);
        let mut batch = Batch::default();
        let keys: Vec<Bytes> = (0..=u8::MAX).map(|byte| Bytes::copy_from_slice(&[byte; 3])).collect();
        keys.iter().for_each(|key| batch.put(PROFILE, key.clone(), ""));
        store.apply(&batch).unwrap();
        let found = |prefix: &[u8]| {
            let mut found = Vec::new();
            let read = each(&*store.snapshot(), PROFILE, prefix, |key, _| {
                found.push(key.clone());
                Ok(())
            });
            read.unwrap();
            found
        };
        assert_eq!(found(b""), keys);
        assert!(keys.iter().all(|key| found(&key[..2]) == [key.clone()]));
    }
}
