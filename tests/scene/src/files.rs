//! The simulated server's files: what a disk would hold, as a crash leaves it.

use std::collections::HashMap;

use bytes::Bytes;
use chat::{FileWork, WorkError, WorkResult};

/// Bytes by what they are called, under way and whole.
#[derive(Default)]
pub(crate) struct Files {
    parts: HashMap<Bytes, Vec<u8>>,
    whole: HashMap<Bytes, Vec<u8>>,
    /// How much of a part a loss of power leaves.
    synced: HashMap<Bytes, usize>,
}

impl Files {
    /// The power is lost: what was written only is gone.
    pub(crate) fn crash(&mut self) {
        for (temp, part) in &mut self.parts {
            part.truncate(self.synced.get(temp).copied().unwrap_or_default());
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.parts.len() + self.whole.len()
    }

    pub(crate) fn work(&mut self, work: FileWork) -> WorkResult {
        self.perform(work).unwrap_or(WorkResult::Failed(WorkError::Invalid))
    }

    fn perform(&mut self, work: FileWork) -> Option<WorkResult> {
        Some(match work {
            FileWork::Append { temp, offset, data } => {
                let part = self.parts.entry(temp).or_default();
                let offset = usize::try_from(offset).ok().filter(|offset| *offset <= part.len())?;
                part.truncate(offset);
                part.extend_from_slice(&data);
                WorkResult::Sent
            }
            FileWork::Sync { temp } => {
                let length = self.parts.get(&temp)?.len();
                self.synced.insert(temp, length);
                WorkResult::Sent
            }
            FileWork::Hash { temp } => WorkResult::Read(digest(self.parts.get(&temp)?)),
            FileWork::Keep { temp, reference } => {
                match self.parts.remove(&temp) {
                    Some(part) => drop(self.whole.insert(reference, part)),
                    None => drop(self.whole.get(&reference)?),
                }
                WorkResult::Sent
            }
            FileWork::Read { reference, offset, length } => {
                let bytes = self.whole.get(&reference)?.iter().skip(offset as usize).take(length as usize);
                WorkResult::Read(bytes.copied().collect())
            }
            FileWork::Remove { reference } => {
                self.whole.remove(&reference);
                WorkResult::Sent
            }
            FileWork::Drop { temp } => {
                self.parts.remove(&temp);
                WorkResult::Sent
            }
        })
    }
}

/// As good as a SHA-256 here: 32 bytes that differ where content does.
fn digest(bytes: &[u8]) -> Bytes {
    use std::hash::{DefaultHasher, Hasher};
    let part = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        hasher.finish().to_be_bytes()
    };
    (0..4).flat_map(part).collect()
}
