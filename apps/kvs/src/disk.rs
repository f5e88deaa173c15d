//! The engine on disk: fjall, one keyspace a table, one journal for all of them.

use std::{collections::HashMap, path::Path, sync::Arc};

use ahash::RandomState;
use bytes::Bytes;
use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode, Readable, Snapshot};

use crate::{Batch, Entry, Error, Span, Store, Table, Ticket, View};

mod open;

mod recovery;

mod journal;

mod writer;

mod recent;

mod error;

/// A store in a folder. One process has it open at a time.
pub struct Disk {
    // Before the database, which it has a part in: first the one ends, then the other.
    writer: writer::Writer,
    db: Database,
    journal: journal::Journal,
    tables: Tables,
    recent: Arc<recent::Recent>,
}

type Tables = Arc<HashMap<&'static str, Opened, RandomState>>;

struct Opened {
    rows: Keyspace,
    is_brief: bool,
}

impl Disk {
    /// Opens the store in the folder `path`, or makes it, with at least `tables`; tables it has from another release stay
    /// as they are. Replays what the journal has beyond the table files.
    ///
    /// # Errors
    /// [`Error::Locked`] when another instance has it, [`Error::NotAStore`] when the folder holds something else,
    /// [`Error::Corrupted`], [`Error::Format`], and those of the disk.
    pub fn open(path: &Path, tables: &[Table]) -> Result<Disk, Error> {
        Disk::open_with(path, tables, &[])
    }

    /// The same. Of `tables`, those that are `brief` have rows that are written, read once or twice, and deleted soon: little of them is
    /// kept in memory.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn open_with(path: &Path, tables: &[Table], brief: &[Table]) -> Result<Disk, Error> {
        tables.iter().try_for_each(|table| table.check())?;
        let (db, fresh) = open::database(path)?;
        let tables: Tables = open::tables(&db, tables, brief)?.into();
        let journal = journal::Journal::open(path, fresh)?;
        let writer = writer::Writer::start(tables.values().map(writer::Watched::of).collect())?;
        Ok(Disk { writer, db, journal, tables, recent: Arc::new(recent::Recent::new()) })
    }
}

impl Store for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        // A snapshot, since a bare fjall read may see half of a batch that is just being applied.
        self.moment().get(table, key)
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        self.moment().scan(table, span)
    }

    fn apply(&self, batch: &Batch) -> Result<Ticket, Error> {
        batch.check()?;
        self.journal.check()?;
        let mut out = OwnedWriteBatch::with_capacity(self.db.clone(), batch.len());
        let mut lasting = Vec::with_capacity(batch.len());
        for op in batch.latest() {
            let table = find(&self.tables, op.table)?;
            match &op.value {
                Some(value) => out.insert(&table.rows, &op.key[..], &value[..]),
                None => out.remove(&table.rows, &op.key[..]),
            }
            if !table.is_brief {
                lasting.push(op);
            }
        }
        let rows = self.recent.writing(lasting.into_iter(), || self.db.visible_seqno());
        let alone = self.journal.writing(batch);
        let done = out.commit();
        drop((alone, rows));
        done?;
        self.writer.look(self.journal.written());
        Ok(self.applied())
    }

    fn flush(&self) -> Result<Ticket, Error> {
        let applied = self.applied();
        self.journal.sync(&self.db)?;
        Ok(applied)
    }

    fn check(&self) -> Result<(), Error> {
        self.journal.check()?;
        // Nothing else of fjall's tells that one of its workers has failed.
        Ok(self.db.persist(PersistMode::Buffer)?)
    }

    /// fjall's visible sequence number: it rises, under the journal's lock, with each batch written to the journal, so
    /// what it covers is in the journal, and what a reader sees is covered.
    fn applied(&self) -> Ticket {
        Ticket(self.db.visible_seqno())
    }

    fn snapshot(&self) -> Box<dyn View> {
        Box::new(self.moment())
    }
}

impl Disk {
    fn moment(&self) -> Moment {
        Moment { snapshot: self.db.snapshot(), tables: self.tables.clone(), recent: self.recent.clone() }
    }
}

struct Moment {
    snapshot: Snapshot,
    tables: Tables,
    recent: Arc<recent::Recent>,
}

impl View for Moment {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let opened = find(&self.tables, table)?;
        let read = || get(&self.snapshot, &opened.rows, key);
        match opened.is_brief {
            true => read(),
            false => self.recent.get(self.snapshot.seqno(), table, key, read),
        }
    }

    fn glance(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.recent.find(self.snapshot.seqno(), table, key) {
            Some(value) => Ok(Some(value)),
            None => get(&self.snapshot, &find(&self.tables, table)?.rows, key),
        }
    }

    fn scan(&self, table: Table, span: &Span) -> Result<Vec<Entry>, Error> {
        scan(&self.snapshot, &find(&self.tables, table)?.rows, span)
    }

    fn keys(&self, table: Table, span: &Span) -> Result<Vec<Bytes>, Error> {
        keys(&self.snapshot, &find(&self.tables, table)?.rows, span)
    }
}

fn find(tables: &Tables, table: Table) -> Result<&Opened, Error> {
    tables.get(table.0).ok_or(Error::UnknownTable(table.0))
}

fn get(snapshot: &Snapshot, table: &Keyspace, key: &[u8]) -> Result<Option<Bytes>, Error> {
    if key.is_empty() || key.len() > crate::KEY_MAX {
        return Ok(None);
    }
    Ok(snapshot.get(table, key)?.map(|value| Bytes::copy_from_slice(&value)))
}

fn scan(snapshot: &Snapshot, table: &Keyspace, span: &Span) -> Result<Vec<Entry>, Error> {
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let entries = snapshot.range::<&[u8], _>(table, span.bounds());
    let entries = entries.map(|guard| {
        let (key, value) = guard.into_inner()?;
        Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
    });
    span.take(entries, |(_, value): &Entry| value.len())
}

fn keys(snapshot: &Snapshot, table: &Keyspace, span: &Span) -> Result<Vec<Bytes>, Error> {
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let entries = snapshot.range::<&[u8], _>(table, span.bounds());
    let entries = entries.map(|guard| {
        let (key, value) = guard.into_inner()?;
        Ok::<_, Error>((Bytes::copy_from_slice(&key), value.len()))
    });
    Ok(span.take(entries, |(_, size)| *size)?.into_iter().map(|(key, _)| key).collect())
}
