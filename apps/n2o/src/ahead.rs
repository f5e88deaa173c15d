//! Writes of steps that are not in the store yet. Whoever reads through here sees them: a row as it was written last, a range after
//! they were applied.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use kvs::{Batch, Error, Op, Span, Store, Table, View};

use crate::Failure;

/// Changes that wait at most before they are applied, so that a batch stays within the store's bound.
const AHEAD_MAX: usize = 4096;

/// The store of a node, with what its steps have written since the last commit.
pub(crate) struct Ahead {
    store: Arc<dyn Store>,
    // A mutex only because a `View` is `Sync`: nobody else ever holds it.
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    batch: Batch,
    /// Place of the last change of each key: what a reader sees, and all that the store writes.
    latest: HashTable<usize>,
    hasher: RandomState,
    /// Tables with changes.
    tables: Vec<Table>,
    parts: Vec<Part>,
    lost: Vec<Lost>,
    applied: bool,
    /// The store as the step under way has found it: one step sees one moment, and opens it once.
    moment: Option<Box<dyn View>>,
}

/// Which step wrote which part of the batch.
struct Part {
    step: usize,
    slot: u32,
    end: usize,
}

/// A step whose writes the store refused; whatever its process did since is void.
pub(crate) struct Lost {
    pub(crate) step: usize,
    pub(crate) slot: u32,
    pub(crate) failure: Failure,
}

impl Ahead {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, pending: Mutex::default() }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Takes over what a step wrote.
    pub(crate) fn write(&mut self, step: usize, slot: u32, writes: &mut Batch) {
        if self.pending().batch.len() + writes.len() > AHEAD_MAX {
            self.apply();
        }
        let pending = self.pending.get_mut().unwrap_or_else(PoisonError::into_inner);
        if pending.lost.iter().any(|lost| lost.slot == slot) {
            return writes.clear();
        }
        pending.append(writes);
        pending.parts.push(Part { step, slot, end: pending.batch.len() });
    }

    /// Applies everything. Steps that could not be are found by [`Self::lost`].
    pub(crate) fn apply(&self) {
        let mut pending = self.pending();
        if !pending.batch.is_empty() {
            pending.apply(&*self.store);
        }
    }

    /// A step has ended: the next one sees what is there then.
    pub(crate) fn look_up(&mut self) {
        self.pending.get_mut().unwrap_or_else(PoisonError::into_inner).moment = None;
    }

    /// Steps that were lost since the last call, in order, the first of each process.
    pub(crate) fn lost(&mut self) -> Vec<Lost> {
        let pending = self.pending.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut pending.lost)
    }

    /// Whether anything was applied since the last call.
    pub(crate) fn has_applied(&mut self) -> bool {
        let pending = self.pending.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut pending.applied)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn append(&mut self, writes: &mut Batch) {
        let begin = self.batch.len();
        self.batch.append(writes);
        let Self { batch, latest, hasher, tables, .. } = self;
        for place in begin..batch.len() {
            let Some(Op { table, key, .. }) = batch.get(place) else { continue };
            if !tables.contains(table) {
                tables.push(*table);
            }
            let hash = |op: &Op| hasher.hash_one((op.table, &op.key[..]));
            let is_same = |other: &usize| batch.get(*other).is_some_and(|op| op.table == *table && op.key == *key);
            let hash_at = |place: &usize| batch.get(*place).map(hash).unwrap_or_default();
            match latest.entry(hash_at(&place), is_same, hash_at) {
                Entry::Occupied(mut last) => {
                    let earlier = std::mem::replace(last.get_mut(), place);
                    batch.supersede(earlier, place);
                }
                Entry::Vacant(entry) => drop(entry.insert(place)),
            }
        }
    }

    /// The store as this step sees it.
    fn moment(&mut self, store: &dyn Store) -> &dyn View {
        &**self.moment.get_or_insert_with(|| store.snapshot())
    }

    /// The same with all that the steps have written to a table.
    fn all_of(&mut self, table: Table, store: &dyn Store) -> &dyn View {
        if self.tables.contains(&table) {
            self.apply(store);
        }
        self.moment(store)
    }

    /// What the steps made of a row, `Some(None)` when they deleted it.
    fn get(&self, table: Table, key: &[u8]) -> Option<Option<Bytes>> {
        if self.batch.is_empty() {
            return None;
        }
        let is_it = |place: &usize| self.batch.get(*place).is_some_and(|op| op.table == table && op.key == key);
        let place = self.latest.find(self.hasher.hash_one((table, key)), is_it)?;
        self.batch.get(*place).map(|op| op.value.clone())
    }

    fn apply(&mut self, store: &dyn Store) {
        self.moment = None;
        let applied = store.apply(&self.batch);
        self.applied = true;
        if applied.is_err() {
            self.apply_each(store);
        }
        self.batch.clear();
        self.parts.clear();
        self.latest.clear();
        self.tables.clear();
    }

    /// The batch was refused: tries it step by step, so that one bad write does not void the others.
    fn apply_each(&mut self, store: &dyn Store) {
        let mut ops = self.batch.ops().cloned();
        let mut begin = 0;
        for part in &self.parts {
            let own = batch(ops.by_ref().take(part.end - begin));
            begin = part.end;
            if self.lost.iter().any(|lost| lost.slot == part.slot) {
                continue;
            }
            if let Err(error) = store.apply(&own) {
                self.lost.push(Lost { step: part.step, slot: part.slot, failure: error.into() });
            }
        }
    }
}

fn batch(ops: impl Iterator<Item = Op>) -> Batch {
    let mut batch = Batch::default();
    for op in ops {
        match op.value {
            Some(value) => batch.put(op.table, op.key, value),
            None => batch.delete(op.table, op.key),
        }
    }
    batch
}

impl View for Ahead {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let mut pending = self.pending();
        match pending.get(table, key) {
            Some(row) => Ok(row),
            None => pending.moment(&*self.store).get(table, key),
        }
    }

    fn glance(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let mut pending = self.pending();
        match pending.get(table, key) {
            Some(row) => Ok(row),
            None => pending.moment(&*self.store).glance(table, key),
        }
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<kvs::Entry>, Error> {
        self.pending().all_of(table, &*self.store).scan(table, span)
    }

    fn keys(&self, table: Table, span: &Span) -> Result<Vec<Bytes>, Error> {
        self.pending().all_of(table, &*self.store).keys(table, span)
    }
}
