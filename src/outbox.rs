//! Files of the outbox, which only the operator reads: a line for each thing that would have been sent.

use std::fs::{self, File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MODE: u32 = 0o600;

/// Adds a line. A file of `max` bytes becomes `.old` before, in place of the one that was that.
pub(crate) fn append(path: &Path, line: &[u8], max: u64) -> Result<File> {
    if fs::metadata(path).is_ok_and(|file| file.len() >= max) {
        fs::rename(path, path.with_extension("old"))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(MODE).open(path)?;
    file.write_all(line)?;
    Ok(file)
}
