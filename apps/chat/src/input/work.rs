//! How slow work has ended.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::door::Certificate;

/// How slow work ended.
#[derive(Clone)]
pub enum WorkResult {
    /// The code is on its way (ID-11); what was to be done with a file is done.
    Sent,
    /// What was asked for of a file (FTP).
    Read(Bytes),
    /// All signatures are good (SEC-8).
    Verified,
    /// The authority issued a certificate (ID-14).
    Issued(Arc<Certificate>),
    /// Whom the directory has under a number (ID-11).
    Listed(Option<Arc<Listed>>),
    /// The directory cannot be asked; what was known of an account still holds. Whom it had under the number, if that is remembered.
    AsBefore(Option<Arc<Listed>>),
    Failed(WorkError),
}

/// Without the content of files (SEC-10).
impl fmt::Debug for WorkResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkResult::Failed(why) => write!(f, "Failed({why:?})"),
            WorkResult::Sent
            | WorkResult::Read(_)
            | WorkResult::Verified
            | WorkResult::Issued(_)
            | WorkResult::Listed(_)
            | WorkResult::AsBefore(_) => f.write_str("WorkResult(..)"),
        }
    }
}

/// Somebody whom the organisation's directory has, as far as an account takes it from there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub given: Option<String>,
    pub surname: Option<String>,
}

/// Why slow work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkError {
    /// What it was given is no good: a bad certificate request, a bad signature.
    Invalid,
    /// There is nobody to do it: no provider, no authority.
    Unsupported,
    /// It was tried and failed.
    Broken,
    /// It was asked for too often from one address.
    TooOften,
    /// There is no room on the disk.
    Full,
}
