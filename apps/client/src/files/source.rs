//! A file on its way to the server, as it lies there or sealed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ca::cms::{FILE_PART, FILE_TAG, FileKey};

use crate::Error;

/// Any part of it can be read, so that an upload goes on from anywhere.
pub(crate) struct Source {
    file: File,
    plain: u64,
    key: Option<FileKey>,
    /// The part that was sealed last.
    sealed: Mutex<Option<(u64, Bytes)>>,
}

impl Source {
    /// `seal`: under a fresh key.
    pub(crate) fn open(path: &Path, seal: bool) -> Result<Source, Error> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() == 0 {
            return Err(Error::local(format!("{} is no file with anything in it", path.display())));
        }
        let key = if seal { Some(FileKey::fresh()?) } else { None };
        Ok(Source { file, plain: about.len(), key, sealed: Mutex::default() })
    }

    pub(crate) fn key(&self) -> Option<&FileKey> {
        self.key.as_ref()
    }

    /// Bytes of the file itself.
    pub(crate) fn plain(&self) -> u64 {
        self.plain
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

    fn block(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; most.min(self.plain.saturating_sub(at)) as usize];
        self.file.read_exact_at(&mut block, at)?;
        Ok(block)
    }
}
