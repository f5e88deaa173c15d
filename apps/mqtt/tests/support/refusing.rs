//! A store that refuses one batch of the broker's when told to, as a full disk would; then it takes everything again.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kvs::{Batch, Entry, Error, Memory, Span, Store, Table, Ticket, View};

pub(crate) struct Refusing {
    rows: Memory,
    refuses: AtomicBool,
}

impl Refusing {
    pub(crate) fn new(rows: Memory) -> Refusing {
        Refusing { rows, refuses: AtomicBool::new(false) }
    }

    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::Release);
    }
}

impl Store for Refusing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.rows.get(table, key)
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        self.rows.scan(table, span)
    }

    fn apply(&self, batch: &Batch) -> Result<Ticket, Error> {
        let is_brokers = batch.ops().any(|op| op.table.0.starts_with("free_"));
        match is_brokers && self.refuses.swap(false, Ordering::AcqRel) {
            true => Err(Error::Stopped),
            false => self.rows.apply(batch),
        }
    }

    fn flush(&self) -> Result<Ticket, Error> {
        self.rows.flush()
    }

    fn applied(&self) -> Ticket {
        self.rows.applied()
    }

    fn snapshot(&self) -> Box<dyn View> {
        self.rows.snapshot()
    }
}
