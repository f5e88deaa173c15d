//! What the authority keeps: the log of what it has issued, and what it has taken back.

use bytes::Bytes;
use ca::Reason;
use etf::{AtomEnum, Record};
use kvs::Table;

/// When, serial number → [`Issuance`]: the log, oldest first. Rows are only added, by whoever issues; serial numbers are random, so that
/// keys cannot meet.
pub(crate) const ISSUED: Table = Table("issued");
/// Serial number → when: where it is in the log. The same writer.
pub(crate) const SERIAL: Table = Table("serial");
/// SHA-256 of a public key, serial number → empty: its certificates. The same writer.
pub(crate) const SIGNED_FOR: Table = Table("signed_for");
/// Serial number → [`Revocation`]. Writer: the registrar.
pub(crate) const REVOKED: Table = Table("revoked");

pub(crate) const TABLES: &[Table] = &[ISSUED, SERIAL, SIGNED_FOR, REVOKED];

/// One certificate, as it was issued. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub(crate) struct Issuance {
    pub(crate) kind: Kind,
    /// Of a device `phone/dev_key`; of others the common name.
    pub(crate) name: Bytes,
    /// SHA-256 of the public key.
    pub(crate) key: Bytes,
    pub(crate) at: u64,
    pub(crate) until: u64,
}

/// By which profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AtomEnum)]
pub(crate) enum Kind {
    #[default]
    Device,
    Client,
    Service,
    Server,
    Admin,
    /// Signs answers of CMP.
    Responder,
}

/// It is no longer good, from `at` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub(crate) struct Revocation {
    pub(crate) at: u64,
    /// The number of its [`Reason`].
    pub(crate) reason: u64,
    /// When it would have ended by itself; then it need not be listed.
    pub(crate) until: u64,
}

impl Revocation {
    /// What holds when it is revoked again: from the earlier time on, and for the graver reason, else for that of the earlier time.
    pub(crate) fn and(self, other: Revocation) -> Revocation {
        let (first, second) = if other.at < self.at { (other, self) } else { (self, other) };
        let is_graver = second.reason().reaches_back() && !first.reason().reaches_back();
        Revocation { reason: if is_graver { second.reason } else { first.reason }, ..first }
    }

    pub(crate) fn reason(&self) -> Reason {
        u8::try_from(self.reason).ok().and_then(Reason::of_code).unwrap_or(Reason::Unspecified)
    }
}

pub(crate) fn issued_key(at: u64, serial: &[u8]) -> Bytes {
    [&at.to_be_bytes(), serial].concat().into()
}
