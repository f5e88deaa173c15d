//! Uploads under way, remembered in the device's folder: when the program is killed the next run goes on where it was (FTP-4).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ca::Zeroizing;
use ca::cms::FileKey;
use serde::{Deserialize, Serialize};

use super::Source;
use super::sum::Sum;
use crate::sealed::{hex, unhex};
use crate::{Error, Options};

/// So long a server keeps what is unfinished.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// A folder with a file for each of them, which has the key of what is sealed and is its owner's alone to read.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    client_id: String,
}

/// A file that is handed over: whole and new, or going on.
pub(crate) struct Upload {
    pub(crate) source: Source,
    /// SHA-256 of the file itself.
    pub(crate) sum: [u8; 32],
    pub(crate) place: Place,
}

/// Where the server has it.
#[derive(Default)]
pub(crate) struct Place {
    name: Option<String>,
    /// It comes from an earlier run.
    pub(crate) is_old: bool,
    kept: Option<(PathBuf, Row)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    /// Whose it is: the server knows it for this account alone.
    client_id: String,
    /// What the file held: with another content it is another upload, under another key.
    sum: String,
    /// Of what is sealed, in hexadecimal.
    key: Option<String>,
    nonce: Option<String>,
    place: Option<String>,
}

impl Uploads {
    pub(crate) fn of(options: &Options) -> Option<Uploads> {
        Some(Uploads { folder: options.uploads.clone()?, client_id: options.client_id.clone() })
    }

    /// Goes on with what is remembered of this file, if it is as it was and the way is the same; else begins.
    fn find(&self, path: &Path, seal: bool, by_web: bool, sum: &[u8; 32]) -> Option<Row> {
        let row: Row = serde_json::from_slice(&ca::files::read_secret(self.file(path, seal)).ok()?).ok()?;
        let place = row.place.as_deref()?;
        let is_it = row.client_id == self.client_id && row.sum == hex(sum) && by_web == place.starts_with('/');
        (is_it && row.key.is_some() == seal).then_some(row)
    }

    fn file(&self, path: &Path, seal: bool) -> PathBuf {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = [path.as_os_str().as_encoded_bytes(), &[u8::from(seal)]].concat();
        self.folder.join(hex(&Sum::of(&name)))
    }

    /// Forgets what no server has any more.
    fn sweep(&self) {
        let Ok(kept) = fs::read_dir(&self.folder) else { return };
        for one in kept.flatten() {
            let written = one.metadata().and_then(|about| about.modified());
            let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
            if age.is_some_and(|age| age > LIFE) {
                let _ = fs::remove_file(one.path());
            }
        }
    }
}

impl Upload {
    /// Reads the file once, to know what it holds. `anew`: whatever is remembered.
    pub(crate) fn begin(
        uploads: Option<&Uploads>,
        path: &Path,
        seal: bool,
        by_web: bool,
        anew: bool,
    ) -> Result<Upload, Error> {
        let source = Source::open(path, None)?;
        let sum = source.sum()?;
        let old = uploads.filter(|_| !anew).and_then(|uploads| uploads.find(path, seal, by_web, &sum));
        let key = match (seal, old.as_ref().and_then(Row::file_key)) {
            (false, _) => None,
            (true, Some(key)) => Some(key),
            (true, None) => Some(FileKey::fresh()?),
        };
        let place = match uploads {
            Some(uploads) => {
                uploads.sweep();
                let name = old.as_ref().and_then(|row| row.place.clone());
                let row = old.unwrap_or_else(|| Row::new(&uploads.client_id, &sum, key.as_ref()));
                Place { is_old: name.is_some(), name, kept: Some((uploads.file(path, seal), row)) }
            }
            None => Place::default(),
        };
        let source = match key {
            Some(key) => source.sealed_by(key),
            None => source,
        };
        Ok(Upload { source, sum, place })
    }
}

impl Place {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The server has it here from now on.
    pub(crate) fn is_at(&mut self, name: String) -> Result<(), Error> {
        if let Some((file, row)) = &mut self.kept {
            row.place = Some(name.clone());
            let local = |error: &dyn std::fmt::Display| Error::local(error.to_string());
            fs::create_dir_all(file.parent().unwrap_or(file))?;
            let text = Zeroizing::new(serde_json::to_vec(row).map_err(|error| local(&error))?);
            ca::files::write_secret(file, &*text).map_err(|error| local(&error))?;
        }
        self.name = Some(name);
        Ok(())
    }

    /// It is whole: nothing needs to be remembered.
    pub(crate) fn is_done(&self) {
        if let Some((file, _)) = &self.kept {
            let _ = fs::remove_file(file);
        }
    }
}

impl Row {
    fn new(client_id: &str, sum: &[u8; 32], key: Option<&FileKey>) -> Row {
        Row {
            client_id: client_id.to_owned(),
            sum: hex(sum),
            key: key.map(|key| hex(&*key.key)),
            nonce: key.map(|key| hex(&key.nonce)),
            place: None,
        }
    }

    fn file_key(&self) -> Option<FileKey> {
        let key = Zeroizing::new(unhex(self.key.as_deref()?.as_bytes())?);
        let nonce = unhex(self.nonce.as_deref()?.as_bytes())?;
        Some(FileKey { key: Zeroizing::new(key.as_slice().try_into().ok()?), nonce: nonce.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn ftp_4_sec_6_an_upload_is_gone_on_with_for_the_same_content_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("cake"), folder.path().join("uploads"));
        let uploads = |client: &str| Uploads { folder: kept.clone(), client_id: client.to_owned() };
        let begin =
            |client, seal, by_web, anew| Upload::begin(Some(&uploads(client)), &path, seal, by_web, anew).unwrap();
        fs::write(&path, b"cake").unwrap();
        let mut first = begin("ann", true, true, false);
        assert_eq!(first.place.name(), None);
        first.place.is_at("/ftp/up/1".into()).unwrap();
        let files: Vec<_> = fs::read_dir(&kept).unwrap().flatten().collect();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600, "a key is in it");

        // The program was killed.
        let again = begin("ann", true, true, false);
        assert_eq!((again.place.name(), again.place.is_old), (Some("/ftp/up/1"), true));
        assert!(again.source.key() == first.source.key());
        assert_eq!(again.source.read(0, 99).unwrap(), first.source.read(0, 99).unwrap());
        // Not for others, by another way, in the clear, or where the server has forgotten it.
        for other in [
            begin("ben", true, true, false),
            begin("ann", true, false, false),
            begin("ann", false, true, false),
            begin("ann", true, true, true),
        ] {
            assert_eq!((other.place.name(), other.place.is_old), (None, false));
            assert!(other.source.key() != first.source.key());
        }
        // A key never seals two contents.
        let changes = begin("ann", false, true, false);
        fs::write(&path, b"beer!").unwrap();
        assert!(begin("ann", true, true, false).source.key() != first.source.key());
        assert!(changes.source.read(0, 99).is_err(), "what has changed is not sent");
        fs::write(&path, b"cake").unwrap();
        again.place.is_done();
        assert_eq!(begin("ann", true, true, false).place.name(), None);
    }
}
