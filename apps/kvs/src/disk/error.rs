//! fjall's errors as ours.

use crate::Error;

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Error {
        match error {
            fjall::Error::Io(error) => error.into(),
            fjall::Error::Storage(error) => error.into(),
            fjall::Error::Locked => Error::Locked,
            fjall::Error::InvalidVersion(_) => Error::Format,
            fjall::Error::Poisoned => Error::Stopped,
            fjall::Error::JournalRecovery(error) => Error::Corrupted(format!("journal: {error}")),
            other => Error::Corrupted(format!("{other:?}")),
        }
    }
}

impl From<fjall::LsmError> for Error {
    fn from(error: fjall::LsmError) -> Error {
        match error {
            fjall::LsmError::Io(error) => error.into(),
            fjall::LsmError::InvalidVersion(_) => Error::Format,
            other => Error::Corrupted(format!("{other:?}")),
        }
    }
}
