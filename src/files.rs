//! The bytes of files that clients upload (FTP), as files of the server's folder: `files/<account hash>/<sha256>`, and `files/part` for
//! those on their way. What has a name is whole and on the disk.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use chat::{FileWork, WorkError, WorkResult};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Bytes read at once to find out what a file holds.
const READ_BYTES: usize = 256 * 1024;
/// Files whose content is summed up while they come; of others it is read again at the end.
const SUMS_MAX: usize = 256;

/// Of the disk that the files lie on so much is left to the store, whatever is uploaded: this part of it, or so many bytes where that is
/// less.
const RESERVE_PART: u64 = 20;
const RESERVE_BYTES: u64 = 256 << 20;

/// The folder of files.
pub(crate) struct Files {
    folder: PathBuf,
    /// Bytes of the disk that no upload takes; zero: as the constants above say.
    reserve: u64,
    /// By what they are called meanwhile.
    sums: Mutex<HashMap<Bytes, Sum>>,
}

/// SHA-256 of the first bytes of a file.
struct Sum {
    context: Context,
    upto: u64,
}

impl Files {
    pub(crate) fn new(folder: PathBuf, reserve: u64) -> Files {
        Files { folder, reserve, sums: Mutex::default() }
    }

    /// A file that has its name, to be read.
    pub(crate) fn open(&self, reference: &[u8]) -> Result<File> {
        File::open(self.file(reference)?)
    }

    pub(crate) fn work(&self, work: &FileWork) -> WorkResult {
        match self.perform(work) {
            Ok(result) => result,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                WorkResult::Failed(WorkError::Invalid)
            }
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                WorkResult::Failed(WorkError::Full)
            }
            Err(failure) => {
                tracing::error!(%failure, "a file cannot be read or written");
                WorkResult::Failed(WorkError::Broken)
            }
        }
    }

    fn perform(&self, work: &FileWork) -> Result<WorkResult> {
        match work {
            FileWork::Append { temp, offset, data } => self.append(temp, *offset, data),
            FileWork::Sync { temp } => {
                File::open(self.part(temp)?)?.sync_data()?;
                Ok(WorkResult::Sent)
            }
            FileWork::Hash { temp } => self.hash(temp),
            FileWork::Keep { temp, reference } => self.keep(temp, reference),
            FileWork::Read { reference, offset, length } => read(&self.file(reference)?, *offset, *length),
            FileWork::Remove { reference } => remove(&self.file(reference)?),
            FileWork::Drop { temp } => {
                self.sum_of(temp);
                remove(&self.part(temp)?)
            }
        }
    }

    fn append(&self, temp: &Bytes, offset: u64, data: &[u8]) -> Result<WorkResult> {
        let path = self.part(temp)?;
        let is_new = offset == 0;
        if is_new {
            make(&self.parts())?;
        }
        if !self.has_room(data.len())? {
            return Err(ErrorKind::StorageFull.into());
        }
        let mut file = OpenOptions::new().create(is_new).write(true).mode(FILE_MODE).open(&path)?;
        let length = file.metadata()?.len();
        if length < offset {
            return Err(ErrorKind::NotFound.into());
        }
        // What was summed up is what was written, or it is not known.
        let sum = self.sum_of(temp).filter(|sum| sum.upto == offset);
        if length > offset {
            file.set_len(offset)?;
        }
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(data)?;
        if is_new {
            sync(&self.parts())?;
        }
        let sum = sum.or_else(|| is_new.then(|| Sum { context: Context::new(&SHA256), upto: 0 }));
        if let Some(mut sum) = sum {
            sum.context.update(data);
            sum.upto += data.len() as u64;
            self.keep_sum(temp, sum);
        }
        Ok(WorkResult::Sent)
    }

    fn hash(&self, temp: &[u8]) -> Result<WorkResult> {
        let path = self.part(temp)?;
        let length = fs::metadata(&path)?.len();
        match self.sum_of(temp).filter(|sum| sum.upto == length) {
            Some(sum) => Ok(WorkResult::Read(Bytes::copy_from_slice(sum.context.finish().as_ref()))),
            None => hash(&path),
        }
    }

    /// Whether so many bytes more leave the store what it needs: what is written is refused once it finds no room, and the server ends.
    fn has_room(&self, more: usize) -> Result<bool> {
        let disk = rustix::fs::statvfs(self.parts())?;
        let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
        let reserve = match self.reserve {
            0 => RESERVE_BYTES.min(all / RESERVE_PART),
            said => said,
        };
        Ok(free.saturating_sub(more as u64) >= reserve)
    }

    /// Takes it out.
    fn sum_of(&self, temp: &[u8]) -> Option<Sum> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).remove(temp)
    }

    fn keep_sum(&self, temp: &Bytes, sum: Sum) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= SUMS_MAX
            && let Some(one) = sums.keys().next().cloned()
        {
            // Any of them: it is read again at its end.
            sums.remove(&one);
        }
        sums.insert(temp.clone(), sum);
    }

    /// Done again it does nothing: the answer may have been lost with the server.
    fn keep(&self, temp: &[u8], reference: &[u8]) -> Result<WorkResult> {
        let (path, target) = (self.part(temp)?, self.file(reference)?);
        let folder = target.parent().unwrap_or(&self.folder);
        make(folder)?;
        match fs::rename(&path, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound && target.exists() => {}
            Err(error) => return Err(error),
        }
        sync(folder)?;
        sync(&self.parts())?;
        Ok(WorkResult::Sent)
    }

    fn parts(&self) -> PathBuf {
        self.folder.join("part")
    }

    fn part(&self, temp: &[u8]) -> Result<PathBuf> {
        Ok(self.parts().join(plain(temp)?))
    }

    fn file(&self, reference: &[u8]) -> Result<PathBuf> {
        let mut halves = reference.splitn(2, |byte| *byte == b'/');
        let (owner, content) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        Ok(self.folder.join(plain(owner)?).join(plain(content)?))
    }
}

/// Hexadecimal digits: no name of ours is a path.
fn plain(name: &[u8]) -> Result<&str> {
    let is_plain = !name.is_empty() && name.iter().all(u8::is_ascii_hexdigit);
    let name = std::str::from_utf8(name).ok().filter(|_| is_plain);
    name.ok_or_else(|| Error::from(ErrorKind::InvalidInput))
}

/// Makes a folder, which is there from now on whatever happens.
fn make(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    for made in folder.ancestors().skip(1).take(2) {
        sync(made)?;
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}

fn hash(path: &Path) -> Result<WorkResult> {
    let mut file = File::open(path)?;
    let (mut digest, mut buffer) = (Context::new(&SHA256), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => digest.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(WorkResult::Read(Bytes::copy_from_slice(digest.finish().as_ref())))
}

fn read(path: &Path, offset: u64, length: u64) -> Result<WorkResult> {
    let file = File::open(path)?;
    // No more than there is, and no larger than that.
    let left = file.metadata()?.len().saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(length.min(left)).map_err(Error::other)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(WorkResult::Read(bytes.into()))
}

fn remove(path: &Path) -> Result<WorkResult> {
    match fs::remove_file(path) {
        Ok(()) => Ok(WorkResult::Sent),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(WorkResult::Sent),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ftp_3_a_file_has_its_name_when_it_is_whole_and_keeping_it_again_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().join("files"), 0);
        let temp = || Bytes::from_static(b"ab12");
        let reference = || Bytes::from_static(b"0f/e3");
        let append = |offset, data: &'static [u8]| {
            files.work(&FileWork::Append { temp: temp(), offset, data: Bytes::from_static(data) })
        };
        assert!(matches!(append(0, b"hello "), WorkResult::Sent));
        assert!(matches!(append(6, b"xxxxxx"), WorkResult::Sent));
        assert!(matches!(append(6, b"world"), WorkResult::Sent), "what was not acknowledged is written over");
        assert!(matches!(append(99, b"far"), WorkResult::Failed(WorkError::Invalid)));
        let expected = aws_lc_rs::digest::digest(&SHA256, b"hello world");
        assert!(matches!(files.work(&FileWork::Sync { temp: temp() }), WorkResult::Sent));
        // Once by what was summed up on the way, once by what lies there.
        for _ in 0..2 {
            let WorkResult::Read(digest) = files.work(&FileWork::Hash { temp: temp() }) else { panic!("not read") };
            assert_eq!(&digest[..], expected.as_ref());
        }
        for _ in 0..2 {
            let keep = FileWork::Keep { temp: temp(), reference: reference() };
            assert!(matches!(files.work(&keep), WorkResult::Sent));
        }
        let read = |offset, length| match files.work(&FileWork::Read { reference: reference(), offset, length }) {
            WorkResult::Read(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        assert_eq!((&read(0, 5)[..], &read(6, 100)[..]), (&b"hello"[..], &b"world"[..]));
        for _ in 0..2 {
            assert!(matches!(files.work(&FileWork::Remove { reference: reference() }), WorkResult::Sent));
        }
        let gone = files.work(&FileWork::Read { reference: reference(), offset: 0, length: 1 });
        assert!(matches!(gone, WorkResult::Failed(WorkError::Invalid)));
    }

    #[test]
    fn ftp_8_no_upload_takes_what_the_store_needs_of_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let append = |reserve| {
            let files = Files::new(folder.path().join("files"), reserve);
            files.work(&FileWork::Append {
                temp: Bytes::from_static(b"ab12"),
                offset: 0,
                data: Bytes::from_static(b"hello"),
            })
        };
        assert!(matches!(append(u64::MAX), WorkResult::Failed(WorkError::Full)));
        assert!(!folder.path().join("files/part/ab12").exists());
        assert!(matches!(append(1), WorkResult::Sent));
    }

    #[test]
    fn ftp_8_no_name_is_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().join("files"), 0);
        for reference in ["../chat.toml", "ab/../../chat.toml", "", "/", "ab/", "ab"] {
            let read = FileWork::Read { reference: Bytes::from_static(reference.as_bytes()), offset: 0, length: 9 };
            assert!(matches!(files.work(&read), WorkResult::Failed(WorkError::Invalid)), "{reference}");
        }
    }
}
