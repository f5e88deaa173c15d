//! Ids that are never given twice, at no write each.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use crate::{Batch, Error, Store, Table};

/// The largest id: it is exact in every client, also one that counts in doubles.
pub const ID_MAX: u64 = (1 << 53) - 1;
/// Ids reserved by one write of the row.
const BLOCK: u64 = 1 << 16;
/// Nanoseconds reserved by one write of the row.
const BLOCK_NS: u64 = 10_000_000_000;
/// The largest number that is a time: it is exact in 63 bits.
const TIME_MAX: u64 = i64::MAX as u64;

/// A counter over the whole server. Ids rise, also over a restart, and may have gaps there.
///
/// The row holds the highest id reserved; it is applied before an id of that block is given. So when a batch that
/// uses an id is durable, its reservation is, and ids that were never durable may be given again.
pub struct Sequence {
    store: Arc<dyn Store>,
    table: Table,
    key: Bytes,
    last: AtomicU64,
    reserved: AtomicU64,
    block: u64,
    max: u64,
    reserving: Mutex<()>,
}

impl Sequence {
    /// Goes on behind the reservation found in the row, or begins at 1. One `Sequence` a row at a time.
    pub fn open(store: Arc<dyn Store>, table: Table, key: &[u8]) -> Result<Sequence, Error> {
        Sequence::open_in_blocks(store, table, key, BLOCK)
    }

    /// The same for ids that people see and few are drawn of: `block` ids are lost by a restart at most, and each block costs a write.
    pub fn open_in_blocks(store: Arc<dyn Store>, table: Table, key: &[u8], block: u64) -> Result<Sequence, Error> {
        Sequence::begin(store, table, key, block, ID_MAX)
    }

    /// Numbers that are nanoseconds since 1970, as far as the clock allows: [`Sequence::from`] gives them. Whatever the clock does,
    /// they rise; after a restart they may run ahead of it by ten seconds.
    pub fn open_in_time(store: Arc<dyn Store>, table: Table, key: &[u8]) -> Result<Sequence, Error> {
        Sequence::begin(store, table, key, BLOCK_NS, TIME_MAX)
    }

    fn begin(store: Arc<dyn Store>, table: Table, key: &[u8], block: u64, max: u64) -> Result<Sequence, Error> {
        let reserved = match store.get(table, key)? {
            Some(row) => decode(&row)?,
            None => 0,
        };
        Ok(Sequence {
            store,
            table,
            key: Bytes::copy_from_slice(key),
            last: AtomicU64::new(reserved),
            reserved: AtomicU64::new(reserved),
            block: block.max(1),
            max,
            reserving: Mutex::new(()),
        })
    }

    /// The next id, at most [`ID_MAX`]. Writes once a block.
    pub fn next(&self) -> Result<u64, Error> {
        self.from(0)
    }

    /// The last id given. Whoever reads the store after this call sees all that was applied before that id was drawn.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The next id, which is `floor` or more.
    pub fn from(&self, floor: u64) -> Result<u64, Error> {
        let next = |last: u64| last.saturating_add(1).max(floor);
        let taken = self.last.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |last| Some(next(last)));
        let (Ok(last) | Err(last)) = taken;
        let id = next(last);
        if id > self.reserved.load(Ordering::Acquire) {
            self.reserve(id)?;
        }
        Ok(id)
    }

    fn reserve(&self, id: u64) -> Result<(), Error> {
        let _alone = self.reserving.lock().unwrap_or_else(PoisonError::into_inner);
        if id <= self.reserved.load(Ordering::Acquire) {
            return Ok(());
        }
        if id > self.max {
            return Err(Error::Exhausted);
        }
        let reserved = id.saturating_add(self.block - 1).min(self.max);
        let mut batch = Batch::default();
        batch.put(self.table, self.key.clone(), reserved.to_be_bytes().to_vec());
        self.store.apply(&batch)?;
        self.reserved.store(reserved, Ordering::Release);
        Ok(())
    }
}

fn decode(row: &[u8]) -> Result<u64, Error> {
    match row.try_into() {
        Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
        Err(_) => Err(Error::Corrupted(format!("a sequence of {} bytes", row.len()))),
    }
}
