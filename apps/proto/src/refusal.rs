//! Result atoms (SPEC appendix C): what `error` and `ok` carry as their code.
use std::fmt;

use etf::{AtomEnum, Atoms};

/// Why a request was turned down. The text is the atom the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AtomEnum)]
pub enum Refusal {
    /// Shape, type, atom or limit wrong (G-2).
    InvalidData,
    /// Not allowed for this identity or role (G-2).
    PermissionDenied,
    /// Another's profile (G-3).
    NotAuthorized,
    /// An optional call that is left out.
    NotSupported,
    /// Fault of the server; nothing was changed (G-2).
    Internal,
    /// No registration or session row.
    SessionNotFound,
    /// The record contradicts the session.
    MismatchUserData,
    /// Wrong code.
    InvalidSmsCode,
    /// Wrong assertion.
    InvalidJwtCode,
    /// Too many tries.
    AttemptsExpired,
    /// Registration refused.
    NumberNotAllowed,
    /// Version of the client or the topic.
    InvalidVersion,
    /// The code could not be sent.
    SmsSend,
    ProfileNotFound,
    RosterNotFound,
    ContactNotFound,
    ContactsNotFound,
    RoomNotFound,
    /// Not in that room.
    MemberNotFound,
    /// Unknown, deleted or invisible.
    MessageNotFound,
    LinkNotFound,
    /// Bad name.
    LinkInvalid,
    /// Name taken.
    LinkNotAvailable,
    /// Other things.
    NotFound,
    /// A maximum is reached.
    Limit,
    /// Size of a file or message.
    TooLarge,
    /// A ban stands against it.
    Banned,
    /// Nick taken.
    Nick,
    /// Bad nick.
    InvalidNick,
    /// Code of an e-mail address or a migration.
    WrongCode,
    /// Exists already.
    AlreadyPresent,
    /// CMS required.
    NotEncrypted,
    /// Signature check failed.
    InvalidSignature,
    /// No temporary credentials.
    Aws,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What was done. The text is the atom the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AtomEnum)]
pub enum Outcome {
    SmsSent,
    JwtSent,
    CallInProgress,
    Login,
    Logout,
    Cleared,
    Deleted,
    Verified,
    EmailSent,
    Migration,
    Aws,
    Added,
    AlreadyPresent,
    Removed,
    List,
    Search,
    Push,
    Publish,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
