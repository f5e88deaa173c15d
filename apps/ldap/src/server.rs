//! A directory server (LDAP version 3, RFC 4511): the front of entries that somebody else keeps.
//!
//! All of the protocol is here: listeners, StartTLS, binds, names, filters, limits, pages. What there is and who may see it is the
//! [`Backend`]'s: it finds entries by the values of indexed types, lists the others in slices, and says who somebody is.

mod listen;
mod connection;
mod frame;
mod search;
mod root;
mod filter;
mod entry;
mod schema;
mod dn;
pub mod ldif;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use dn::{BadDn, DN_MAX, Dn};
pub use entry::{Attribute, Entry};
pub use filter::{DEPTH_MAX, Filter, PARTS_MAX, TooLarge};
pub use frame::{MESSAGE_MAX, Taken, take};
pub use ldap3_proto::proto::{
    LdapFilter, LdapModify as Change, LdapModifyType as ChangeKind, LdapResultCode as Code, LdapSearchScope as Scope,
};
pub use listen::Server;
pub use schema::{Kind, Rule, kind};

/// Asked for at each handshake, so that a new certificate needs no restart.
pub type TlsNow = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// What two deployments may want different.
#[derive(Debug, Clone)]
pub struct Options {
    /// Without TLS from the start; StartTLS is offered.
    pub plain: Vec<SocketAddr>,
    pub secure: Vec<SocketAddr>,
    /// Each serves connections of every listener.
    pub threads: usize,
    /// Whoever has not said who he is may search.
    pub anonymous: bool,
    pub limits: Limits,
    /// Those of administrators.
    pub own_limits: Limits,
    /// A connection without a whole request for so long is closed.
    pub idle: Duration,
}

/// Of one search.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries that are sent; beyond, 4 (sizeLimitExceeded). The pages of a search count as one answer.
    pub entries: usize,
    /// Entries that are looked at; beyond, 11 (adminLimitExceeded).
    pub looked: usize,
    /// Beyond, 3 (timeLimitExceeded).
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            plain: Vec::new(),
            secure: Vec::new(),
            threads: 1,
            anonymous: false,
            limits: Limits { entries: 1000, looked: 20_000, time: Duration::from_secs(10) },
            own_limits: Limits { entries: usize::MAX, looked: usize::MAX, time: Duration::from_secs(300) },
            idle: Duration::from_secs(300),
        }
    }
}

/// What is turned down, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code:?}: {why}")]
pub struct Refused {
    pub code: Code,
    pub why: String,
}

impl Refused {
    pub fn new(code: Code, why: impl Into<String>) -> Refused {
        Refused { code, why: why.into() }
    }
}

/// By what somebody shows who he is.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    Password {
        name: &'a Dn,
        password: &'a str,
    },
    /// A certificate that TLS has verified, in DER.
    Certificate(&'a [u8]),
}

/// Somebody who has shown who he is.
#[derive(Debug, Clone)]
pub struct Bound<W> {
    pub who: W,
    /// His entry's name, or one that stands for him.
    pub name: Dn,
    pub is_admin: bool,
}

/// Entries, and where the next ones begin, if there are any.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    pub entries: Vec<Entry>,
    pub next: Option<Vec<u8>>,
    /// How many were looked at for them.
    pub looked: usize,
}

/// Who keeps the entries. What somebody may not see is not there for him; `None` is whoever has not said who he is. Everything is asked
/// on threads of the directory's own, so reading may take its time.
pub trait Backend: Send + Sync + 'static {
    type Who: Clone + Send + Sync + 'static;

    /// The name above all entries.
    fn base(&self) -> &Dn;

    /// Whether [`Backend::find`] knows this type.
    fn is_indexed(&self, kind: &Kind) -> bool;

    /// The entry of that name.
    fn entry(&self, who: Option<&Self::Who>, name: &Dn) -> Result<Option<Entry>, Refused>;

    /// The entries that have this value, in its normal form.
    fn find(&self, who: Option<&Self::Who>, kind: &Kind, value: &[u8]) -> Result<Vec<Entry>, Refused>;

    /// Entries within `base`, in an order of the backend's own, beyond a place; it looks at about `count`. More than is asked for may come.
    fn scan(&self, who: Option<&Self::Who>, base: &Dn, from: &[u8], count: usize) -> Result<Slice, Refused>;

    /// Who this is. Asked over TLS only.
    fn bind(&self, shown: Shown<'_>, from: IpAddr) -> impl Future<Output = Result<Bound<Self::Who>, Refused>> + Send;

    /// Whether he still is, asked for each request: what he has shown may have been revoked.
    fn holds(&self, who: &Self::Who) -> bool;

    /// A new entry.
    fn add(&self, who: &Self::Who, entry: Entry) -> impl Future<Output = Result<(), Refused>> + Send;

    /// All of `changes`, or none.
    fn modify(
        &self,
        who: &Self::Who,
        name: &Dn,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<(), Refused>> + Send;

    fn remove(&self, who: &Self::Who, name: &Dn) -> impl Future<Output = Result<(), Refused>> + Send;
}
