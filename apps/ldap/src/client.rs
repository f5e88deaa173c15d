//! Another's directory: who somebody is, whether a password is theirs, who is in which group.

mod entry;
mod memory;
mod pool;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use ldap3::{LdapError, Scope, ldap_escape};
use rustls::ClientConfig;
use zeroize::Zeroizing;

use entry::Entry;
use memory::Memory;
use pool::{Ask, Pool, Search, Told};

pub use wire::{ANSWER_MAX, take_answer};

/// Entries of one listing; a directory with more is not ours to hold in memory, and the listing fails.
pub const LISTED_MAX: usize = 1_000_000;
/// Bytes of one listing, likewise.
const LISTED_BYTES: usize = 256 << 20;
/// Values of an attribute that are looked at; of those beyond nothing is known.
const VALUES_MAX: usize = 1_000;
/// People by one key that are told apart, so that an error can name two of them.
const SAME_MAX: usize = 100;
/// Values that one question of many is about.
const ASKED: usize = 100;
/// Questions of many that are under way at once; never more than half of the connections, so that whoever signs in finds one.
const LANES: usize = 4;
/// After each of them, so that the directory has time for others.
const REST: Duration = Duration::from_millis(20);
/// Bytes of the longest password that is handed on.
const PASSWORD_MAX: usize = 1_024;

/// The directory and how it is asked. Filters and names of attributes are the operator's, and trusted.
#[derive(Clone)]
pub struct Setup {
    /// URLs (`ldap://host:port`, `ldaps://host:port`), the one to be asked first in front. Hosts are names or IPv4 addresses.
    pub servers: Vec<String>,
    /// TLS begins on a connection of `ldap://` before anything is said on it.
    pub start_tls: bool,
    pub tls: Arc<ClientConfig>,
    /// Who asks; both empty: nobody in particular.
    pub bind_dn: String,
    pub password: Zeroizing<String>,
    /// Below here people are.
    pub base: String,
    /// Those whom this matches. Who matches no more has gone, or is locked.
    pub people: String,
    pub attributes: Attributes,
    /// Each server has this long to be connected and to answer.
    pub timeout: Duration,
    /// Connections that are kept for the next question.
    pub connections: usize,
    /// What was found is still believed for so long while no server can be asked.
    pub keep: Duration,
}

/// What the facts about a person are called there.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// By which people are found; the first that is looked at has the name by which they are known here.
    pub keys: Vec<String>,
    pub given: String,
    pub surname: String,
    /// A text from which both are taken where the directory has neither.
    pub display: String,
    pub certificate: String,
    /// Of a group: its members, by their DNs or by a key.
    pub member: String,
}

/// Whether this is a filter (RFC 4515) that can be a part of another.
pub fn is_filter(text: &str) -> bool {
    text.starts_with('(') && ldap3::parse_filter(text).is_ok()
}

/// Somebody who matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    pub dn: String,
    /// Values of the attributes by which people are found, as the directory has them.
    pub keys: Vec<String>,
    pub given: Option<String>,
    pub surname: Option<String>,
}

/// Everybody, or as many as the directory shows us.
#[derive(Debug)]
pub struct Listing {
    pub people: Vec<Person>,
    /// Why there may be others.
    pub cut: Option<String>,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of the servers could be asked; what the last one came to.
    #[error("no directory server can be asked: {0}")]
    Away(String),
    /// The directory has refused, or said what cannot be understood.
    #[error("the directory: {0}")]
    Refused(String),
    /// One of them has what is another's; the directory has to say who it is.
    #[error("several people are one: {0}")]
    Several(String),
    #[error("too many questions wait for the directory")]
    Busy,
}

/// A directory that is asked over connections which stay.
pub struct Directory {
    pool: Pool,
    memory: Memory,
}

impl Directory {
    pub fn new(setup: Setup) -> Directory {
        Directory { memory: Memory::new(setup.keep), pool: Pool::new(setup) }
    }

    fn setup(&self) -> &Setup {
        &self.pool.setup
    }

    /// The one person that has one of these values as a key. Several people with one key are an error of the directory, and nobody.
    ///
    /// # Errors
    /// The directory could not be asked, or refused.
    pub async fn find(&self, values: &[&str]) -> Result<Option<Person>, Error> {
        let person = self.found(values).await?;
        self.memory.keep(values, person.as_ref());
        Ok(person)
    }

    /// Whom [`Directory::find`] has found last by these values, unless that is too long ago, or the person has not been among
    /// [`Directory::everybody`] since. For the time in which the directory cannot be asked.
    pub fn recall(&self, values: &[&str]) -> Option<Person> {
        self.memory.recall(values.first().copied().unwrap_or_default())
    }

    async fn found(&self, values: &[&str]) -> Result<Option<Person>, Error> {
        let filter = self.having(values);
        let listing = self.people_of(&filter, SAME_MAX).await?;
        match (&listing.people[..], listing.cut) {
            ([one, other, ..], _) => Err(Error::Several(format!("{} and {}, by {filter}", one.dn, other.dn))),
            (_, Some(why)) => Err(Error::Refused(why)),
            (_, None) => Ok(listing.people.into_iter().next()),
        }
    }

    /// A filter of people who have one of these values as a key.
    fn having<T: AsRef<str>>(&self, values: &[T]) -> String {
        let mut same = String::new();
        for key in &self.setup().attributes.keys {
            values.iter().for_each(|value| same += &format!("({key}={})", ldap_escape(value.as_ref())));
        }
        format!("(&{}(|{same}))", self.setup().people)
    }

    /// Everybody, as far as they are listed; who else is there [`Directory::among`] says.
    ///
    /// # Errors
    /// The directory could not be asked, refused, or has more than [`LISTED_MAX`].
    pub async fn everybody(&self) -> Result<Listing, Error> {
        let filter = self.setup().people.clone();
        let listing = self.people_of(&filter, LISTED_MAX).await?;
        if listing.cut.is_none() {
            self.keep_only(&listing.people);
        }
        Ok(listing)
    }

    /// All who have one of these values as a key, in as many questions as that takes, some of them at once. Who has several may come several
    /// times.
    ///
    /// # Errors
    /// The directory could not be asked, or refused.
    pub async fn among(&self, values: &[String]) -> Result<Vec<Person>, Error> {
        let lanes = LANES.min(self.setup().connections / 2).max(1);
        // Owned: what borrows would have to be the same for every lifetime where this is spawned.
        let parts: Vec<Vec<String>> = values.chunks(ASKED).map(<[String]>::to_vec).collect();
        let asked = stream::iter(parts).map(|part| async move {
            let found = self.among_some(&part).await;
            tokio::time::sleep(REST).await;
            found
        });
        asked.buffer_unordered(lanes).try_concat().await
    }

    async fn among_some(&self, values: &[String]) -> Result<Vec<Person>, Error> {
        let (mut found, mut open) = (Vec::new(), vec![values]);
        while let Some(values) = open.pop().filter(|values| !values.is_empty()) {
            let listing = self.people_of(&self.having(values), LISTED_MAX).await?;
            match listing.cut {
                None => found.extend(listing.people),
                Some(why) if values.len() == 1 => return Err(Error::Refused(why)),
                // Each half has a chance of being shown as a whole.
                Some(_) => {
                    let (one, other) = values.split_at(values.len() / 2);
                    open.extend([other, one]);
                }
            }
        }
        Ok(found)
    }

    /// Recalls none but these from now on.
    pub fn keep_only(&self, people: &[Person]) {
        self.memory.keep_only(people);
    }

    async fn people_of(&self, filter: &str, limit: usize) -> Result<Listing, Error> {
        let Attributes { keys, given, surname, display, .. } = &self.setup().attributes;
        let attributes = keys.iter().chain([given, surname, display]).filter(|name| !name.is_empty());
        let search = Search {
            base: self.setup().base.clone(),
            scope: Scope::Subtree,
            filter: filter.to_owned(),
            attributes: attributes.cloned().collect(),
            limit,
        };
        let found = self.pool.search_shown(search).await?;
        let people = found.entries.into_iter().map(|entry| self.person(entry)).collect();
        Ok(Listing { people, cut: found.cut })
    }

    fn person(&self, entry: Entry) -> Person {
        let Attributes { keys, given, surname, display, .. } = &self.setup().attributes;
        let text = |name: &str| entry.texts(name).next().filter(|text| !text.is_empty()).map(str::to_owned);
        let (mut first, mut last) = (text(given), text(surname));
        if first.is_none()
            && let Some(shown) = text(display)
        {
            // "Ann Mary Smith": the last word is taken for the surname where the directory does not say which it is.
            let end = last.clone().or_else(|| shown.rsplit_once(' ').map(|(_, word)| word.to_owned()));
            first = match &end {
                Some(end) => shown.strip_suffix(end.as_str()).map(|rest| rest.trim_end().to_owned()),
                None => Some(shown.clone()),
            };
            first = first.filter(|first| !first.is_empty());
            last = end;
        }
        let keys = keys.iter().flat_map(|key| entry.texts(key)).take(VALUES_MAX).map(str::to_owned).collect();
        Person { keys, given: first, surname: last, dn: entry.dn }
    }

    /// Whether this is the password of an entry, by a bind on a connection of its own. Nothing that is refused for another reason, such
    /// as a lock, counts as a password.
    ///
    /// # Errors
    /// No server could be asked.
    pub async fn check(&self, dn: &str, password: &Zeroizing<String>) -> Result<bool, Error> {
        // An empty password would be a bind as nobody (RFC 4513, 5.1.2), which succeeds.
        if dn.is_empty() || password.is_empty() || password.len() > PASSWORD_MAX {
            return Ok(false);
        }
        match self.pool.ask(&Ask::Bind { dn: dn.to_owned(), password: password.clone() }).await? {
            Told::Proved(is_proved) => Ok(is_proved),
            Told::Entries(_) | Told::Done => Ok(false),
        }
    }

    /// Something that is another whenever anything in the directory has changed; `None` where it has no such thing.
    ///
    /// # Errors
    /// The directory could not be asked, or refused.
    pub async fn version(&self) -> Result<Option<String>, Error> {
        // OpenLDAP and those like it say it in the entry at the base (contextCSN), Active Directory in the root of all.
        for (base, attribute) in [(self.setup().base.as_str(), "contextCSN"), ("", "highestCommittedUSN")] {
            let search = Search {
                base: base.to_owned(),
                scope: Scope::Base,
                filter: "(objectClass=*)".into(),
                attributes: vec![attribute.into()],
                limit: 1,
            };
            let found = self.pool.search(search).await?;
            let mut said: Vec<&str> = found.iter().flat_map(|entry| entry.texts(attribute)).collect();
            if !said.is_empty() {
                said.sort_unstable();
                return Ok(Some(said.join(" ")));
            }
        }
        Ok(None)
    }

    /// The members of a group, all of them, as the directory names them; `None`: there is no such group.
    ///
    /// # Errors
    /// The directory could not be asked, refused, or has more than [`LISTED_MAX`].
    pub async fn members(&self, group: &str) -> Result<Option<Vec<String>>, Error> {
        let member = self.setup().attributes.member.clone();
        let mut all: Vec<String> = Vec::new();
        let mut attribute = member.clone();
        loop {
            let search = Search {
                base: group.to_owned(),
                scope: Scope::Base,
                filter: "(objectClass=*)".into(),
                attributes: vec![attribute],
                limit: 1,
            };
            let found = self.pool.search(search).await?;
            let Some(entry) = found.first() else { return Ok(None) };
            // A long list comes in parts, by another name than was asked for.
            let Some((last, part)) = entry.part(&member) else {
                all.extend(entry.texts(&member).map(str::to_owned));
                return Ok(Some(all));
            };
            all.extend(part);
            let Some(last) = last else { return Ok(Some(all)) };
            if last < all.len().saturating_sub(1) || all.len() > LISTED_MAX {
                return Err(Error::Refused(format!("too many members of {group}, or the same ones again")));
            }
            attribute = format!("{member};range={}-*", last.saturating_add(1));
        }
    }

    /// Certificates of an entry, DER.
    ///
    /// # Errors
    /// The directory could not be asked, or refused.
    pub async fn certificates(&self, dn: &str) -> Result<Vec<Vec<u8>>, Error> {
        let name = self.setup().attributes.certificate.clone();
        let search = Search {
            base: dn.to_owned(),
            scope: Scope::Base,
            filter: "(objectClass=*)".into(),
            attributes: vec![name.clone()],
            limit: 1,
        };
        let found = self.pool.search(search).await?;
        Ok(found.iter().flat_map(|entry| entry.values(&name)).take(VALUES_MAX).map(<[u8]>::to_vec).collect())
    }

    /// Adds a certificate, DER, to an entry; so it may be there already.
    ///
    /// # Errors
    /// The directory could not be asked, or does not let us.
    pub async fn publish(&self, dn: &str, certificate: &[u8]) -> Result<(), Error> {
        let attribute = self.setup().attributes.certificate.clone();
        let add = Ask::Add { dn: dn.to_owned(), attribute, value: certificate.to_vec() };
        match self.pool.ask(&add).await? {
            Told::Done | Told::Entries(_) | Told::Proved(_) => Ok(()),
        }
    }
}

impl From<LdapError> for Error {
    fn from(error: LdapError) -> Error {
        match error {
            LdapError::LdapResult { result } => Error::Refused(result.to_string()),
            other => Error::Away(other.to_string()),
        }
    }
}
