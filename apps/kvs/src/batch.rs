//! A batch: changes that are applied together or not at all.

use bytes::Bytes;

use crate::{Error, Table};

/// Longest key, bytes; a key has at least one.
pub const KEY_MAX: usize = 1024;
/// Longest value, bytes.
pub const VALUE_MAX: usize = 16 << 20;
/// Most changes in one batch. A longer one is refused whole.
pub const BATCH_MAX: usize = 1 << 16;

/// Changes in the order they were made. Of several to one key the last wins.
///
/// Keys and values are held as given until the store has written them to a table file: a slice of a larger buffer keeps
/// all of that buffer in memory, so copy it first.
#[derive(Default, Debug, Clone)]
pub struct Batch {
    ops: Vec<Op>,
}

/// One change: `value` is what `key` has from now on, `None` deletes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    pub table: Table,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl Batch {
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.ops.push(Op { table, key: key.into(), value: Some(value.into()) });
    }

    /// Deletes a row; one that is absent stays absent.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.ops.push(Op { table, key: key.into(), value: None });
    }

    /// Moves all changes of `other` behind those of this batch.
    pub fn append(&mut self, other: &mut Batch) {
        self.ops.append(&mut other.ops);
    }

    /// Undoes what was added since the batch had `len` changes.
    pub fn truncate(&mut self, len: usize) {
        self.ops.truncate(len);
    }

    pub fn clear(&mut self) {
        self.ops.clear();
    }

    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub fn ops(&self) -> impl ExactSizeIterator<Item = &Op> + DoubleEndedIterator {
        self.ops.iter()
    }

    /// Refuses what exceeds the bounds, before anything is changed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.ops.len() > BATCH_MAX {
            return Err(Error::BatchSize(self.ops.len()));
        }
        self.ops.iter().try_for_each(Op::check)
    }
}

impl Op {
    fn check(&self) -> Result<(), Error> {
        if !(1..=KEY_MAX).contains(&self.key.len()) {
            return Err(Error::KeySize(self.key.len()));
        }
        match &self.value {
            Some(value) if value.len() > VALUE_MAX => Err(Error::ValueSize(value.len())),
            Some(_) | None => Ok(()),
        }
    }
}
