//! `Friend`: what one roster wants of another (FRIEND-1 to FRIEND-10).
use bytes::Bytes;
use etf::{AtomEnum, Decode, Error, Reader, Record};

use super::Feature;

#[derive(Debug, Clone, PartialEq, Default, Record)]
#[record(also(4 = "Friend::from_v1"))]
pub struct Friend {
    /// Own.
    pub phone_id: Option<Bytes>,
    /// The other.
    pub friend_id: Option<Bytes>,
    /// For `update`.
    pub settings: Vec<Feature>,
    pub status: Option<FriendStatus>,
}

impl Friend {
    /// Arity 4: no settings (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            phone_id: Decode::decode(r)?,
            friend_id: Decode::decode(r)?,
            settings: Vec::new(),
            status: Decode::decode(r)?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum FriendStatus {
    Ban,
    Unban,
    Request,
    Confirm,
    Update,
    Ignore,
    Contact,
    Simple,
    List,
    CommonGroups,
    Mute,
    Unmute,
    Revoke,
}
