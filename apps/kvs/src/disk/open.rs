//! Making and opening the folder, and the sizes that fit a small server.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    thread::{self, Builder, ScopedJoinHandle},
};

use ahash::RandomState;
use fjall::{Database, KeyspaceCreateOptions};
use rustix::process::setpriority_process;

use super::{Opened, journal, recovery};
use crate::{Error, Table};

/// Blocks of table files kept in memory, bytes, for all tables together. Rows that are read again and again are in [`super::recent`], and the
/// system keeps files in memory that nobody else wants.
const CACHE: u64 = 16 << 20;
/// A table's rows in memory before they become a table file, bytes.
pub(super) const MEMTABLE: u64 = 24 << 20;
/// The same of a table whose rows are deleted soon.
pub(super) const MEMTABLE_BRIEF: u64 = 1 << 20;
/// The same as fjall itself sees to it, at every write beyond it: never reached, since we are first.
const MEMTABLE_FJALL: u64 = 2 * MEMTABLE;
/// Sealed journals kept, bytes; beyond it the tables that hold back the oldest are written out. It bounds the replay.
const JOURNAL: u64 = 64 << 20;
/// Threads that write and merge table files. With more, the first of them takes and puts back the others' work without a pause as long
/// as there is any (fjall 3.1, `worker_pool.rs`): a core for nothing.
const WORKERS: usize = 1;
/// How much less urgent their work is than answering clients (nice(2)).
const WORKERS_NICE: i32 = 5;
/// The file by which fjall knows a folder of its own.
const MARKER: &str = "version";
/// What fjall makes beside it.
const FIRST_JOURNAL: &str = "0.jnl";

/// Opens the database in `path`, making it first where there is none. True when its journal has just been made.
pub(super) fn database(path: &Path) -> Result<(Database, bool), Error> {
    if !path.join(MARKER).try_exists()? {
        make(path)?;
    }
    recovery::check(path, &fs::read(path.join(MARKER))?).map_err(damaged)?;
    let fresh = journal::highest(path)?.is_none();
    // The workers take over the priority of the thread that starts them.
    let opened = thread::scope(|scope| {
        let open = || {
            // Where it is not allowed they compete as equals.
            let _ = setpriority_process(None, WORKERS_NICE);
            start(path)
        };
        Builder::new().name("store".into()).spawn_scoped(scope, open).map(ScopedJoinHandle::join)
    })?;
    Ok((opened.unwrap_or(Err(Error::Stopped)).map_err(damaged)?, fresh))
}

/// A file of a store that is missing or cut is damage, whatever the system calls it.
fn damaged(error: Error) -> Error {
    match error {
        Error::Io(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Error::Corrupted(error.to_string())
        }
        other => other,
    }
}

/// Makes it beside its place and then moves it there, so that one killed half-way leaves no half folder behind.
fn make(path: &Path) -> Result<(), Error> {
    let fresh = beside(path)?;
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    drop(start(&fresh)?);
    // Nothing is in it, and fjall appends to a journal that it finds: the first one, too, is to be of a kind that can be filled ahead.
    fs::remove_file(fresh.join(FIRST_JOURNAL))?;
    fs::rename(&fresh, path).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => Error::NotAStore,
        _ => error.into(),
    })?;
    let parent = fresh.parent().unwrap_or(Path::new("/"));
    File::open(parent)?.sync_all()?;
    Ok(())
}

fn beside(path: &Path) -> Result<PathBuf, Error> {
    let mut name = std::path::absolute(path)?.into_os_string();
    name.push(".new");
    Ok(name.into())
}

fn start(path: &Path) -> Result<Database, Error> {
    let db = Database::builder(path)
        .cache_size(CACHE)
        .max_journaling_size(JOURNAL)
        .manual_journal_persist(true)
        .worker_threads(WORKERS)
        .open()?;
    Ok(db)
}

pub(super) fn tables(
    db: &Database,
    tables: &[Table],
    brief: &[Table],
) -> Result<HashMap<&'static str, Opened, RandomState>, Error> {
    let open = |table: &Table| {
        let opened = Opened { rows: db.keyspace(table.0, options)?, is_brief: brief.contains(table) };
        Ok((table.0, opened))
    };
    tables.iter().map(open).collect()
}

/// Taken when a table is made, and kept with it: a later release that changes them changes new tables only.
/// fjall's Bloom filters are on for every level, so that asking for an absent key costs no read.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(MEMTABLE_FJALL)
}
