//! The ledger: what became of the latest pushes, for the operator.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chat::rows;
use etf::{AtomEnum, Record};
use kvs::{Batch, Span, Store, Table};

use crate::failure::Failure;

/// when it ended, number → [`Entry`]. Writer: the courier.
pub(crate) const LEDGER: Table = Table("ledger");
pub(crate) const TABLES: &[Table] = &[LEDGER];

/// Entries that are kept, and for how long; the oldest go.
pub(crate) const ENTRIES_MAX: usize = 10_000;
const AGE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Entries that go in one batch.
const TRIMMED: usize = 256;

/// A push that has ended.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) client_id: Bytes,
    pub(crate) gateway: Bytes,
    pub(crate) outcome: Outcome,
    /// The gateway's words.
    pub(crate) why: Option<Bytes>,
    pub(crate) tries: u64,
    /// Milliseconds.
    pub(crate) created: u64,
    pub(crate) ended: u64,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub(crate) enum Outcome {
    #[default]
    Accepted,
    Refused,
    /// PUSH-7: the token is dead and was removed.
    Removed,
    /// Nobody wanted it any more.
    Expired,
    /// A later one of the same feed has taken its place.
    Merged,
}

impl Outcome {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Removed => "token removed",
            Outcome::Expired => "expired",
            Outcome::Merged => "merged",
        }
    }
}

pub(crate) struct Ledger {
    count: AtomicUsize,
    /// The entry that went last: those before it are gone, and are not looked through again.
    gone: Mutex<Bytes>,
}

impl Ledger {
    pub(crate) fn open(store: &dyn Store) -> Result<Ledger, Failure> {
        let found = store.scan(LEDGER, &Span::prefix("").limit(2 * ENTRIES_MAX)).map_err(super::failed)?;
        Ok(Ledger { count: AtomicUsize::new(found.len()), gone: Mutex::default() })
    }

    /// Adds an entry, in the batch that ends the push.
    pub(crate) fn add(&self, batch: &mut Batch, entry: &Entry) {
        let key = [entry.ended.to_be_bytes(), entry.number.to_be_bytes()].concat();
        batch.put(LEDGER, key, rows::encode(entry));
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether so many are beyond the bound that it is worth while.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= ENTRIES_MAX + TRIMMED
    }

    /// Takes away what is too old, or too much, also what a clock that was set back has put before what is gone.
    pub(crate) fn trim_all(&self, store: &dyn Store, now: u64) -> Result<(), Failure> {
        self.gone().clear();
        self.trim(store, now)
    }

    /// Takes away what is too old, or too much.
    pub(crate) fn trim(&self, store: &dyn Store, now: u64) -> Result<(), Failure> {
        loop {
            let from = rows::beyond(b"", &self.gone()).limit(TRIMMED);
            let oldest = store.scan(LEDGER, &from).map_err(super::failed)?;
            let beyond = self.count.load(Ordering::Relaxed).saturating_sub(ENTRIES_MAX);
            let is_old = |key: &Bytes| ended(key).saturating_add(AGE_MS) < now;
            let (mut batch, mut last) = (Batch::default(), None);
            for (at, (key, _)) in oldest.iter().enumerate() {
                if at < beyond || is_old(key) {
                    batch.delete(LEDGER, key.clone());
                    last = Some(key);
                }
            }
            if let Some(last) = last {
                store.apply(&batch).map_err(super::failed)?;
                self.count.fetch_sub(batch.len(), Ordering::Relaxed);
                *self.gone() = Bytes::copy_from_slice(last);
            }
            if batch.len() < TRIMMED {
                return Ok(());
            }
        }
    }

    fn gone(&self) -> MutexGuard<'_, Bytes> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest entries, the latest last.
    pub(crate) fn latest(&self, store: &dyn Store, count: usize) -> Result<Vec<Entry>, Failure> {
        let found = store.scan(LEDGER, &Span::prefix("").backward().limit(count)).map_err(super::failed)?;
        let entries = found.iter().rev().map(|(_, row)| rows::decode(row));
        entries.collect::<Result<_, _>>().map_err(Failure::Start)
    }
}

fn ended(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
