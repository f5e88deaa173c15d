//! `Profile`: an account (PROFILE-1 to PROFILE-11).
use bytes::Bytes;
use etf::{AtomEnum, Choice, Decode, Error, Reader, Record};

use super::{Feature, PresenceStatus, Roster, Service};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(also(9 = "Profile::from_v1", 8 = "Profile::from_8"))]
pub struct Profile {
    /// Account key.
    pub phone: Option<Bytes>,
    pub services: Vec<Service>,
    pub rosters: Vec<RosterEntry>,
    /// Time of last change, milliseconds; in `get` the client's last sync.
    pub update: Option<u64>,
    pub settings: Vec<Feature>,
    /// Time of creation, milliseconds.
    pub date: Option<u64>,
    pub balance: Option<i64>,
    pub presence: Option<PresenceStatus>,
    pub status: Option<ProfileStatus>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            phone: None,
            services: Vec::new(),
            rosters: Vec::new(),
            update: None,
            settings: Vec::new(),
            date: Some(0),
            balance: Some(0),
            presence: None,
            status: None,
        }
    }
}

impl Profile {
    /// Arity 9: settings stand before update, there is no date (C-6).
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            phone: Decode::decode(r)?,
            services: Decode::decode(r)?,
            rosters: Decode::decode(r)?,
            settings: Decode::decode(r)?,
            update: Decode::decode(r)?,
            date: Some(0),
            balance: Decode::decode(r)?,
            presence: Decode::decode(r)?,
            status: Decode::decode(r)?,
        })
    }

    /// Arity 8: only phone, first, and status, last, are read (C-6).
    fn from_8(r: &mut Reader<'_>) -> Result<Self, Error> {
        let phone = Decode::decode(r)?;
        for _ in 0..5 {
            r.skip()?;
        }
        Ok(Self { phone, status: Decode::decode(r)?, ..Self::default() })
    }
}

/// A roster of a profile: whole, or by its name.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum RosterEntry {
    Roster(Box<Roster>),
    Id(u64),
    Name(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum ProfileStatus {
    Remove,
    Get,
    Patch,
    Update,
    Delete,
    Create,
    Init,
    Set,
    Link,
    Email,
    Aws,
    Migrate,
    Phone,
}
