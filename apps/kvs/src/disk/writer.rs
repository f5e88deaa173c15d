//! Has tables that have many rows in memory written to files.
//!
//! fjall would ask its worker for that at every write beyond the limit. While its one worker merges files, its queue could fill up
//! with such requests, and the worker, which puts one there itself, would wait for itself. It is done on a thread of its own, since
//! giving back the memory of rows that were written before takes tens of milliseconds. fjall would do that while nobody can read or write
//! the table; so whatever it lets go of is held here, until nobody else has it.

use std::{
    any::Any,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Builder, JoinHandle},
    time::Duration,
};

use fjall::{AbstractTree as _, Keyspace};

use super::{
    Opened,
    open::{MEMTABLE, MEMTABLE_BRIEF},
};

/// Bytes written to the journal until it is looked again: few beside what a table may have in memory.
const LOOK: u64 = 256 << 10;
/// Parts of one table that wait to be written. While there are more it goes on in memory: fjall would hold up whoever writes from the
/// fourth on.
const SEALED_MAX: usize = 2;
/// How often it is looked whether fjall has let go of rows in memory, while there are any.
const LET_GO: Duration = Duration::from_millis(500);

pub(super) struct Writer {
    tables: Arc<[Watched]>,
    /// What the journal had when it was looked last.
    looked: AtomicU64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(tables: Arc<[Watched]>) -> io::Result<Writer> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = {
            let (tables, stop) = (tables.clone(), stop.clone());
            move || run(&tables, &stop)
        };
        let thread = Builder::new().name("tables".into()).spawn(work)?;
        Ok(Writer { tables, looked: AtomicU64::new(0), stop, thread: Some(thread) })
    }

    /// To be called whenever a batch was written; so much has been by now.
    pub(super) fn look(&self, written: u64) {
        let looked = self.looked.load(Ordering::Relaxed);
        let is_time = written.saturating_sub(looked) >= LOOK;
        if !is_time || self.looked.compare_exchange(looked, written, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        if let Some(thread) = &self.thread
            && self.tables.iter().any(Watched::is_full)
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say, and a panic has been printed.
            let _ = thread.join();
        }
    }
}

/// A table, and how many bytes of its rows may be in memory.
pub(super) struct Watched {
    rows: Keyspace,
    most: u64,
}

impl Watched {
    pub(super) fn of(table: &Opened) -> Watched {
        let most = if table.is_brief { MEMTABLE_BRIEF } else { MEMTABLE };
        Watched { rows: table.rows.clone(), most }
    }

    fn is_full(&self) -> bool {
        let tree = &self.rows.tree;
        tree.active_memtable().size() > self.most && tree.sealed_memtable_count() < SEALED_MAX
    }
}

fn run(tables: &[Watched], stop: &AtomicBool) {
    let mut held: Vec<Arc<dyn Any + Send + Sync>> = Vec::new();
    while !stop.load(Ordering::Acquire) {
        for table in tables.iter().filter(|table| table.is_full()) {
            held.push(table.rows.tree.active_memtable());
            // A failure poisons the database, and is met at the next write.
            let _ = table.rows.rotate_memtable();
        }
        held.retain(|memtable| Arc::strong_count(memtable) > 1);
        match held.is_empty() {
            true => thread::park(),
            false => thread::park_timeout(LET_GO),
        }
    }
}
