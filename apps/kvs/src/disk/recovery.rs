//! Looks through fjall's journals before fjall does, and says what it would keep to itself.
//!
//! fjall takes what it cannot decode for the end of a journal and cuts off all that follows, be it acknowledged; a batch with a wrong
//! checksum it refuses, be it the last one, which power loss can leave so though nobody was told that it is kept. Here the two are told
//! apart: a break that whole batches follow is damage, and so is any in a journal that has a successor, since one is synced entirely
//! before the next is made. A break at the very end is a batch that was being written: it is put aside and cut off.
//!
//! The format is that of fjall 3.1 (`journal/entry.rs`): a batch is a start with count and sequence number, its changes, and an end with
//! their checksum and a magic word. Zeros follow the last batch, as many as there are.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use xxhash_rust::xxh3::Xxh3;

use super::journal;
use crate::Error;

/// What a store of this format has in its file `version`, and each batch at its end.
const MAGIC: [u8; 4] = *b"FJL\x03";
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// Bytes read at once.
const STEP: usize = 64 << 10;
/// Sequence numbers that may have been given without a batch, at most, before one that follows another.
const GAP: u64 = 1 << 20;
/// What was cut off is kept under names that begin so; of more than that many the oldest go.
const ASIDE: &str = "cut-";
const ASIDE_MAX: usize = 8;

/// Sees to it that fjall, opening `folder`, will read all that was ever acknowledged.
///
/// # Errors
/// [`Error::Corrupted`] when something is lost; nothing was changed. [`Error::Locked`] when another instance has the folder.
pub(super) fn check(folder: &Path, version: &[u8]) -> Result<(), Error> {
    if !version.starts_with(&MAGIC) {
        // Another format: fjall says so.
        return Ok(());
    }
    let _alone = lock(folder)?;
    let numbers = journal::numbers(folder)?;
    let mut before = None;
    for &number in &numbers {
        let file = File::open(journal::name(folder, number))?;
        let whole = whole(&file, before)?;
        before = whole.last;
        let rest = rest(&file, whole.end)?;
        if rest.is_empty() {
            continue;
        }
        if numbers.last() != Some(&number) || holds_batch(&rest, before) {
            return Err(Error::Corrupted(format!("{number}.jnl from byte {}", whole.end)));
        }
        cut(folder, number, whole.end, &rest)?;
    }
    Ok(())
}

/// fjall's own lock, until it takes it itself.
fn lock(folder: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().read(true).write(true).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The whole batches from a journal's beginning on: where they end, and the last one's number, or that of the last before them.
struct Whole {
    end: u64,
    last: Option<u64>,
}

fn whole(file: &File, before: Option<u64>) -> io::Result<Whole> {
    let mut from = BufReader::with_capacity(STEP, file);
    let mut whole = Whole { end: 0, last: before };
    while let Some(batch) = read(&mut from, |_| true)? {
        whole = Whole { end: whole.end + batch.length, last: Some(batch.number) };
    }
    Ok(whole)
}

/// What a journal has from `end` on, without the zeros at its end. More than one batch only when it is damaged.
fn rest(mut file: &File, end: u64) -> io::Result<Vec<u8>> {
    let (mut step, zeros) = (vec![0; STEP], vec![0; STEP]);
    let (mut at, mut filled) = (end, end);
    file.seek(SeekFrom::Start(end))?;
    loop {
        let length = file.read(&mut step)?;
        let (Some(read @ [_, ..]), Some(zeros)) = (step.get(..length), zeros.get(..length)) else { break };
        if read != zeros {
            filled = at + read.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        }
        at += length as u64;
    }
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(filled - end).read_to_end(&mut rest)?;
    Ok(rest)
}

/// Whether a whole batch lies somewhere behind the broken one that `rest` begins with. Its number must be one that can follow the `last`:
/// what looks like a batch within a row is none.
fn holds_batch(rest: &[u8], last: Option<u64>) -> bool {
    let most = rest.len() as u64 + GAP;
    let follows = |number: u64| last.is_none_or(|last| number > last && number - last <= most);
    let is_batch = |mut from: &[u8]| matches!(read(&mut from, follows), Ok(Some(_)));
    (1..rest.len()).filter_map(|at| rest.get(at..)).any(|from| from.first() == Some(&START) && is_batch(from))
}

/// Puts aside what the newest journal has from `end` on, then cuts it off.
fn cut(folder: &Path, number: u64, end: u64, rest: &[u8]) -> Result<(), Error> {
    make_room(folder)?;
    let aside = folder.join(format!("{ASIDE}{number}-{end}"));
    let mut kept = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    kept.write_all(rest)?;
    kept.sync_all()?;
    File::open(folder)?.sync_all()?;

    let journal = OpenOptions::new().write(true).open(journal::name(folder, number))?;
    journal.set_len(end)?;
    journal.sync_all()?;
    let bytes = rest.len();
    tracing::warn!(journal = number, end, bytes, aside = %aside.display(), "the last write was not finished when the server ended, and so not acknowledged (unless the disk has damaged it since): it is cut off and put aside");
    Ok(())
}

/// The oldest of those put aside make room for one more.
fn make_room(folder: &Path) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            kept.push((entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
        }
    }
    kept.sort();
    let surplus = (kept.len() + 1).saturating_sub(ASIDE_MAX);
    kept.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

struct Batch {
    number: u64,
    length: u64,
}

/// The batch that `from` begins with; none when it begins with no whole one, or its number is none of the `known`.
fn read(from: &mut impl BufRead, known: impl Fn(u64) -> bool) -> io::Result<Option<Batch>> {
    let mut reading = Reading { from, length: 0, sum: Xxh3::new() };
    match reading.batch(known) {
        Ok(number) => Ok(Some(Batch { number, length: reading.length })),
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Reading<'a, R> {
    from: &'a mut R,
    length: u64,
    sum: Xxh3,
}

impl<R: BufRead> Reading<'_, R> {
    fn batch(&mut self, known: impl Fn(u64) -> bool) -> io::Result<u64> {
        let [START] = self.take()? else { return Err(ErrorKind::InvalidData.into()) };
        let count = u32::from_le_bytes(self.take()?);
        let number = u64::from_le_bytes(self.take()?);
        if !known(number) {
            return Err(ErrorKind::InvalidData.into());
        }
        self.sum = Xxh3::new();
        for _ in 0..count {
            self.change()?;
        }
        let sum = self.sum.digest();
        let [END] = self.take()? else { return Err(ErrorKind::InvalidData.into()) };
        match (u64::from_le_bytes(self.take()?), self.take()?) {
            (kept, MAGIC) if kept == sum => Ok(number),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn change(&mut self) -> io::Result<()> {
        match self.take()? {
            [ITEM] => {
                // A value, one of two kinds of its absence, a reference; plain or packed with LZ4.
                let [0 | 1 | 2 | 4, 0 | 1] = self.take()? else { return Err(ErrorKind::InvalidData.into()) };
                let _table: [u8; 8] = self.take()?;
                let key = u16::from_le_bytes(self.take()?);
                let _unpacked: [u8; 4] = self.take()?;
                let value = u32::from_le_bytes(self.take()?);
                self.pass(u64::from(key) + u64::from(value))
            }
            [CLEAR] => self.pass(8),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        self.sum.update(&bytes);
        self.length += N as u64;
        Ok(bytes)
    }

    fn pass(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let all = self.from.fill_buf()?;
            let some = usize::try_from(left).ok().and_then(|left| all.get(..left)).unwrap_or(all);
            if some.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.sum.update(some);
            let length = some.len();
            self.from.consume(length);
            left -= length as u64;
            self.length += length as u64;
        }
        Ok(())
    }
}
