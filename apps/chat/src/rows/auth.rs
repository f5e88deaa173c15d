//! On the way to an account: registrations, codes, invites, and what the organisation's directory says.

use bytes::Bytes;
use etf::Record;
use kvs::Table;
use proto::records::{Feature, Os};

/// client id → [`Pending`] registration. Writer: the profile of the phone it names.
pub const PENDING: Table = Table("pending");
/// phone → [`Tries`]: codes sent and wrong codes (AUTH-1, AUTH-15). Writer: profile.
pub const TRIES: Table = Table("tries");
/// phone/SHA-256 of a code → [`Invite`] (ID-11). Writer: the profile of the phone it names.
pub const INVITE: Table = Table("invite");
/// phone → [`Standing`]: the account is, or was, of somebody whom the organisation's directory has (ID-11). Writer: profile.
pub const STANDING: Table = Table("standing");
/// phone → [`Proof`]: the code that an e-mail address is waiting for (PROFILE-5). Writer: profile.
pub const PROOF: Table = Table("proof");

/// A registration that waits for its code (SPEC 6.2).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Pending {
    pub phone: Bytes,
    pub dev_key: Bytes,
    /// SHA-256 of the code; absent while an invite or a token is the proof; empty while a password of the directory is.
    pub code: Option<Bytes>,
    /// What the endorsement of its challenge says (ID-12).
    pub nonce: Option<Bytes>,
    pub resends: u64,
    pub expires: u64,
    pub os: Option<Os>,
    /// The push token that came with it, sealed by the number.
    pub push: Option<Bytes>,
    pub settings: Vec<Feature>,
    pub csr: Option<Bytes>,
}

impl Pending {
    /// The directory is asked whether what is shown is the person's password.
    pub(crate) fn is_by_password(&self) -> bool {
        self.code.as_ref().is_some_and(Bytes::is_empty)
    }
}

/// Where an account stands with the directory.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Standing {
    /// Since when nobody may come in, milliseconds; 0: the person may.
    pub barred: u64,
}

/// Codes and wrong codes of a number: the times they happened, milliseconds, at most a handful (AUTH-1, AUTH-15).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Tries {
    pub codes: Vec<u64>,
    pub wrong: u64,
    pub locked_until: u64,
    /// Client ids whose registration waits for its code.
    pub waiting: Vec<Bytes>,
    /// 1 when the account was made by a fake number, which opens no other (ID-15).
    pub fake: u64,
}

/// A code that was sent for something else than a registration.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Proof {
    /// What it proves.
    pub to: Bytes,
    /// SHA-256 of the code.
    pub code: Bytes,
    pub wrong: u64,
    pub expires: u64,
}

/// A code issued beforehand (ID-11).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Invite {
    pub phone: Bytes,
    pub expires: u64,
}
