//! A connection asks its account to let it in (CON-3), and what its session knows of the account then.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{Address, DevKey, Phone, PhoneId};

use crate::door::{Certificate, Role};
use crate::protocol::work::Errand;

/// What an account's own connection has proved, for the profile to judge (CON-3, ID-9, ID-10).
#[derive(Clone)]
pub struct Admit {
    pub session: Arc<str>,
    pub connection: u64,
    pub device: DevKey,
    pub password: Option<Bytes>,
    pub certificate: Option<Arc<Certificate>>,
    /// The client id that it came by.
    pub called: Bytes,
    /// The device is connected: its session is in use.
    pub in_use: bool,
}

/// Without the password (SEC-10).
impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admit").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What an earlier life of a device has acknowledged is being forgotten (DLV-12).
#[derive(Clone)]
pub struct Forgetting {
    /// A number of the time at which that life was over.
    pub(crate) before: u64,
    /// Streams up to this one are done.
    pub(crate) at: Bytes,
    /// Who waits for it.
    pub(crate) errand: Option<Box<Errand>>,
}

impl Forgetting {
    pub(crate) fn all(before: u64) -> Box<Forgetting> {
        Box::new(Forgetting { before, at: Bytes::new(), errand: None })
    }
}

/// The profile's yes.
#[derive(Clone)]
pub struct Admitted {
    pub connection: u64,
    pub role: Role,
    /// Absent for a guest.
    pub account: Option<Arc<Account>>,
    /// The device's birth number: what is older is not due (AUTH-4, DLV-11).
    pub birth: u64,
    /// AUTH-5: the record that hands out a renewed token, encoded.
    pub renewed: Option<Bytes>,
    /// DLV-12: it was away for too long; what was due to it is forgotten.
    pub fresh: bool,
    /// DLV-13: it acknowledges by PUBACK instead of the Ack record.
    pub puback: bool,
    /// When the certificate that opened it ends (AUTH-13).
    pub until: Option<u64>,
}

/// Without the token (SEC-10).
impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Facts about an account that its sessions hold while connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub phone: Phone,
    /// Ascending; the first is the default roster (ID-3).
    pub rosters: Vec<u64>,
    /// Device keys of all session rows.
    pub devices: Vec<DevKey>,
}

impl Account {
    /// The phone_id that stands for `[]` (G-4).
    pub fn default_roster(&self) -> Option<PhoneId> {
        self.rosters.first().map(|roster| self.phone.roster(*roster))
    }

    /// An own roster by whatever name it has: in full, by its number, or by the account's phone the default one (ID-4).
    pub fn roster(&self, name: &[u8]) -> Option<PhoneId> {
        let roster = match Address::parse_own(name, &self.phone).ok()? {
            Address::Full(id) => Some(id),
            Address::Roster(id) => Some(self.phone.roster(id)),
            Address::Phone(phone) => self.default_roster().filter(|_| phone == self.phone),
        };
        roster.filter(|roster| self.owns(roster))
    }

    pub fn owns(&self, roster: &PhoneId) -> bool {
        *roster.phone() == self.phone && self.rosters.contains(&roster.roster())
    }
}
