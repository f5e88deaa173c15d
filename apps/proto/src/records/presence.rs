//! Who is there and what they are doing: `Presence`, `Typing`.
use bytes::Bytes;
use etf::{AtomEnum, Choice, Record, Term};

#[derive(Debug, Clone, PartialEq, Record)]
pub struct Presence {
    /// phone_id, own or asked; empty by default.
    pub uid: Option<Bytes>,
    pub status: Option<PresenceStatus>,
}

impl Default for Presence {
    fn default() -> Self {
        Self { uid: Some(Bytes::new()), status: None }
    }
}

/// On or off line, or words of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum PresenceStatus {
    Is(Online),
    Text(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Online {
    Offline,
    Online,
}

impl From<Online> for PresenceStatus {
    fn from(online: Online) -> Self {
        Self::Is(online)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Typing {
    /// Target on input, author on output (D-18).
    pub phone_id: Option<Bytes>,
    /// What is being done, as given; nil = stopped.
    pub comments: Term,
}
