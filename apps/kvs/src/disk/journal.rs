//! Making fjall's journal durable without holding up those who write to it, and without the file system's own journal.
//!
//! `Database::persist(SyncData)` holds the journal's lock while the disk works, so nobody can apply a batch meanwhile. Here
//! fjall only hands its buffer to the system, and the file is synced through a handle of our own.
//!
//! To sync a file that has grown, the file system has to note the new blocks in its own journal, behind whatever else waits there, such as
//! table files of many megabytes. So the journal is filled with zeros some way ahead: then a sync writes what was
//! written, in place, and nothing else. fjall has made the file long before, so for it nothing changes.
//!
//! This leans on facts of fjall 3.1 (`journal/writer.rs`): journals are named `0.jnl`, `1.jnl`, …; one is synced entirely before
//! its successor is created; one that it finds at opening it appends to, one that it creates it makes long at once and writes from
//! its beginning; it writes to it within `commit`, buffered, and elsewhere only what is left in the buffer. tests/disk.rs pins them.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use fjall::{Database, PersistMode};
use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

use crate::{Batch, Error, Op};

/// Zeros written ahead at a time, bytes: one slow sync for that much.
const AHEAD: u64 = 1 << 20;
/// When less than this is left of them, the next are written.
const LEFT: u64 = 64 << 10;
/// Zeros written at once, while nobody can write to the journal.
const STEP: usize = 256 << 10;
/// The journal's own bytes beside those of a change, and beside a batch, at most.
const CHANGE: usize = 24;
const BATCH: usize = 32;

pub(super) struct Journal {
    folder: PathBuf,
    newest: Mutex<Newest>,
    /// Held by who writes a batch, or zeros.
    writing: Mutex<()>,
    /// Bytes written since opening, at most.
    written: AtomicU64,
    failed: AtomicBool,
}

/// The journal being written, as far as known: a rotation is noticed at the next sync.
struct Newest {
    number: u64,
    file: File,
    /// How much had been written, over all journals, before it; none when fjall appends to it, and there is nothing to fill.
    before: Option<u64>,
    /// So far it is filled.
    filled: u64,
    /// How much was written when it was synced last.
    synced: u64,
}

impl Journal {
    /// The newest journal of `folder`; `fresh` when fjall has just made it.
    pub(super) fn open(folder: &Path, fresh: bool) -> Result<Journal, Error> {
        let folder = std::path::absolute(folder)?;
        let number = highest(&folder)?.ok_or_else(|| Error::Corrupted("no journal".into()))?;
        let file = handle(&folder, number)?;
        Ok(Journal {
            folder,
            newest: Mutex::new(Newest { number, file, before: fresh.then_some(0), filled: 0, synced: 0 }),
            writing: Mutex::default(),
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        })
    }

    /// To be held while `batch` is committed.
    pub(super) fn writing(&self, batch: &Batch) -> MutexGuard<'_, ()> {
        let change = |op: &Op| op.key.len() + op.value.as_ref().map_or(0, Bytes::len) + CHANGE;
        let bytes = BATCH + batch.latest().map(change).sum::<usize>();
        let alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        alone
    }

    /// Bytes written since opening, at most.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Makes durable what was committed to `db` before the call. After a failure it never succeeds again.
    pub(super) fn sync(&self, db: &Database) -> Result<(), Error> {
        self.check()?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.written.load(Ordering::Relaxed);
        self.fill(&mut newest, db, written)?;
        db.persist(PersistMode::Buffer)?;
        self.sync_newest(&mut newest).inspect_err(|_| self.failed.store(true, Ordering::Release))?;
        newest.synced = written;
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.failed.load(Ordering::Acquire) {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }

    /// Writes zeros where nothing was ever written. While nobody commits and fjall's buffer is empty nobody writes to the file, so
    /// that a hole stays one until it is filled.
    fn fill(&self, newest: &mut Newest, db: &Database, written: u64) -> Result<(), Error> {
        let Some(used) = newest.before.map(|before| written.saturating_sub(before)) else { return Ok(()) };
        if used + LEFT <= newest.filled {
            return Ok(());
        }
        while newest.filled < used + AHEAD {
            let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            db.persist(PersistMode::Buffer)?;
            let hole = match seek(&newest.file, SeekFrom::Hole(newest.filled)) {
                // Behind the end of the file.
                Err(Errno::NXIO) => newest.filled,
                found => found.map_err(io::Error::from)?,
            };
            newest.file.write_all_at(&[0; STEP], hole)?;
            newest.filled = hole + STEP as u64;
        }
        Ok(())
    }

    fn sync_newest(&self, newest: &mut Newest) -> io::Result<()> {
        while name(&self.folder, newest.number + 1).try_exists()? {
            newest.number += 1;
            newest.file = handle(&self.folder, newest.number)?;
            (newest.before, newest.filled) = (Some(newest.synced), 0);
        }
        newest.file.sync_data()
    }
}

/// The number of the newest journal in the folder.
pub(super) fn highest(folder: &Path) -> Result<Option<u64>, Error> {
    Ok(numbers(folder)?.last().copied())
}

/// The numbers of the journals in the folder, in order.
pub(super) fn numbers(folder: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "jnl"));
        numbers.extend(stem.and_then(|stem| stem.to_str()?.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn name(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.jnl"))
}

/// Not to append: zeros go where they are told to.
fn handle(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().write(true).open(name(folder, number))
}
