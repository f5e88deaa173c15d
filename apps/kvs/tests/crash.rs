//! SIGKILL at random moments: what was acknowledged is there entirely, and nothing is there by half.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
};

use bytes::Bytes;
use kvs::{Batch, Disk, Span, Store, Table};

const BODY: Table = Table("body");
const COPY: Table = Table("copy");
const LAST: Table = Table("last");
const RECENT: Table = Table("recent");
const TABLES: [Table; 4] = [BODY, COPY, LAST, RECENT];
const BRIEF: [Table; 2] = [COPY, RECENT];

const WRITERS: u8 = 3;
/// Rows that a writer keeps in `RECENT`, deleting the older ones.
const WINDOW: u64 = 10;
const ROUNDS: u64 = 12;

/// Runs as a child of the test below, and only then: writes until it is killed.
#[test]
fn writes_until_killed() {
    let Ok(path) = env::var("KVS_CRASH_PATH") else { return };
    let disk = Disk::open_with(Path::new(&path), &TABLES, &BRIEF).unwrap();
    thread::scope(|threads| {
        for writer in 0..WRITERS {
            let disk = &disk;
            threads.spawn(move || {
                for n in last(disk, writer) + 1.. {
                    disk.apply(&numbered(writer, n)).unwrap();
                    if n % 4 != 0 {
                        disk.flush().unwrap();
                        writeln!(std::io::stdout(), "kept {writer} {n};").unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut acknowledged = [0; WRITERS as usize];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // At once, while it opens; soon; and when it has filled some of a journal.
        let lines = [0, 1, 60, 600][(round % 4) as usize] + (random >> 33) % 40 * round.min(1);
        kill_after(lines, &path, &mut acknowledged);

        let disk = Disk::open_with(&path, &TABLES, &BRIEF).unwrap();
        for writer in 0..WRITERS {
            check(&disk, writer, acknowledged[usize::from(writer)]);
        }
    }
    println!("{ROUNDS} kills, acknowledged batches {acknowledged:?}");
    assert!(acknowledged.iter().all(|n| *n > 50));
}

/// Starts the writer, kills it when it has acknowledged `lines` batches, and notes all that it acknowledged until then.
fn kill_after(lines: u64, path: &Path, acknowledged: &mut [u64]) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["writes_until_killed", "--exact", "--nocapture"])
        .env("KVS_CRASH_PATH", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..lines {
        note(&output.next().unwrap().unwrap(), acknowledged);
    }
    child.kill().unwrap();
    // What it wrote before it died; the last line may be cut.
    output.map_while(Result::ok).filter(|line| line.ends_with(';')).for_each(|line| note(&line, acknowledged));
    child.wait().unwrap();
}

fn note(line: &str, acknowledged: &mut [u64]) {
    // The test harness may have begun the line.
    let Some((_, rest)) = line.split_once("kept ") else {
        return;
    };
    let (writer, n) = rest.trim_end_matches(';').split_once(' ').unwrap();
    let kept: &mut u64 = &mut acknowledged[writer.parse::<usize>().unwrap()];
    *kept = (*kept).max(n.parse().unwrap());
}

fn numbered(writer: u8, n: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put(BODY, key(writer, n), body(n));
    batch.put(LAST, vec![writer], n.to_be_bytes().to_vec());
    batch.put(RECENT, key(writer, n), "");
    batch.delete(RECENT, key(writer, n.saturating_sub(WINDOW)));
    batch.put(COPY, key(writer, n), body(n));
    batch
}

fn key(writer: u8, n: u64) -> Vec<u8> {
    [&[writer][..], &n.to_be_bytes()].concat()
}

/// Up to 100 kB that do not compress, so that a batch is written to the journal in several pieces and journals fill.
fn body(n: u64) -> Bytes {
    static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
        let next = |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let noise = std::iter::successors(Some(1), next).map(|x| (x >> 56) as u8);
        noise.take(200_000).collect()
    });
    let (start, len) = ((n * 7 % 100_000) as usize, (n * 7_919 % 100_000) as usize);
    NOISE.slice(start..start + len)
}

fn last(disk: &Disk, writer: u8) -> u64 {
    let row = disk.get(LAST, &[writer]).unwrap();
    row.map_or(0, |row| u64::from_be_bytes(row[..].try_into().unwrap()))
}

fn check(disk: &Disk, writer: u8, acknowledged: u64) {
    let last = last(disk, writer);
    assert!(last >= acknowledged, "writer {writer}: {acknowledged} was acknowledged, {last} is there");
    for n in 1..=last {
        assert!(disk.get(BODY, &key(writer, n)).unwrap().unwrap() == body(n), "body {writer} {n}");
        assert!(disk.get(COPY, &key(writer, n)).unwrap().unwrap() == body(n), "copy {writer} {n}");
    }
    for table in [BODY, COPY, RECENT] {
        let beyond = Span::range(key(writer, last + 1), key(writer, u64::MAX));
        assert!(disk.scan(table, &beyond).unwrap().is_empty(), "half a batch in {table:?}");
    }
    let recent = disk.scan(RECENT, &Span::prefix(vec![writer])).unwrap();
    assert_eq!(recent.len() as u64, last.min(WINDOW));
}
