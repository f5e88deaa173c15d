//! Has tables that have many rows in memory written to files.
//!
//! fjall would ask its worker for that at every write beyond the limit. While its one worker merges files, its queue could fill up
//! with such requests, and the worker, which puts one there itself, would wait for itself. It is done on a thread of its own, since whoever
//! does it also gives back the memory of rows that were written before, and that takes tens of milliseconds.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Builder, JoinHandle},
};

use fjall::{AbstractTree as _, Keyspace};

use super::open::MEMTABLE;

pub(super) struct Writer {
    tables: Arc<[Keyspace]>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(tables: Arc<[Keyspace]>) -> io::Result<Writer> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = {
            let (tables, stop) = (tables.clone(), stop.clone());
            move || run(&tables, &stop)
        };
        let thread = Builder::new().name("tables".into()).spawn(work)?;
        Ok(Writer { tables, stop, thread: Some(thread) })
    }

    /// To be called now and then.
    pub(super) fn look(&self) {
        if let Some(thread) = &self.thread
            && self.tables.iter().any(is_full)
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

fn is_full(table: &Keyspace) -> bool {
    table.tree.active_memtable().size() > MEMTABLE
}

fn run(tables: &[Keyspace], stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        for table in tables.iter().filter(|table| is_full(table)) {
            // A failure poisons the database, and is met at the next write.
            let _ = table.rotate_memtable();
        }
        thread::park();
    }
}
