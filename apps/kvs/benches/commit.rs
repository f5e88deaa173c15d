//! What the store costs: batches, reads, memory, opening. `cargo bench -p kvs` prints one line per figure.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kvs::{Batch, Disk, Flusher, Span, Store, Table};

const BODY: Table = Table("message");
const LOG: Table = Table("log");
const CURSOR: Table = Table("cursor");
/// As many tables as the chat has.
const TABLES: [Table; 20] = [
    BODY,
    LOG,
    CURSOR,
    Table("a"),
    Table("b"),
    Table("c"),
    Table("d"),
    Table("e"),
    Table("f"),
    Table("g"),
    Table("h"),
    Table("i"),
    Table("j"),
    Table("k"),
    Table("l"),
    Table("m"),
    Table("n"),
    Table("o"),
    Table("p"),
    Table("q"),
];
const RUN: Duration = Duration::from_secs(2);
const ROWS: u64 = 1_000_000;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    // The child of `reopening`: fills the store and dies without closing it.
    if let Ok(path) = std::env::var("KVS_BENCH_FILL") {
        fill(Path::new(&path));
        std::process::abort();
    }

    println!("resident before {} KiB", resident());
    let disk = open(&path);
    println!("resident with {} empty tables {} KiB", TABLES.len(), resident());
    for group in [1, 64, 256] {
        commits(&disk, group, 1);
    }
    commits(&disk, 64, 2);
    for window in [200, 3200] {
        shared(&disk, window);
    }
    drop(disk);
    reopening(&folder.path().join("million"));
}

fn open(path: &Path) -> Arc<Disk> {
    Arc::new(Disk::open(path, &TABLES).expect("the store opens"))
}

/// Threads apply batches of three rows, each flushing after `group` of its own.
fn commits(disk: &Arc<Disk>, group: u64, threads: u64) {
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|t| {
            let disk = disk.clone();
            thread::spawn(move || {
                let (mut n, mut slowest, mut flushing) = (0, Duration::ZERO, Duration::ZERO);
                while start.elapsed() < RUN {
                    for _ in 0..group {
                        let began = Instant::now();
                        disk.apply(&three(t << 48 | group << 32 | n)).expect("applied");
                        slowest = slowest.max(began.elapsed());
                        n += 1;
                    }
                    let began = Instant::now();
                    disk.flush().expect("flushed");
                    flushing += began.elapsed();
                }
                (n, slowest, flushing)
            })
        })
        .collect();
    let done: Vec<_> = workers.into_iter().map(|w| w.join().expect("no panic")).collect();
    let n: u64 = done.iter().map(|d| d.0).sum();
    let slowest = done.iter().map(|d| d.1).max().expect("one thread");
    let flushing = done.iter().map(|d| d.2).sum::<Duration>().as_secs_f64() / threads as f64;
    let flushing = 100.0 * flushing / start.elapsed().as_secs_f64();
    let rate = n as f64 / start.elapsed().as_secs_f64();
    println!(
        "{threads} threads, {group:3} batches a flush: {rate:.0} batches/s, {flushing:.0} % of it in flush, \
         slowest apply {slowest:?}, resident {} KiB",
        resident()
    );
}

/// As the server works: one thread applies with `window` batches not yet durable, the flusher syncs meanwhile.
fn shared(disk: &Arc<Disk>, window: u64) {
    let flusher = Flusher::start(disk.clone(), Box::new(|error| panic!("{error}"))).expect("a thread");
    let applier = thread::current();
    flusher.subscribe(Box::new(move |_| applier.unpark()));
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        let ticket = disk.apply(&three(window << 32 | n)).expect("applied");
        flusher.request(ticket);
        n += 1;
        while ticket.0.saturating_sub(flusher.durable().0) > window {
            thread::park();
        }
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    println!("flusher, {window} batches under way: {rate:.0} batches/s");
}

fn three(n: u64) -> Batch {
    let mut batch = Batch::default();
    for table in [BODY, LOG, CURSOR] {
        batch.put(table, key(n), vec![n as u8; 200]);
    }
    batch
}

/// 40 bytes, the number in the middle, as feeds and their messages have.
fn key(n: u64) -> Vec<u8> {
    format!("feed/{:08x}/{n:016x}/messages", n % 1000).into_bytes()
}

/// A store of a million rows, its writer killed: how long it takes to open, and what reads cost then.
fn reopening(path: &Path) {
    let me = std::env::current_exe().expect("own path");
    let start = Instant::now();
    let _ = Command::new(me).env("KVS_BENCH_FILL", path).status().expect("the child runs");
    println!("{ROWS} rows of 300 B written in {:?}, folder {} MiB", start.elapsed(), size(path) >> 20);
    for what in ["after a kill", "again"] {
        let start = Instant::now();
        let disk = open(path);
        println!("opened {what} in {:?}, resident {} KiB", start.elapsed(), resident());
        reads(&disk);
        let start = Instant::now();
        drop(disk);
        println!("closed in {:?}", start.elapsed());
    }
}

fn fill(path: &Path) {
    let disk = open(path);
    for first in (0..ROWS).step_by(100) {
        for n in first..first + 100 {
            let mut batch = Batch::default();
            batch.put(BODY, key(n), noise(n));
            disk.apply(&batch).expect("applied");
        }
        disk.flush().expect("flushed");
    }
}

/// 300 bytes that do not compress.
fn noise(mut n: u64) -> Vec<u8> {
    (0..300)
        .map(|_| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (n >> 56) as u8
        })
        .collect()
}

fn reads(disk: &Arc<Disk>) {
    let present = |i: u64| key(i.wrapping_mul(7_919) % ROWS);
    let absent = |i: u64| key(ROWS + i.wrapping_mul(7_919) % ROWS);
    timed("gets of present keys", |i| disk.get(BODY, &present(i)).expect("read").is_some());
    timed("gets of absent keys", |i| disk.get(BODY, &absent(i)).expect("read").is_none());
    timed("gets in an empty table", |i| disk.get(LOG, &absent(i)).expect("read").is_none());
    timed("scans of 100", |i| {
        let span = Span::prefix(format!("feed/{:08x}/", i % 1000)).limit(100);
        disk.scan(BODY, &span).expect("read").len() == 100
    });
    let view = disk.snapshot();
    timed("gets in one snapshot", |i| view.get(BODY, &present(i)).expect("read").is_some());
}

fn timed(what: &str, mut good: impl FnMut(u64) -> bool) {
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < RUN / 2 {
        assert!(good(n), "{what} {n}");
        n += 1;
    }
    println!("{what}: {:.0}/s", n as f64 / start.elapsed().as_secs_f64());
}

fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).expect("a folder").map(|e| e.expect("an entry"));
    entries
        .map(|e| match e.file_type().expect("a type").is_dir() {
            true => size(&e.path()),
            false => e.metadata().map_or(0, |m| m.len()),
        })
        .sum()
}
