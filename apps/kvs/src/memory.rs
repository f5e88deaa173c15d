//! The engine in memory: what tests and the simulator use. It knows what would survive a power cut.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;

use crate::{Batch, Entry, Error, Op, Span, Store, Table, Ticket, View};

/// A store that ends with the process.
pub struct Memory {
    state: RwLock<State>,
}

#[derive(Clone)]
struct State {
    /// The map itself is shared with snapshots too.
    tables: Arc<Tables>,
    applied: Ticket,
    durable: Ticket,
    /// How to undo what is applied and not durable, oldest first. A flush empties it.
    undo: Vec<(Ticket, Op)>,
}

/// Rows are shared with snapshots: a table is copied when it is written while a snapshot of it lives.
type Tables = BTreeMap<&'static str, Arc<Rows>>;
type Rows = BTreeMap<Bytes, Bytes>;

impl Memory {
    /// # Panics
    /// When a table has a name that [`Disk::open`](crate::Disk::open) would refuse.
    pub fn new(tables: &[Table]) -> Memory {
        let named = tables.iter().try_for_each(|table| table.check());
        assert!(named.is_ok(), "{named:?}");
        let tables = Arc::new(tables.iter().map(|table| (table.0, Arc::default())).collect());
        let start = Ticket::default();
        Memory { state: RwLock::new(State { tables, applied: start, durable: start, undo: Vec::new() }) }
    }

    /// The store as it is found after a power cut at this moment: what was flushed, nothing else.
    pub fn crash(&self) -> Memory {
        self.crash_at(Ticket::default())
    }

    /// As [`crash`](Self::crash), but the disk was lucky and has every batch up to `lucky` too, as a real one may.
    pub fn crash_at(&self, lucky: Ticket) -> Memory {
        let mut state = self.read().clone();
        while let Some((_, op)) = state.undo.pop_if(|(ticket, _)| *ticket > lucky) {
            // Cannot fail: the table was there when the change was applied.
            let _ = change(Arc::make_mut(&mut state.tables), &op);
        }
        state.undo.clear();
        state.applied = lucky.clamp(state.durable, state.applied);
        state.durable = state.applied;
        Memory { state: RwLock::new(state) }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        get(&self.read().tables, table, key)
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        scan(&self.read().tables, table, span)
    }

    fn apply(&self, batch: &Batch) -> Result<Ticket, Error> {
        batch.check()?;
        let mut state = self.write();
        batch.ops().try_for_each(|op| find(&state.tables, op.table).map(drop))?;
        if !batch.is_empty() {
            state.applied.0 += 1;
        }
        let ticket = state.applied;
        for op in batch.latest() {
            let old = change(Arc::make_mut(&mut state.tables), op)?;
            state.undo.push((ticket, Op { value: old, ..op.clone() }));
        }
        Ok(ticket)
    }

    fn flush(&self) -> Result<Ticket, Error> {
        let mut state = self.write();
        state.durable = state.applied;
        state.undo.clear();
        Ok(state.durable)
    }

    fn applied(&self) -> Ticket {
        self.read().applied
    }

    fn snapshot(&self) -> Box<dyn View> {
        Box::new(Moment { tables: self.read().tables.clone() })
    }
}

struct Moment {
    tables: Arc<Tables>,
}

impl View for Moment {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        get(&self.tables, table, key)
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        scan(&self.tables, table, span)
    }
}

fn find(tables: &Tables, table: Table) -> Result<&Rows, Error> {
    Ok(tables.get(table.0).ok_or(Error::UnknownTable(table.0))?)
}

fn get(tables: &Tables, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
    Ok(find(tables, table)?.get(key).cloned())
}

fn scan(tables: &Tables, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
    let rows = find(tables, table)?;
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let entries = rows.range::<[u8], _>(span.bounds()).map(|(key, value)| Ok((key.clone(), value.clone())));
    span.take(entries, |(_, value)| value.len())
}

/// Makes one change and returns the value the key had before.
fn change(tables: &mut Tables, op: &Op) -> Result<Option<Bytes>, Error> {
    let rows = tables.get_mut(op.table.0).ok_or(Error::UnknownTable(op.table.0))?;
    let rows = Arc::make_mut(rows);
    Ok(match &op.value {
        Some(value) => rows.insert(op.key.clone(), value.clone()),
        None => rows.remove(&op.key),
    })
}
