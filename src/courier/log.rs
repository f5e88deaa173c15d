//! The sender `log` (PUSH-7): pushes go to a file, for tests and for whoever has no gateway.

use std::path::PathBuf;
use std::time::SystemTime;

use push::{Push, Sender, Trying, Verdict};

use crate::{clock, outbox};

/// Bytes of the file; then another is begun.
const FILE_MAX: u64 = 4 << 20;
/// What stands in a line for the push token, which is nobody's business.
pub(crate) const TOKEN: &str = "(token)";

pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn new(path: PathBuf) -> Log {
        Log(path)
    }

    /// When, device, system, the record in hexadecimal, and what a gateway would have been given.
    fn append(&self, push: &Push) -> std::io::Result<()> {
        let mut line = format!("{} {} ", clock::utc(SystemTime::now()), push.about).into_bytes();
        line.extend_from_slice(&push.body);
        line.push(b'\n');
        outbox::append(&self.0, &line, FILE_MAX).map(drop)
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
