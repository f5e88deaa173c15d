//! The folder of the disk engine: who may open it, what it says when it cannot, and what we lean on in fjall.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use kvs::{Batch, Disk, Error, Store, Table};

const T: Table = Table("t");

fn open(path: &Path) -> Result<Disk, Error> {
    Disk::open(path, &[T])
}

fn put(disk: &Disk, key: &'static str, value: Vec<u8>) {
    let mut batch = Batch::default();
    batch.put(T, key, value);
    disk.apply(&batch).unwrap();
}

fn message(result: Result<Disk, Error>) -> String {
    result.map(drop).unwrap_err().to_string()
}

#[test]
fn a_second_one_is_told_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = open(&path).unwrap();
    assert!(matches!(open(&path), Err(Error::Locked)));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn tables_are_added_by_a_later_release_and_kept_by_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let new = Table("new");
    put(&open(&path).unwrap(), "k", b"v".to_vec());
    let both = Disk::open(&path, &[T, new]).unwrap();
    assert_eq!(both.get(T, b"k").unwrap().unwrap(), "v");
    assert_eq!(both.get(new, b"k").unwrap(), None);
    drop(both);
    let only_new = Disk::open(&path, &[new]).unwrap();
    assert!(matches!(only_new.get(T, b"k"), Err(Error::UnknownTable("t"))));
    drop(only_new);
    assert_eq!(open(&path).unwrap().get(T, b"k").unwrap().unwrap(), "v");
}

/// What is waited for goes on in other threads, whatever the machine does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes of table files.
fn filed(path: &Path) -> u64 {
    let tables = fs::read_dir(path.join("keyspaces")).unwrap().map(|table| table.unwrap().path().join("tables"));
    // A file may have been merged into another meanwhile.
    let files = tables.flat_map(|files| fs::read_dir(files).into_iter().flatten().flatten());
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[test]
fn of_a_table_whose_rows_are_brief_little_is_in_memory_though_nobody_waits_for_the_disk() {
    const ROWS: u32 = 4096;
    let (brief, long) = (Table("brief"), Table("long"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let disk = Disk::open_with(&path, &[brief, long], &[brief]).unwrap();
    let mut random = 1_u64;
    let mut fill = |table: Table| {
        for row in 0..ROWS {
            let noise = std::iter::repeat_with(|| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) as u8
            });
            let mut batch = Batch::default();
            batch.put(table, row.to_be_bytes().to_vec(), noise.take(1024).collect::<Vec<u8>>());
            disk.apply(&batch).unwrap();
        }
    };
    fill(long);
    assert!(filed(&path) < 1 << 16, "4 MiB are few: only the names of tables are in files");
    fill(brief);
    let since = Instant::now();
    while filed(&path) < 1 << 20 {
        assert!(since.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    for row in 0..ROWS {
        let key = row.to_be_bytes();
        assert!(disk.get(brief, &key).unwrap().is_some_and(|value| value.len() == 1024));
        let mut batch = Batch::default();
        batch.delete(brief, key.to_vec());
        disk.apply(&batch).unwrap();
        assert_eq!(disk.get(brief, &key).unwrap(), None, "what was read is not remembered");
    }
}

#[test]
fn a_table_has_a_plain_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "Upper", "with space", "../up", "abcdefghijklmnopqrstuvwxyz_abcdefg"] {
        let path = folder.path().join("store");
        assert!(matches!(Disk::open(&path, &[Table(name)]), Err(Error::TableName(_))), "{name}");
        assert!(!path.exists());
    }
}

#[test]
fn an_empty_folder_becomes_a_store_and_a_full_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    open(&empty).unwrap();

    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("letter"), "dear").unwrap();
    assert_eq!(message(open(&full)), "the data folder holds other files and no store");
    assert_eq!(fs::read_to_string(full.join("letter")).unwrap(), "dear");

    let file = folder.path().join("file");
    fs::write(&file, "dear").unwrap();
    assert!(open(&file).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "dear");
}

#[test]
fn a_first_start_that_was_killed_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("store.new");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("0.jnl"), "").unwrap();
    open(&folder.path().join("store")).unwrap();
    assert!(!half.exists());
}

#[test]
fn another_format_and_damage_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(open(&path).unwrap());
    let marker = fs::read(path.join("version")).unwrap();

    fs::write(path.join("version"), "FJL\x09").unwrap();
    assert_eq!(message(open(&path)), "the data was written in a format this version cannot read");
    fs::write(path.join("version"), marker).unwrap();

    for table in fs::read_dir(path.join("keyspaces")).unwrap() {
        for entry in fs::read_dir(table.unwrap().path()).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                fs::write(file, "not what was here").unwrap();
            }
        }
    }
    let said = message(open(&path));
    assert!(said.starts_with("the data is damaged: ") && !said.contains('\n'), "{said}");
}

/// `disk/journal.rs` syncs the journal with the highest number, and leans on fjall making a new one when one is full.
#[test]
fn journals_are_numbered_files_that_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let disk = open(&path).unwrap();
    assert!(path.join("1.jnl").is_file());
    let mut random = 1_u64;
    let mut written = 0;
    while !path.join("2.jnl").exists() {
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 56) as u8
        });
        put(&disk, "k", noise.take(1 << 20).collect());
        disk.flush().unwrap();
        written += 1;
        assert!(written < 1000, "no second journal");
    }
    put(&disk, "k", b"beyond".to_vec());
    disk.flush().unwrap();
    drop(disk);
    assert_eq!(open(&path).unwrap().get(T, b"k").unwrap().unwrap(), "beyond");
}

/// Zeros are written ahead into the journal while others write to it: no row may be under them, in the first journal, in one that fjall
/// has made since, and in one that it goes on with.
#[test]
fn zeros_written_ahead_cover_no_row() {
    const THREADS: u32 = 3;
    const BYTES: usize = 700;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut rows = 0_u32;
    for count in [110_000, 8_000, 110_000] {
        let disk = open(&path).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let disk = &disk;
                scope.spawn(move || {
                    for row in (rows..rows + count).filter(|row| row % THREADS == thread) {
                        let mut batch = Batch::default();
                        batch.put(T, row.to_be_bytes().to_vec(), vec![row as u8; BYTES]);
                        disk.apply(&batch).unwrap();
                        if row % 64 == thread {
                            disk.flush().unwrap();
                        }
                    }
                });
            }
        });
        rows += count;
        drop(disk);
        let disk = open(&path).unwrap();
        for row in 0..rows {
            let found = disk.get(T, &row.to_be_bytes()).unwrap();
            assert_eq!(found.as_deref(), Some(&[row as u8; BYTES][..]), "row {row}");
        }
    }
}

#[test]
fn whoever_reads_again_and_again_sees_whole_batches_and_never_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    let moment = store.snapshot();
                    let number = |key: &[u8]| {
                        let row = moment.get(T, key).unwrap().unwrap_or_default();
                        row.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
                    };
                    let seen = (number(b"one"), number(b"other"));
                    assert!(seen.0 == seen.1 && seen.0 >= last, "{seen:?} after {last}");
                    last = seen.0;
                }
            });
        }
        for number in 1..5_000_u64 {
            let mut batch = Batch::default();
            batch.put(T, "one", number.to_be_bytes().to_vec());
            batch.put(T, "other", number.to_be_bytes().to_vec());
            store.apply(&batch).unwrap();
            assert_eq!(store.get(T, b"one").unwrap().unwrap(), number.to_be_bytes().to_vec());
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
}
