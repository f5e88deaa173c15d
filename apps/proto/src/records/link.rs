//! `Link`: an invitation name of a room (LINK-1 to LINK-6).
use bytes::Bytes;
use etf::{AtomEnum, Record};

#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Link {
    /// The name itself.
    pub id: Option<Bytes>,
    pub name: Option<Bytes>,
    pub room_id: Option<Bytes>,
    /// Milliseconds.
    pub created: Option<u64>,
    pub r#type: Option<LinkType>,
    pub status: Option<LinkStatus>,
}

/// `group` is undeclared and means any room type (C-7, D-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum LinkType {
    Broadcast,
    Channel,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum LinkStatus {
    Check,
    Add,
    Get,
    Join,
    Update,
    Delete,
}
