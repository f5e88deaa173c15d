//! Making fjall's journal durable without holding up those who write to it.
//!
//! `Database::persist(SyncData)` holds the journal's lock while the disk works, so nobody can apply a batch meanwhile. Here
//! fjall only hands its buffer to the system, and the file is synced through a handle of our own. This leans on two
//! facts of fjall 3.1 (`journal/writer.rs`): journals are named `0.jnl`, `1.jnl`, …, and one is synced entirely before
//! its successor is created. tests/disk.rs pins them.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fjall::{Database, PersistMode};

use crate::Error;

pub(super) struct Journal {
    folder: PathBuf,
    newest: Mutex<Newest>,
    failed: AtomicBool,
}

/// The journal being written, as far as known: a rotation is noticed at the next sync.
struct Newest {
    number: u64,
    file: File,
}

impl Journal {
    pub(super) fn open(folder: &Path) -> Result<Journal, Error> {
        let folder = std::path::absolute(folder)?;
        let number = highest(&folder)?;
        let newest = Mutex::new(Newest { number, file: handle(&folder, number)? });
        Ok(Journal { folder, newest, failed: AtomicBool::new(false) })
    }

    /// Makes durable what was committed to `db` before the call. After a failure it never succeeds again.
    pub(super) fn sync(&self, db: &Database) -> Result<(), Error> {
        self.check()?;
        db.persist(PersistMode::Buffer)?;
        self.sync_newest().inspect_err(|_| self.failed.store(true, Ordering::Release))?;
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.failed.load(Ordering::Acquire) {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }

    fn sync_newest(&self) -> io::Result<()> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        while name(&self.folder, newest.number + 1).try_exists()? {
            let number = newest.number + 1;
            *newest = Newest { number, file: handle(&self.folder, number)? };
        }
        newest.file.sync_data()
    }
}

fn highest(folder: &Path) -> Result<u64, Error> {
    let mut highest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "jnl"));
        let number = stem.and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        highest = highest.max(number);
    }
    highest.ok_or_else(|| Error::Corrupted("no journal".into()))
}

fn name(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.jnl"))
}

fn handle(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().append(true).open(name(folder, number))
}
