//! The directory of the people and rooms of this server, for any LDAP client.
//!
//! Under the base lie `ou=people`, an entry for each account that the asker may find, and `ou=rooms`, a group for each room that he may see.
//! Nothing is kept for it: entries are made of the chat's own rows when somebody asks, found by the indexes that are there. What changes is
//! asked of the chat as any client's request.

mod entries;
mod write;
mod ldif;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chat::directory::{self, Asker};
use chat::door::Certificate;
use chat::{Account, Chat, rows};
use kvs::{Disk, Store, View};
use ldap::server::{Backend, Bound, Change, Code, Dn, Entry, Kind, Options, Refused, Server, Shown, Slice};
use n2o::Handle;
use proto::ids::{DevKey, Phone, RoomId};

use crate::failure::Failure;
use crate::keys;
use crate::meter::Meter;
use crate::registrar::{Registrar, millis, print_of};
use crate::settings::Settings;
use crate::tls::{self, Tls};
use entries::Names;

/// Connections are shared by so many threads; the chat needs the machine as well.
const THREADS_MAX: usize = 2;
/// Passwords that are wrong, of one address in an hour.
const FAILED_MAX: u32 = 20;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The entries of the chat.
#[derive(Clone)]
pub(crate) struct Directory {
    names: Names,
    store: Arc<Disk>,
    handle: Handle<Chat>,
    registrar: Arc<Registrar>,
    limits: bool,
    failed: Arc<Meter<IpAddr>>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// By the certificate of this print, which ends then.
    Operator {
        print: u128,
        until: u64,
    },
    Person {
        account: Arc<Account>,
        device: DevKey,
        proof: Proof,
    },
}

/// What somebody has shown, to be looked at again.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// A token that was made then.
    Token {
        made: u64,
    },
    Certificate(Arc<Certificate>),
}

impl Directory {
    pub(crate) fn new(
        settings: &Settings,
        store: Arc<Disk>,
        handle: Handle<Chat>,
        registrar: Arc<Registrar>,
    ) -> Result<Directory, Failure> {
        let names = Names::below(settings.base().map_err(Failure::Ldap)?);
        let failed = Arc::new(Meter::new(FAILED_MAX, HOUR));
        Ok(Directory { names, store, handle, registrar, limits: settings.limits, failed })
    }

    /// Serves where the configuration says; `plain` and `secure` are what this machine can have of the addresses for it.
    pub(crate) fn serve(
        &self,
        settings: &Settings,
        tls: &Arc<Tls>,
        plain: Vec<SocketAddr>,
        secure: Vec<SocketAddr>,
    ) -> Result<Option<Server>, Failure> {
        if plain.is_empty() && secure.is_empty() {
            return Ok(None);
        }
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(THREADS_MAX);
        let options = Options { plain, secure, threads, anonymous: settings.ldap.anonymous, ..Options::default() };
        let tls = tls.clone();
        let server = Server::start(options, Some(Arc::new(move || tls.asked())), self.clone());
        server.map(Some).map_err(|failure| Failure::Ldap(format!("cannot listen on {failure}")))
    }

    /// The token of one of his devices is a person's password.
    fn by_password(&self, name: &Dn, password: &str, from: IpAddr) -> Result<Bound<Who>, Refused> {
        let wrong = || Refused::new(Code::InvalidCredentials, "");
        let counts = self.limits && !from.to_canonical().is_loopback();
        if counts && !self.failed.has_room(&from, Instant::now()) {
            return Err(Refused::new(Code::Busy, "too many wrong passwords"));
        }
        let store = self.store.snapshot();
        let found = self.names.person(name).map_or(Ok(None), |number| bearer(&*store, &number, password));
        match found.map_err(broken)? {
            Some(who) => Ok(Bound { who, name: name.clone(), is_admin: false }),
            None => {
                if counts {
                    self.failed.count(from, Instant::now());
                }
                Err(wrong())
            }
        }
    }

    /// An operator's certificate, or one that opens a device (ID-9).
    fn by_certificate(&self, der: &[u8]) -> Result<Bound<Who>, Refused> {
        let wrong = || Refused::new(Code::InvalidCredentials, "the certificate is nobody's here");
        let subject = ca::subject(der).map_err(|_| wrong())?;
        let shown = tls::good(&self.registrar, der).ok_or_else(wrong)?;
        if keys::is_admin(&subject) {
            if !shown.own_authority {
                return Err(wrong());
            }
            let who = Who::Operator { print: print_of(&subject.issuer, &subject.serial), until: shown.not_after };
            return Ok(Bound { who, name: self.names.base.child("cn", "admin"), is_admin: true });
        }
        let shown = Arc::new(shown);
        let (phone, device) = self.registrar.bound_to(&shown.key).ok_or_else(wrong)?;
        let store = self.store.snapshot();
        if !directory::opens(&*store, now(), &phone, &device, &shown).map_err(broken)? {
            return Err(wrong());
        }
        let account = directory::account(&*store, &phone).map_err(broken)?.ok_or_else(wrong)?;
        let asker = Asker::Account(&account);
        let person = directory::person(&*store, asker, &phone).map_err(broken)?.ok_or_else(wrong)?;
        let name = self.names.of_person(&person.number);
        let who = Who::Person { account: Arc::new(account), device, proof: Proof::Certificate(shown) };
        Ok(Bound { who, name, is_admin: false })
    }

    fn found(&self, store: &dyn View, asker: Asker<'_>, kind: &Kind, value: &[u8]) -> Result<Vec<Entry>, n2o::Failure> {
        let mut found = Vec::new();
        match kind.name {
            "uid" => {
                if let Ok(number) = Phone::parse(value) {
                    found.extend(by_number(store, asker, &number)?);
                }
                found.extend(directory::by_nick(store, asker, value)?);
                if let Ok(room) = RoomId::parse(value) {
                    let room = directory::room(store, asker, &room)?;
                    return Ok(self.people(found).chain(room.map(|room| self.names.room_entry(&room))).collect());
                }
            }
            "telephoneNumber" => {
                if let Ok(number) = Phone::parse(value) {
                    found.extend(by_number(store, asker, &number)?);
                }
            }
            "mail" => found.extend(directory::by_email(store, asker, value)?),
            "member" => return self.rooms_of(store, asker, value),
            _ => {}
        }
        Ok(self.people(found).collect())
    }

    fn named(&self, asker: Asker<'_>, name: &Dn) -> Result<Option<Entry>, Refused> {
        if let Some(entry) = self.names.fixed().into_iter().find(|entry| entry.dn == *name) {
            return Ok(Some(entry));
        }
        let store = self.store.snapshot();
        if let Some(number) = self.names.person(name) {
            let person = by_number(&*store, asker, &number).map_err(broken)?;
            return Ok(person.map(|person| self.names.person_entry(&person)));
        }
        let Some(room) = self.names.room(name) else { return Ok(None) };
        let room = directory::room(&*store, asker, &room).map_err(broken)?;
        Ok(room.map(|room| self.names.room_entry(&room)))
    }

    /// What is always there, then people, then rooms; a place is which of these, and the last key.
    fn slice(&self, asker: Asker<'_>, base: &Dn, from: &[u8], count: usize) -> Result<Slice, Refused> {
        let (mut people, mut rooms) = (base.is_within(&self.names.people), base.is_within(&self.names.rooms));
        if base.depth() > self.names.people.depth() {
            let entries: Vec<Entry> = self.named(asker, base)?.into_iter().collect();
            return Ok(Slice { looked: 1, entries, next: None });
        }
        if *base == self.names.base {
            (people, rooms) = (true, true);
        }
        let store = self.store.snapshot();
        let place = |which: u8, key: &[u8]| Some([&[which], key].concat());
        match from.split_first() {
            None => {
                let next = if people { place(b'p', b"") } else { place(b'r', b"").filter(|_| rooms) };
                Ok(Slice { looked: 1, entries: self.names.fixed().into(), next })
            }
            Some((b'p', key)) => {
                let part = directory::people(&*store, asker, key, count).map_err(broken)?;
                let next = match &part.next {
                    Some(key) => place(b'p', key),
                    None => place(b'r', b"").filter(|_| rooms),
                };
                Ok(Slice { entries: self.people(part.list).collect(), next, looked: part.looked })
            }
            Some((_, key)) => {
                let part = directory::rooms(&*store, asker, key, count).map_err(broken)?;
                let entries = part.list.iter().map(|room| self.names.room_entry(room)).collect();
                Ok(Slice { entries, next: part.next.and_then(|key| place(b'r', &key)), looked: part.looked })
            }
        }
    }

    fn people(&self, found: Vec<directory::Person>) -> impl Iterator<Item = Entry> {
        found.into_iter().map(|person| self.names.person_entry(&person))
    }

    /// The rooms that a person is in, by the index that its rosters have.
    fn rooms_of(&self, store: &dyn View, asker: Asker<'_>, name: &[u8]) -> Result<Vec<Entry>, n2o::Failure> {
        let name = std::str::from_utf8(name).ok().and_then(|text| Dn::parse(text).ok());
        let Some(number) = name.and_then(|name| self.names.person(&name)) else { return Ok(Vec::new()) };
        let Some(account) = directory::holder(store, &number)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for roster in rows::roster_ids(store, &account)? {
            for (room, membership) in rows::rooms(store, &account.roster(roster))? {
                if membership.is_present() {
                    found.extend(directory::room(store, asker, &room)?.map(|room| self.names.room_entry(&room)));
                }
            }
        }
        Ok(found)
    }
}

/// The account that has a number, by which it is named here.
fn by_number(store: &dyn View, asker: Asker<'_>, number: &Phone) -> Result<Option<directory::Person>, n2o::Failure> {
    let Some(account) = directory::holder(store, number)? else { return Ok(None) };
    Ok(directory::person(store, asker, &account)?.filter(|person| person.number == *number))
}

fn bearer(store: &dyn View, number: &Phone, password: &str) -> Result<Option<Who>, n2o::Failure> {
    let Some(phone) = directory::holder(store, number)? else { return Ok(None) };
    let token = proto::erased(password);
    let Some(device) = directory::bearer(store, now(), &phone, &token)? else { return Ok(None) };
    let Some(made) = directory::token_made(store, &phone, &device)? else { return Ok(None) };
    let account = directory::account(store, &phone)?;
    Ok(account.map(|account| Who::Person { account: Arc::new(account), device, proof: Proof::Token { made } }))
}

fn asker(who: Option<&Who>) -> Asker<'_> {
    match who {
        None => Asker::Anybody,
        Some(Who::Operator { .. }) => Asker::Operator,
        Some(Who::Person { account, .. }) => Asker::Account(account),
    }
}

/// Our own fault: the log has more.
fn broken(failure: n2o::Failure) -> Refused {
    tracing::error!(%failure, "the directory cannot read");
    Refused::new(Code::OperationsError, "internal")
}

fn now() -> u64 {
    millis(SystemTime::now())
}

impl Backend for Directory {
    type Who = Who;

    fn base(&self) -> &Dn {
        &self.names.base
    }

    fn is_indexed(&self, kind: &Kind) -> bool {
        matches!(kind.name, "uid" | "telephoneNumber" | "mail" | "member")
    }

    fn entry(&self, who: Option<&Who>, name: &Dn) -> Result<Option<Entry>, Refused> {
        self.named(asker(who), name)
    }

    fn find(&self, who: Option<&Who>, kind: &Kind, value: &[u8]) -> Result<Vec<Entry>, Refused> {
        self.found(&*self.store.snapshot(), asker(who), kind, value).map_err(broken)
    }

    fn scan(&self, who: Option<&Who>, base: &Dn, from: &[u8], count: usize) -> Result<Slice, Refused> {
        self.slice(asker(who), base, from, count)
    }

    async fn bind(&self, shown: Shown<'_>, from: IpAddr) -> Result<Bound<Who>, Refused> {
        match shown {
            Shown::Password { name, password } => self.by_password(name, password, from),
            Shown::Certificate(der) => self.by_certificate(der),
        }
    }

    fn holds(&self, who: &Who) -> bool {
        let is_good = |print: u128, until: u64| until > now() && !self.registrar.revocations.has(print);
        match who {
            Who::Operator { print, until } => is_good(*print, *until),
            Who::Person { account, device, proof } => {
                let store = self.store.snapshot();
                match proof {
                    Proof::Token { made } => {
                        directory::token_made(&*store, &account.phone, device).is_ok_and(|now| now == Some(*made))
                    }
                    Proof::Certificate(shown) => {
                        is_good(shown.print, shown.not_after)
                            && directory::opens(&*store, now(), &account.phone, device, shown).unwrap_or_default()
                    }
                }
            }
        }
    }

    async fn add(&self, _: &Who, entry: Entry) -> Result<(), Refused> {
        self.register(&entry).await
    }

    async fn modify(&self, _: &Who, name: &Dn, changes: Vec<Change>) -> Result<(), Refused> {
        self.change(name, changes).await
    }

    async fn remove(&self, _: &Who, name: &Dn) -> Result<(), Refused> {
        self.end(name).await
    }
}
