//! Opening the store: what is there is read by a release that knows it, or not at all.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs::{Batch, Disk, Span, Store, Table};

use crate::failure::Failure;
use crate::home::Home;
use crate::registrar;
use crate::{courier, enrol, people};

/// How rows and keys are laid out. It rises when a release lays them out differently.
pub(crate) const SCHEMA: u64 = 7;

/// "schema" → number of the schema, in digits; "ids", "rosters", "lists", "moments" → the sequences. Writer: the program.
pub(crate) const META: Table = Table("meta");
pub(crate) const IDS: &[u8] = b"ids";
pub(crate) const ROSTERS: &[u8] = b"rosters";
pub(crate) const MOMENTS: &[u8] = b"moments";
const KEY: &[u8] = b"schema";

/// A process that is ending may have the store open for a moment.
const ENDING: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(20);

/// Opens the store, or makes it at the first start.
///
/// A mark beside it says that it was once complete: the engine would open one whose files are gone as an empty one.
pub(crate) fn open(home: &Home) -> Result<Arc<Disk>, Failure> {
    let path = home.store();
    let marked = mark(home)?;
    if let Some(found) = &marked {
        known(home, found)?;
        if !path.exists() {
            let what = "it is gone; put it back from a backup, or remove store.schema too to begin with no data";
            return Err(damaged(home, what));
        }
    }
    let tables: Vec<Table> = tables().collect();
    let failed = |source| Failure::Store { path: path.clone(), source };
    let brief: Vec<Table> = brief().collect();
    let store = Arc::new(open_disk(&path, &tables, &brief).map_err(failed)?);
    match store.get(META, KEY).map_err(failed)? {
        Some(found) => known(home, &String::from_utf8_lossy(&found))?,
        None if marked.is_some() || !is_empty(&*store).map_err(failed)? => {
            return Err(damaged(home, "tables are missing; put it back from a backup"));
        }
        None => begin(&*store).map_err(failed)?,
    }
    if marked.is_none() {
        ca::files::write_secret(home.store_mark(), SCHEMA.to_string())?;
    }
    Ok(store)
}

/// All there are.
pub(crate) fn tables() -> impl Iterator<Item = Table> {
    let parts = [chat::rows::TABLES, mqtt::TABLES, registrar::TABLES, enrol::TABLES, courier::TABLES, people::TABLES];
    parts.into_iter().flatten().copied().chain([META])
}

/// Those whose rows are deleted soon.
fn brief() -> impl Iterator<Item = Table> {
    [chat::rows::BRIEF, courier::TABLES].into_iter().flatten().copied()
}

/// The folder is ours, so whoever has the store is a server that is just ending.
fn open_disk(path: &Path, tables: &[Table], brief: &[Table]) -> Result<Disk, kvs::Error> {
    let since = Instant::now();
    loop {
        match Disk::open_with(path, tables, brief) {
            Err(kvs::Error::Locked) if since.elapsed() < ENDING => std::thread::sleep(RETRY),
            done => return done,
        }
    }
}

/// Whether this folder never had a complete store.
pub(crate) fn is_first(home: &Home) -> bool {
    !home.store_mark().exists() && !home.store().exists()
}

fn mark(home: &Home) -> Result<Option<String>, Failure> {
    match fs::read_to_string(home.store_mark()) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Failure::File { path: home.store_mark(), source }),
    }
}

fn known(home: &Home, found: &str) -> Result<(), Failure> {
    match found.parse::<u64>() {
        Ok(SCHEMA) => Ok(()),
        Ok(newer) if newer > SCHEMA => Err(Failure::Newer { path: home.store(), found: found.into(), known: SCHEMA }),
        Ok(older) if older > 0 => Err(Failure::Older { path: home.store(), found: found.into(), known: SCHEMA }),
        Ok(_) | Err(_) => Err(damaged(home, "its schema is none that there was")),
    }
}

fn is_empty(store: &dyn Store) -> Result<bool, kvs::Error> {
    for table in chat::rows::TABLES {
        if !store.scan(*table, &Span::prefix("").limit(1))?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn begin(store: &dyn Store) -> Result<(), kvs::Error> {
    let mut batch = Batch::default();
    batch.put(META, KEY, SCHEMA.to_string());
    store.apply(&batch)?;
    store.flush().map(drop)
}

fn damaged(home: &Home, what: &str) -> Failure {
    Failure::Damaged { path: home.store(), what: what.into() }
}
