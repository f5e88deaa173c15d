//! Key and certificate files: written whole or not at all, secrets for their owner only (SEC-12).

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a key file; a longer one is no key.
const SECRET_MAX: u64 = 64 * 1024;
const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
const OTHERS: u32 = 0o077;

/// Writes or replaces `path` so that a crash leaves the old content or the new, readable by its owner alone.
pub fn write_secret(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let path = path.as_ref();
    replace(path, bytes.as_ref(), SECRET_MODE).map_err(at(path))
}

/// The same for what everybody may read (less what the umask forbids).
pub fn write_public(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let path = path.as_ref();
    replace(path, bytes.as_ref(), PUBLIC_MODE).map_err(at(path))
}

/// The content of a key file.
///
/// # Errors
/// `Exposed` when the file's mode gives group or others any right: such a key must be taken as known.
pub fn read_secret(path: impl AsRef<Path>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let path = path.as_ref();
    let file = File::open(path).map_err(at(path))?;
    let metadata = file.metadata().map_err(at(path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || metadata.len() > SECRET_MAX {
        return Err(at(path)(io::Error::new(io::ErrorKind::InvalidData, "not a key file")));
    }
    if mode & OTHERS != 0 {
        return Err(Error::Exposed { path: path.into(), mode });
    }

    // Large enough from the start, so that no half-read copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX as usize));
    file.take(SECRET_MAX).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(bytes)
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File { path: path.into(), source }
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary(path)?;
    let done = fill(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = done {
        // What remains is ours and useless; that it cannot be removed would say less than why it was to be.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder(path))?.sync_all()
}

fn fill(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name beside `path` that nobody else uses.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;

    let mut unique = OsString::from(".");
    unique.push(name);
    unique.push(format!(".{:016x}", u64::from_be_bytes(random)));
    Ok(folder(path).join(unique))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
