//! The sender `log` (PUSH-7): pushes go to a file, for tests and for whoever has no gateway.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use push::{Push, Sender, Trying, Verdict};

use crate::clock;

/// Bytes of the file; then it becomes `pushes.old`, in place of the one before.
const FILE_MAX: u64 = 4 << 20;
const FILE_MODE: u32 = 0o600;
/// What stands in a line for the push token, which is nobody's business.
pub(crate) const TOKEN: &str = "(token)";

pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn new(path: PathBuf) -> Log {
        Log(path)
    }

    /// When, device, system, the record in hexadecimal, and what a gateway would have been given.
    fn append(&self, push: &Push) -> std::io::Result<()> {
        let path: &Path = &self.0;
        if fs::metadata(path).is_ok_and(|file| file.len() >= FILE_MAX) {
            fs::rename(path, path.with_extension("old"))?;
        }
        let mut line = format!("{} {} ", clock::utc(SystemTime::now()), push.about).into_bytes();
        line.extend_from_slice(&push.body);
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?.write_all(&line)
    }
}

impl Sender for Log {
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a> {
        Box::pin(async move {
            match self.append(push) {
                Ok(()) => Verdict::Accepted,
                Err(failure) => {
                    tracing::error!(%failure, "the outbox of pushes failed");
                    Verdict::Later { why: "the outbox failed".into(), after: None }
                }
            }
        })
    }
}
