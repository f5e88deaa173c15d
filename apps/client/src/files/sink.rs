//! A file on its way from the server to where it shall lie.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ca::cms::{FILE_PART, FILE_TAG, FileKey};

use super::BLOCK;
use super::sum::{Sum, compare};
use crate::Error;

/// Takes the bytes in their order. Until it is whole it has another name, under which a later try finds it.
pub(crate) struct Sink {
    /// None: nobody wants to keep it.
    place: Option<Place>,
    key: Option<FileKey>,
    /// Bytes taken, as the server counts them.
    at: u64,
    /// What is not yet a whole sealed part.
    sealed: Vec<u8>,
    is_whole: bool,
}

struct Place {
    file: File,
    meanwhile: PathBuf,
    to: PathBuf,
    reference: String,
    /// Of what has come, where it lies as the server has it. What is sealed proves itself, part by part.
    sum: Option<Sum>,
}

impl Sink {
    /// `reference` tells what is left of another file from what is left of this one.
    pub(crate) fn open(to: &Path, reference: &str, key: Option<FileKey>) -> Result<Sink, Error> {
        if to.exists() {
            return Err(Error::local(format!("{} is there already", to.display())));
        }
        let content = reference.rsplit('/').next().unwrap_or_default();
        let mut meanwhile = OsString::from(to);
        meanwhile.push(format!(".{}.part", content.get(..8).unwrap_or_default()));
        let meanwhile = PathBuf::from(meanwhile);
        let file = OpenOptions::new().create(true).append(true).open(&meanwhile)?;
        let length = file.metadata()?.len();
        let (at, sum) = match key {
            Some(_) => {
                // The last part comes once more: that it is the last only the server can say.
                let parts = length.saturating_sub(1) / FILE_PART as u64;
                file.set_len(parts * FILE_PART as u64)?;
                (parts * (FILE_PART + FILE_TAG) as u64, None)
            }
            None => (length, Some(sum_of(&meanwhile)?)),
        };
        let place = Place { file, meanwhile, to: to.to_owned(), reference: reference.to_owned(), sum };
        Ok(Sink { place: Some(place), key, at, sealed: Vec::new(), is_whole: false })
    }

    /// For what has been opened already, and is not what the server has.
    pub(crate) fn of_opened(to: &Path, reference: &str) -> Result<Sink, Error> {
        let mut sink = Sink::open(to, reference, None)?;
        sink.rewind()?;
        if let Some(place) = &mut sink.place {
            place.sum = None;
        }
        Ok(sink)
    }

    /// For who only wants to know how fast it comes.
    pub(crate) fn nowhere() -> Sink {
        Sink { place: None, key: None, at: 0, sealed: Vec::new(), is_whole: false }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// It comes from its beginning.
    pub(crate) fn rewind(&mut self) -> Result<(), Error> {
        self.at = 0;
        self.sealed.clear();
        let Some(place) = &mut self.place else { return Ok(()) };
        place.sum = place.sum.as_ref().map(|_| Sum::default());
        Ok(place.file.set_len(0)?)
    }

    /// The next bytes, of so many in all.
    pub(crate) fn write(&mut self, mut data: &[u8], size: u64) -> Result<(), Error> {
        if self.at + data.len() as u64 > size {
            return Err(Error::Unexpected("more of a file than there is".into()));
        }
        let Some(key) = self.key.clone() else {
            self.at += data.len() as u64;
            return self.keep(data);
        };
        while !data.is_empty() {
            let room = FILE_PART + FILE_TAG - self.sealed.len();
            let (now, rest) = data.split_at(room.min(data.len()));
            self.sealed.extend_from_slice(now);
            self.at += now.len() as u64;
            data = rest;
            let is_last = self.at == size;
            if is_last || self.sealed.len() == FILE_PART + FILE_TAG {
                let number = (self.at - 1) / (FILE_PART + FILE_TAG) as u64;
                let number = u32::try_from(number).map_err(|_| ca::cms::Fault::TooLong)?;
                let mut part = std::mem::take(&mut self.sealed);
                key.open_part(number, is_last, &mut part)?;
                self.keep(&part)?;
                self.is_whole = is_last;
            }
        }
        Ok(())
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), Error> {
        let Some(place) = &mut self.place else { return Ok(()) };
        place.file.write_all(data)?;
        if let Some(sum) = &mut place.sum {
            sum.add(data);
        }
        Ok(())
    }

    /// Nothing more comes: it has its name now. Bytes that are not the file's are thrown away, so that the next try begins anew.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.key.is_some() && !self.is_whole {
            return Err(ca::cms::Fault::Unreadable.into());
        }
        let Some(place) = &mut self.place else { return Ok(()) };
        if let Some(sum) = place.sum.take() {
            compare(&place.reference, sum.end()).inspect_err(|_| drop(fs::remove_file(&place.meanwhile)))?;
        }
        place.file.sync_data()?;
        // Another may have come there meanwhile: it stays.
        fs::hard_link(&place.meanwhile, &place.to)?;
        fs::remove_file(&place.meanwhile)?;
        Ok(())
    }
}

/// Of what an earlier try has left.
fn sum_of(path: &Path) -> Result<Sum, Error> {
    let (mut file, mut sum, mut block) = (File::open(path)?, Sum::default(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(sum),
            count => sum.add(block.get(..count).unwrap_or_default()),
        }
    }
}
