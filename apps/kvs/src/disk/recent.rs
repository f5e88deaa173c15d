//! Rows that were read lately, in front of the table files.
//!
//! To find a row in the files costs some microseconds even when its block is in memory: a filter and an index in every file that may have
//! it. Here it costs a lookup. What a server reads again and again, such as what people who are often shown are called, is found here.
//!
//! A row that is here is what every snapshot sees that is not older than the one which read it. Whoever writes takes the rows out first, and
//! until all of the batch can be seen none comes in beside them; after that none that was read before it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use bytes::Bytes;

use crate::{Op, Table};

/// Bytes of rows that are kept at most. When half of that is new, what has not been read since the half before is forgotten.
const BYTES: usize = 64 << 20;
/// What a row takes beside its key and value, about.
const OVERHEAD: usize = 128;
/// A larger row is not kept: to read it costs more than to find it.
const ROW_MAX: usize = 16 << 10;
/// Parts, each with a lock of its own.
const SHARDS: usize = 256;

/// A number of the store's own order of batches.
pub(super) type Seqno = u64;

pub(super) struct Recent {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    /// By the hash of table and key: of two rows that share one, the later is kept.
    new: Rows,
    old: Rows,
    /// Of the new ones.
    bytes: usize,
    /// Batches with rows of this part that are being written.
    writing: usize,
    /// From this snapshot on, all that were written are seen.
    written: Seqno,
}

type Rows = HashMap<u64, Row, BuildHasherDefault<Hashed>>;

/// Keys are hashes already.
#[derive(Default)]
struct Hashed(u64);

/// Key and value lie together: most rows that are found are in no cache of the processor, and each place where a part of them lies is
/// waited for.
struct Row {
    table: Table,
    key_and_value: Box<[u8]>,
    key: usize,
    /// The snapshot that read it.
    since: Seqno,
}

/// A batch is being written; dropped when all of it can be seen.
pub(super) struct Writing<'a, F: Fn() -> Seqno> {
    recent: &'a Recent,
    hashes: Vec<u64>,
    seen: F,
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// The row as the snapshot `at` sees it, or as `read` has it from the files.
    pub(super) fn get<E>(
        &self,
        at: Seqno,
        table: Table,
        key: &[u8],
        read: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Bytes>, E> {
        let hash = self.hash(table, key);
        if let Some(value) = self.shard(hash).get(hash, at, table, key) {
            return Ok(Some(value));
        }
        let found = read()?;
        if let Some(value) = found.as_ref().filter(|value| value.len() <= ROW_MAX) {
            self.shard(hash).insert(hash, at, table, key, value);
        }
        Ok(found)
    }

    /// The row, if it is here, as the snapshot `at` sees it.
    pub(super) fn find(&self, at: Seqno, table: Table, key: &[u8]) -> Option<Bytes> {
        let hash = self.hash(table, key);
        self.shard(hash).get(hash, at, table, key)
    }

    /// To be held while the batch with `ops` is written; `seen` is the snapshot that would be taken now.
    pub(super) fn writing<'a, F: Fn() -> Seqno>(&self, ops: impl Iterator<Item = &'a Op>, seen: F) -> Writing<'_, F> {
        let hashes: Vec<u64> = ops.map(|op| self.hash(op.table, &op.key)).collect();
        for hash in &hashes {
            let mut shard = self.shard(*hash);
            shard.remove(*hash);
            shard.writing += 1;
        }
        Writing { recent: self, hashes, seen }
    }

    fn hash(&self, table: Table, key: &[u8]) -> u64 {
        self.hasher.hash_one((table, key))
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is less than what divides")]
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Bits that a shard's own table does not choose its places by: neither the lowest nor the highest.
        self.shards[(hash >> 40) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Fn() -> Seqno> Drop for Writing<'_, F> {
    fn drop(&mut self) {
        let seen = (self.seen)();
        for hash in &self.hashes {
            let mut shard = self.recent.shard(*hash);
            shard.writing -= 1;
            shard.written = shard.written.max(seen);
        }
    }
}

impl Shard {
    fn get(&mut self, hash: u64, at: Seqno, table: Table, key: &[u8]) -> Option<Bytes> {
        if let Some(row) = self.new.get(&hash) {
            return row.value(at, table, key);
        }
        let row = self.old.remove(&hash)?;
        let value = row.value(at, table, key);
        self.put(hash, row);
        value
    }

    /// What the snapshot `at` has read, unless something was written here since.
    fn insert(&mut self, hash: u64, at: Seqno, table: Table, key: &[u8], value: &[u8]) {
        if self.writing == 0 && self.written <= at {
            // A copy: what comes from a file is a part of a block that it would keep in memory.
            self.put(hash, Row { table, key_and_value: [key, value].concat().into(), key: key.len(), since: at });
        }
    }

    fn put(&mut self, hash: u64, row: Row) {
        self.bytes += row.bytes();
        let before = self.new.insert(hash, row);
        self.bytes -= before.as_ref().map_or(0, Row::bytes);
        if self.bytes > BYTES / SHARDS / 2 {
            self.old = std::mem::take(&mut self.new);
            self.bytes = 0;
        }
    }

    fn remove(&mut self, hash: u64) {
        self.old.remove(&hash);
        self.bytes -= self.new.remove(&hash).as_ref().map_or(0, Row::bytes);
    }
}

impl Row {
    /// The value, if it is the row of this key as the snapshot `at` sees it. A copy: rows are small, and to count who shares one is to write
    /// to it.
    fn value(&self, at: Seqno, table: Table, key: &[u8]) -> Option<Bytes> {
        let (own, value) = self.key_and_value.split_at_checked(self.key)?;
        (self.since <= at && self.table == table && own == key).then(|| Bytes::copy_from_slice(value))
    }

    fn bytes(&self) -> usize {
        self.key_and_value.len() + OVERHEAD
    }
}

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::Batch;

    const TABLE: Table = Table("rows");

    fn get(recent: &Recent, at: Seqno, there: &'static str) -> Bytes {
        let read = || Ok::<_, Infallible>(Some(Bytes::from(there)));
        recent.get(at, TABLE, b"key", read).unwrap_or_default().unwrap_or_default()
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        batch.put(TABLE, "key", "new");
        batch
    }

    #[test]
    fn a_row_is_found_again_by_snapshots_that_are_not_older() {
        let recent = Recent::new();
        assert_eq!(get(&recent, 5, "there"), "there");
        assert_eq!(get(&recent, 5, "other"), "there");
        assert_eq!(get(&recent, 6, "other"), "there");
        assert_eq!(get(&recent, 4, "older"), "older");
    }

    #[test]
    fn what_is_glanced_at_is_found_and_brings_nothing_in() {
        let recent = Recent::new();
        assert_eq!(recent.find(5, TABLE, b"key"), None);
        assert_eq!(get(&recent, 5, "there"), "there");
        assert_eq!(recent.find(5, TABLE, b"key").as_deref(), Some(&b"there"[..]));
        assert_eq!(recent.find(4, TABLE, b"key"), None);
        drop(recent.writing(batch().ops(), || 7));
        assert_eq!(recent.find(8, TABLE, b"key"), None);
    }

    #[test]
    fn what_is_written_is_read_anew_and_what_was_read_before_does_not_come_back() {
        let recent = Recent::new();
        assert_eq!(get(&recent, 5, "before"), "before");
        let writing = recent.writing(batch().ops(), || 7);
        assert_eq!(get(&recent, 5, "meanwhile"), "meanwhile");
        assert_eq!(get(&recent, 5, "still"), "still", "while it is written nothing is kept");
        drop(writing);
        assert_eq!(get(&recent, 6, "too early"), "too early");
        assert_eq!(get(&recent, 7, "after"), "after", "what an older snapshot has read was not kept");
        assert_eq!(get(&recent, 8, "other"), "after");
    }

    #[test]
    fn memory_is_bounded_and_what_is_read_again_stays() {
        let recent = Recent::new();
        let value = Bytes::from(vec![0; 4 << 10]);
        let rows = 2 * BYTES / value.len();
        let mut again = 0;
        for row in 0..rows {
            let read = || Ok::<_, Infallible>(Some(value.clone()));
            recent.get(1, TABLE, &row.to_be_bytes(), read).unwrap();
            recent
                .get(1, TABLE, b"often", || {
                    Ok::<_, Infallible>(Some(Bytes::from_static(b"read")).inspect(|_| again += 1))
                })
                .unwrap();
        }
        let kept: usize = (0..SHARDS as u64)
            .map(|shard| recent.shard(shard << 40))
            .map(|shard| shard.bytes + shard.old.values().map(Row::bytes).sum::<usize>())
            .sum();
        assert!(kept <= BYTES, "{kept}");
        assert_eq!(again, 1);
    }
}
