//! A file on its way from the server to where it shall lie.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ca::cms::{FILE_PART, FILE_TAG, FileKey};

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
        let at = match key {
            Some(_) => {
                let parts = length / FILE_PART as u64;
                file.set_len(parts * FILE_PART as u64)?;
                parts * (FILE_PART + FILE_TAG) as u64
            }
            None => length,
        };
        let place = Place { file, meanwhile, to: to.to_owned() };
        Ok(Sink { place: Some(place), key, at, sealed: Vec::new(), is_whole: false })
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
        match &self.place {
            Some(place) => Ok(place.file.set_len(0)?),
            None => Ok(()),
        }
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
        match &mut self.place {
            Some(place) => Ok(place.file.write_all(data)?),
            None => Ok(()),
        }
    }

    /// Nothing more comes: it has its name now.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.key.is_some() && !self.is_whole {
            return Err(ca::cms::Fault::Unreadable.into());
        }
        let Some(place) = &self.place else { return Ok(()) };
        place.file.sync_data()?;
        // Another may have come there meanwhile: it stays.
        fs::hard_link(&place.meanwhile, &place.to)?;
        fs::remove_file(&place.meanwhile)?;
        Ok(())
    }
}
