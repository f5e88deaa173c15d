//! Accounts: their numbers, devices, and what shows who they are.

use bytes::Bytes;
use etf::{AtomEnum, Record};
use kvs::{Table, View};
use n2o::Failure;
use proto::ids::{DevKey, Phone, PhoneId};
use proto::limits::GONE_MS;
use proto::records::{Feature, Os, Profile, RosterEntry, Service};

use super::{ROSTER, path, read};

/// phone → `Profile`, rosters as ids. Writer: profile.
pub const PROFILE: Table = Table("profile");
/// number → account key, where the two differ; empty: a key that is no number. `*`: there are such. Writer: the profile of the account
/// that has the number, or would have it.
pub const NUMBER: Table = Table("number");
/// account key → [`Called`]: the numbers it has had, where they differ from the key. Writer: profile.
pub const CALLED: Table = Table("called");
/// number/account key → until when the account is found by a number that it has left. Writer: profile.
pub const ALIAS: Table = Table("alias");
/// phone/dev_key → [`Device`]. Writer: profile.
pub const DEVICE: Table = Table("device");
/// phone → [`Keys`]: the certificates of its devices, in one place for all who show them. Writer: profile.
pub const KEYS: Table = Table("keys");
/// phone → [`Card`]: what a search shows of the account, made of [`PROFILE`], [`KEYS`], and the row and nick of its default roster.
/// Writer: profile and roster, which live on one thread; nicks delete it.
pub const CARD: Table = Table("card");
/// phone → empty: the account lets the world have its devices' certificates (PRIVACY, CERTIFICATES). Writer: profile. `*`: all that do are
/// here; the program writes it, before any profile runs.
pub const PUBLISHER: Table = Table("publisher");
/// SHA-256 of a public key → [`Binding`] (ID-9). Writer: the profile of the account it names.
pub const BINDING: Table = Table("binding");
/// SHA-256 of a public key, when → [`Lapsed`]: its certificates are to be revoked (ID-9). Writer: the profile that ends its binding; remover:
/// the authority, which knows them.
pub const LAPSED: Table = Table("lapsed");
/// phone NUL until, SHA-256 of a public key → empty: its binding was ended, and is forgotten when its certificate is over. Writer: profile.
pub const ENDED: Table = Table("ended");
/// verified e-mail address, in small letters → phone (SEARCH-8). Writer: nicks.
pub const EMAIL: Table = Table("email");
/// phone → `Person`, what an old client keeps there (PERSON-2). Writer: profile.
pub const PERSON: Table = Table("person");

/// What an account has been called, the present number last, each since a number of the server's sequence.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Called {
    pub numbers: Vec<(Bytes, u64)>,
}

/// A device's session row (ID-8).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Device {
    pub phone: Bytes,
    pub dev_key: Bytes,
    pub client_id: Bytes,
    pub os: Option<Os>,
    /// Its push token, sealed, and the SHA-256 by which [`Holder`](super::Holder) knows it (AUTH-7).
    pub push: Option<Bytes>,
    pub push_print: Option<Bytes>,
    pub settings: Vec<Feature>,
    pub created: u64,
    pub last_online: u64,
    /// SHA-256 of the token (ID-7), and when it was made.
    pub token: Option<Bytes>,
    pub token_made: u64,
    /// The token before, valid until the new one has been used (AUTH-5).
    pub token_before: Option<Bytes>,
    pub before_until: u64,
    /// Birth number: what has a smaller one is not due to this device (AUTH-4).
    pub birth: u64,
    /// SHA-256 of the bound public key (ID-9), and the end of its certificate.
    pub key: Option<Bytes>,
    pub key_until: u64,
    /// The key before, which opens it until the present one has been used, or for its time (AUTH-17).
    pub key_before: Option<Bytes>,
    /// DER of the bound certificate, as fellow people see it (SEC-9).
    pub certificate: Option<Bytes>,
}

impl Device {
    /// DLV-12: away for so long that its queue is erased. One that is connected is seen every day.
    pub fn is_gone(&self, now: u64) -> bool {
        now.saturating_sub(self.last_online) >= GONE_MS
    }
}

/// What an account's devices show of their keys (SEC-9), as their rows have it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Keys {
    /// When these, or those of its services, have changed last: a LastSync asks (PROFILE-1). 0 = never.
    pub update: u64,
    pub services: Vec<Service>,
}

/// An account as a search shows it to those who have nothing to do with it.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Card {
    /// Who may find it.
    pub searchable: Audience,
    /// Its rosters, ascending: the first is shown.
    pub rosters: Vec<u64>,
    /// What strangers are shown, a `Contact`, encoded; empty where it is nothing.
    pub contact: Bytes,
}

/// Whom a setting of PRIVACY lets see or do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Audience {
    #[default]
    Everyone,
    Friends,
    Nobody,
}

/// Which device a public key opens (ID-9). Ended ones stay until their certificate expires, and are refused.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Binding {
    pub phone: Bytes,
    pub dev_key: Bytes,
    pub until: u64,
    /// Since when it has been ended, or will be (AUTH-17), milliseconds; 0 while nothing ends it.
    pub ended: u64,
}

/// A key that opens nothing more, or will not from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub struct Lapsed {
    /// Milliseconds.
    pub at: u64,
    pub why: Why,
}

/// Why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub enum Why {
    /// AUTH-9, AUTH-10, PROFILE-8, SERVICE-2: the account has ended it.
    #[default]
    Ended,
    /// AUTH-17: another has taken its place.
    Superseded,
}

pub fn device_key(phone: &Phone, device: &DevKey) -> Bytes {
    path(&[phone.as_str().as_bytes(), device.as_str().as_bytes()])
}

/// Roster ids of an account, ascending (ID-3).
pub fn roster_ids(store: &dyn View, phone: &Phone) -> Result<Vec<u64>, Failure> {
    let profile: Option<Profile> = read(store, PROFILE, phone.as_str().as_bytes())?;
    Ok(profile.iter().flat_map(roster_ids_of).collect())
}

/// The same by the account's row.
pub fn roster_ids_of(profile: &Profile) -> impl Iterator<Item = u64> {
    profile.rosters.iter().filter_map(|entry| match entry {
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Roster(_) | RosterEntry::Name(_) => None,
    })
}

/// Whether there is this roster: rows may name one that has ended.
pub(crate) fn has_roster(store: &dyn View, roster: &PhoneId) -> Result<bool, Failure> {
    Ok(store.get(ROSTER, roster.as_str().as_bytes())?.is_some())
}

/// The default roster of an account (ID-3), if there is one.
pub fn default_roster(store: &dyn View, phone: &Phone) -> Result<Option<PhoneId>, Failure> {
    Ok(roster_ids(store, phone)?.first().map(|roster| phone.roster(*roster)))
}

/// Whether this is its account's default roster (ID-3).
pub fn is_default(store: &dyn View, roster: &PhoneId) -> Result<bool, Failure> {
    Ok(default_roster(store, roster.phone())?.as_ref() == Some(roster))
}
