//! A batch: changes that are applied together or not at all.

use bytes::Bytes;

use crate::{Error, Table};

/// Longest key, bytes; a key has at least one.
pub const KEY_MAX: usize = 1024;
/// Longest value, bytes.
pub const VALUE_MAX: usize = 16 << 20;
/// Most changes of one batch that are to be written, superseded ones aside. A longer one is refused whole.
pub const BATCH_MAX: usize = 1 << 16;

/// Changes in the order they were made. Of several to one key the last wins.
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
    /// A later change of the batch has the same key.
    pub(crate) is_superseded: bool,
}

impl Batch {
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.ops.push(Op { table, key: key.into(), value: Some(value.into()), is_superseded: false });
    }

    /// Deletes a row; one that is absent stays absent.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.ops.push(Op { table, key: key.into(), value: None, is_superseded: false });
    }

    /// Moves all changes of `other` behind those of this batch.
    pub fn append(&mut self, other: &mut Batch) {
        self.ops.append(&mut other.ops);
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

    /// The change at this place, counted from 0.
    pub fn get(&self, place: usize) -> Option<&Op> {
        self.ops.get(place)
    }

    /// Of two changes of one key, by their places, only the later one need be written. Other two stay as they are.
    pub fn supersede(&mut self, earlier: usize, later: usize) {
        let Some((before, rest)) = self.ops.split_at_mut_checked(later) else { return };
        if let (Some(earlier), Some(later)) = (before.get_mut(earlier), rest.first())
            && (earlier.table, &earlier.key) == (later.table, &later.key)
        {
            earlier.is_superseded = true;
        }
    }

    /// All but those that were superseded.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter(|op| !op.is_superseded)
    }

    /// Refuses what exceeds the bounds, before anything is changed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let count = self.latest().count();
        if count > BATCH_MAX {
            return Err(Error::BatchSize(count));
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
