//! A file on its way to the server, as it lies there or sealed.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ca::cms::{FILE_PART, FILE_TAG, FileKey};

use super::sum::Sum;
use crate::Error;

/// Bytes that are read at once to find out what a file holds.
const READ: usize = 1 << 20;

/// Any part of it can be read, so that an upload goes on from anywhere.
pub(crate) struct Source {
    file: File,
    plain: u64,
    stamp: Stamp,
    key: Option<FileKey>,
    /// The part that was sealed last.
    sealed: Mutex<Option<(u64, Bytes)>>,
}

/// By which a file is known to be as it was: its length, and when it was written last.
type Stamp = (u64, i64, i64);

impl Source {
    /// With a key it is sealed. A key seals one content, or it gives both away: whoever opens a file again asks [`Source::sum`] first.
    pub(crate) fn open(path: &Path, key: Option<FileKey>) -> Result<Source, Error> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() == 0 {
            return Err(Error::local(format!("{} is no file with anything in it", path.display())));
        }
        let stamp = stamp(&file)?;
        Ok(Source { file, plain: about.len(), stamp, key, sealed: Mutex::default() })
    }

    /// The same file, sealed under this key.
    pub(crate) fn sealed_by(self, key: FileKey) -> Source {
        Source { key: Some(key), ..self }
    }

    pub(crate) fn key(&self) -> Option<&FileKey> {
        self.key.as_ref()
    }

    /// Bytes of the file itself.
    pub(crate) fn plain(&self) -> u64 {
        self.plain
    }

    /// SHA-256 of the file itself.
    pub(crate) fn sum(&self) -> io::Result<[u8; 32]> {
        let (mut sum, mut at) = (Sum::default(), 0);
        while at < self.plain {
            let block = self.block(at, READ as u64)?;
            sum.add(&block);
            at += block.len() as u64;
        }
        Ok(sum.end())
    }

    /// Bytes that are handed over.
    pub(crate) fn size(&self) -> u64 {
        match self.key {
            Some(_) => self.plain + self.plain.div_ceil(FILE_PART as u64) * FILE_TAG as u64,
            None => self.plain,
        }
    }

    /// The bytes from `at` on, at most so many; there are some before the end.
    pub(crate) fn read(&self, at: u64, most: usize) -> io::Result<Bytes> {
        let Some(key) = &self.key else {
            return self.block(at, most as u64).map(Bytes::from);
        };
        let whole = (FILE_PART + FILE_TAG) as u64;
        let (number, inside) = (at / whole, (at % whole) as usize);
        let mut kept = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let part = match &*kept {
            Some((last, part)) if *last == number => part.clone(),
            Some(_) | None => {
                let mut part = self.block(number * FILE_PART as u64, FILE_PART as u64)?;
                let is_last = (number + 1) * FILE_PART as u64 >= self.plain;
                let number_32 = u32::try_from(number).map_err(io::Error::other)?;
                key.seal_part(number_32, is_last, &mut part).map_err(io::Error::other)?;
                let part = Bytes::from(part);
                *kept = Some((number, part.clone()));
                part
            }
        };
        Ok(part.slice(inside.min(part.len())..(inside + most).min(part.len())))
    }

    /// Somebody has written into it since it was opened: what was sent of it is of no use.
    pub(crate) fn has_changed(&self) -> bool {
        stamp(&self.file).ok() != Some(self.stamp)
    }

    fn block(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; most.min(self.plain.saturating_sub(at)) as usize];
        self.file.read_exact_at(&mut block, at)?;
        match self.has_changed() {
            true => Err(io::Error::other("the file has changed")),
            false => Ok(block),
        }
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let about = file.metadata()?;
    Ok((about.len(), about.mtime(), about.mtime_nsec()))
}
