//! What the server needs of a store. `Disk` and `Memory` pass one contract test.

use bytes::Bytes;

use crate::{Batch, Error, Span};

/// Longest table name, bytes.
pub const TABLE_MAX: usize = 32;

/// A table, by name: 1 to [`TABLE_MAX`] of `a` to `z` and `_`. All tables of a store are named when it is opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Table(pub &'static str);

impl Table {
    pub(crate) fn check(self) -> Result<(), Error> {
        let named = (1..=TABLE_MAX).contains(&self.0.len());
        if !named || !self.0.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(Error::TableName(self.0));
        }
        Ok(())
    }
}

/// A row: key and value.
pub type Entry = (Bytes, Bytes);

/// A point in the order in which batches were applied since the store was opened. Not kept: it means nothing after
/// a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticket(pub u64);

/// Tables with one writer per row, many readers, and durability apart from visibility.
pub trait Store: Send + Sync + 'static {
    /// The value of `key`, as the last applied batch left it. A read never sees half a batch.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The entries of `span`, in the order and up to the limit it states.
    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error>;

    /// Applies all of `batch` or, when it fails, none of it. Readers see it on return; it is durable once a flush reached
    /// the ticket returned. Tickets rise in the order of application. After a failure of the disk the store
    /// refuses all further batches, since what was kept is not known until it is opened again.
    fn apply(&self, batch: &Batch) -> Result<Ticket, Error>;

    /// Makes everything applied before this call durable and returns a ticket that covers it. Blocks for the disk.
    /// A failure is final: the operating system may have dropped what it could not write.
    fn flush(&self) -> Result<Ticket, Error>;

    /// Fails once the store refuses all further batches, whatever has failed: also what it does by itself in the background.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// A ticket that covers every batch a reader can have seen by now.
    fn applied(&self) -> Ticket;

    /// The tables as they are now, whatever is applied later. Keep it short: it holds old rows in the store.
    fn snapshot(&self) -> Box<dyn View>;
}

/// One moment of a store.
pub trait View: Send + Sync {
    /// As [`Store::get`], at that moment.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The same of a row that is most likely not read again soon: nothing that is makes room for it.
    fn glance(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get(table, key)
    }

    /// As [`Store::scan`], at that moment.
    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error>;

    /// The keys alone of [`View::scan`], copied: of the values, which may be large, not more than one is in memory at a time. They are
    /// read all the same.
    fn keys(&self, table: Table, span: &Span) -> Result<Vec<Bytes>, Error> {
        Ok(self.scan(table, span)?.into_iter().map(|(key, _)| Bytes::copy_from_slice(&key)).collect())
    }
}

/// A view whose rows are only glanced at.
pub struct Glance<'a>(pub &'a dyn View);

impl View for Glance<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.glance(table, key)
    }

    fn glance(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.glance(table, key)
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        self.0.scan(table, span)
    }

    fn keys(&self, table: Table, span: &Span) -> Result<Vec<Bytes>, Error> {
        self.0.keys(table, span)
    }
}
