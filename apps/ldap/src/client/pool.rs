//! Connections to the servers: made when they are needed, kept for the next question, to whichever server answers.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapError, LdapResult, Mod, Scope};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::entry::Entry;
use super::{Error, LISTED_BYTES, Setup, wire};

/// Questions under way and waiting; a further one fails at once.
const ASKED_MAX: usize = 1_024;
/// A connection is used for so long; then the server that is to be asked first has another chance.
const LIFE: Duration = Duration::from_secs(600);
/// A server that could not be reached is asked after the others for so long.
const SHUNNED: Duration = Duration::from_secs(10);
/// Entries of a page, as the library takes it and as we do.
const PAGE: i32 = 500;
const PAGE_ENTRIES: usize = 500;

/// Result codes (RFC 4511, appendix A).
const SUCCESS: u32 = 0;
/// Of a search: that is all that is shown to us, though there may be more.
const CUT_SHORT: [u32; 3] = [TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT];
const TIME_LIMIT: u32 = 3;
const SIZE_LIMIT: u32 = 4;
const ADMIN_LIMIT: u32 = 11;
/// The server has no time for us, or those behind it do not answer.
const NOT_NOW: [u32; 2] = [51, 52];
/// Of a search by pages: it knows none, or has none for us.
const NO_PAGES: [u32; 3] = [ADMIN_LIMIT, 12, 53];
const ATTRIBUTE_OR_VALUE_EXISTS: u32 = 20;
const NO_SUCH_OBJECT: u32 = 32;
/// Of a bind: nothing is wrong with the server, but this password is none, or this entry may not bind.
const NOT_PROVED: [u32; 6] = [19, 32, 48, 49, 50, 53];

pub(super) struct Search {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    /// More entries are an error.
    pub(super) limit: usize,
}

/// One question.
pub(super) enum Ask {
    Search(Search),
    Add {
        dn: String,
        attribute: String,
        value: Vec<u8>,
    },
    /// Is this its password? On a connection of its own.
    Bind {
        dn: String,
        password: Zeroizing<String>,
    },
}

/// What a search has found, and why there may be more.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) cut: Option<String>,
}

pub(super) enum Told {
    Entries(Found),
    Proved(bool),
    Done,
}

pub(super) struct Pool {
    pub(super) setup: Setup,
    idle: Mutex<Vec<Line>>,
    /// When each server could not be reached.
    failed: Mutex<Vec<Option<Instant>>>,
    asked: Semaphore,
    open: Semaphore,
    /// Held by whoever tries while all servers are shunned.
    trial: Semaphore,
}

/// What a question holds while it is asked.
type Places<'a> = (SemaphorePermit<'a>, SemaphorePermit<'a>, Option<SemaphorePermit<'a>>);

/// A connection that is bound.
struct Line {
    ldap: Ldap,
    since: Instant,
}

impl Pool {
    pub(super) fn new(setup: Setup) -> Pool {
        Pool {
            idle: Mutex::default(),
            failed: Mutex::new(vec![None; setup.servers.len()]),
            asked: Semaphore::new(ASKED_MAX),
            open: Semaphore::new(setup.connections.max(1)),
            trial: Semaphore::new(1),
            setup,
        }
    }

    /// All that there is.
    pub(super) async fn search(&self, search: Search) -> Result<Vec<Entry>, Error> {
        let found = self.search_shown(search).await?;
        match found.cut {
            None => Ok(found.entries),
            Some(why) => Err(Error::Refused(why)),
        }
    }

    /// As much as is shown to us.
    pub(super) async fn search_shown(&self, search: Search) -> Result<Found, Error> {
        match self.ask(&Ask::Search(search)).await? {
            Told::Entries(found) => Ok(found),
            Told::Done | Told::Proved(_) => Ok(Found { entries: Vec::new(), cut: None }),
        }
    }

    /// Asks on a connection that is there, and on another if that has been closed.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Told, Error> {
        let _places = self.places().await?;
        if let Some(line) = self.take().filter(|_| !matches!(ask, Ask::Bind { .. })) {
            match self.on(line, ask).await {
                // Its server has gone, and with it all that wait.
                Err(Error::Away(_)) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear(),
                told => return told,
            }
        }
        self.each_server(ask).await
    }

    /// Whether an entry lets itself be bound with this password.
    async fn bind(&self, server: &str, dn: &str, password: &str) -> Result<Told, Error> {
        let mut ldap = self.connect(server).await?;
        let result = within(self.setup.timeout, ldap.simple_bind(dn, password)).await?;
        // The server closes it then; if this fails it is closed already.
        let _ = ldap.unbind().await;
        match result.rc {
            SUCCESS => Ok(Told::Proved(true)),
            rc if NOT_PROVED.contains(&rc) => Ok(Told::Proved(false)),
            _ => Err(Error::Away(result.to_string())),
        }
    }

    /// Nobody waits behind others' questions for longer than a server may take to answer his own.
    async fn places(&self) -> Result<Places<'_>, Error> {
        let asked = self.asked.try_acquire().map_err(|_| Error::Busy)?;
        let trial = self.trial()?;
        let open = timeout(self.setup.timeout, self.open.acquire()).await;
        let open = open.map_err(|_| Error::Away("others wait for its answers".into()))?.map_err(|_| Error::Busy)?;
        // They may have gone while this waited.
        let trial = if trial.is_some() { trial } else { self.trial()? };
        Ok((asked, open, trial))
    }

    /// While all servers are shunned one question at a time tries whether they are back; the others fail at once.
    fn trial(&self) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.iter().all(is_shunned) {
            true => self.trial.try_acquire().map(Some).map_err(|_| Error::Away("none has answered lately".into())),
            false => Ok(None),
        }
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|line| line.since.elapsed() < LIFE && !line.ldap.is_closed());
        idle.pop()
    }

    /// One question on one connection, which is kept if it is good for another.
    async fn on(&self, mut line: Line, ask: &Ask) -> Result<Told, Error> {
        let told = perform(&mut line.ldap, ask, self.setup.timeout).await;
        if !matches!(told, Err(Error::Away(_))) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.setup.connections {
                idle.push(line);
            }
        }
        told
    }

    /// The first server that can be asked answers; those that could not lately are tried last.
    async fn each_server(&self, ask: &Ask) -> Result<Told, Error> {
        let mut last = Error::Away("none is configured".into());
        for at in self.order() {
            let Some(server) = self.setup.servers.get(at) else { continue };
            let told = match ask {
                Ask::Bind { dn, password } => self.bind(server, dn, password).await,
                Ask::Search(_) | Ask::Add { .. } => match self.bound(server).await {
                    Ok(line) => self.on(line, ask).await,
                    Err(failure) => Err(failure),
                },
            };
            let is_away = matches!(told, Err(Error::Away(_)));
            if let Some(failed) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
                *failed = is_away.then(Instant::now);
            }
            match told {
                Err(away @ Error::Away(_)) => {
                    tracing::warn!(server, failure = %away, "a directory server cannot be asked");
                    last = away;
                }
                told => return told,
            }
        }
        Err(last)
    }

    fn order(&self) -> Vec<usize> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, mut first): (Vec<usize>, Vec<usize>) =
            (0..failed.len()).partition(|at| failed.get(*at).is_some_and(is_shunned));
        first.extend(last);
        first
    }

    async fn connect(&self, server: &str) -> Result<Ldap, Error> {
        // The library is not at work before there is a connection; what it panics at comes later.
        let connected = timeout(self.setup.timeout, wire::connect(server, &self.setup)).await;
        connected.map_err(|_| Error::Away("it does not answer in time".into()))?
    }

    /// A connection on which we are who asks.
    async fn bound(&self, server: &str) -> Result<Line, Error> {
        let mut ldap = self.connect(server).await?;
        let Setup { bind_dn, password, timeout, .. } = &self.setup;
        if !bind_dn.is_empty() {
            // A server that does not know us is none that can be asked; another may.
            let result = within(*timeout, ldap.simple_bind(bind_dn, password)).await?;
            result.success().map_err(|error| Error::Away(format!("it does not let {bind_dn} in: {error}")))?;
        }
        Ok(Line { ldap, since: Instant::now() })
    }
}

fn is_shunned(failed: &Option<Instant>) -> bool {
    failed.is_some_and(|at| at.elapsed() < SHUNNED)
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, LdapError>>) -> Result<T, Error> {
    // The library panics at a result that it does not expect.
    match timeout(time, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => Ok(done?),
        Ok(Err(_)) => Err(Error::Away("it says what is no answer".into())),
        Err(_) => Err(Error::Away("it does not answer in time".into())),
    }
}

async fn perform(ldap: &mut Ldap, ask: &Ask, time: Duration) -> Result<Told, Error> {
    match ask {
        Ask::Search(search) => self::search(ldap, search, time).await.map(Told::Entries),
        Ask::Add { dn, attribute, value } => {
            let add = Mod::Add(attribute.clone().into_bytes(), HashSet::from([value.clone()]));
            let result = within(time, ldap.modify(dn, vec![add])).await?;
            match result.rc {
                SUCCESS | ATTRIBUTE_OR_VALUE_EXISTS => Ok(Told::Done),
                _ => Err(Error::Refused(result.to_string())),
            }
        }
        // Never on a connection that is ours.
        Ask::Bind { .. } => Ok(Told::Proved(false)),
    }
}

/// By pages where it is a listing, unless the server has none for us.
async fn search(ldap: &mut Ldap, search: &Search, time: Duration) -> Result<Found, Error> {
    let (result, entries) = match search.limit > PAGE_ENTRIES {
        true => match stream(ldap, search, time, true).await? {
            (result, entries) if NO_PAGES.contains(&result.rc) && entries.is_empty() => {
                tracing::debug!(%result, "the directory gives no pages");
                stream(ldap, search, time, false).await?
            }
            all => all,
        },
        false => stream(ldap, search, time, false).await?,
    };
    match result.rc {
        SUCCESS | NO_SUCH_OBJECT => Ok(Found { entries, cut: None }),
        rc if CUT_SHORT.contains(&rc) => Ok(Found { entries, cut: Some(result.to_string()) }),
        rc if NOT_NOW.contains(&rc) => Err(Error::Away(result.to_string())),
        _ => Err(Error::Refused(result.to_string())),
    }
}

/// Each entry has to come in time. What is not there has no entries.
async fn stream(
    ldap: &mut Ldap,
    search: &Search,
    time: Duration,
    by_pages: bool,
) -> Result<(LdapResult, Vec<Entry>), Error> {
    let Search { base, scope, filter, attributes, limit } = search;
    let mut adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = vec![Box::new(EntriesOnly::new())];
    if by_pages {
        adapters.push(Box::new(PagedResults::new(PAGE)));
    }
    let stream = ldap.streaming_search_with(adapters, base, *scope, filter, attributes.clone());
    let mut stream = within(time, stream).await?;
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    while let Some(entry) = within(time, stream.next()).await? {
        if entries.len() >= *limit {
            return Err(Error::Refused(format!("more than {limit} entries below {base:?}")));
        }
        let entry = Entry::read(entry).ok_or_else(|| Error::Refused("an entry that is none".into()))?;
        bytes = bytes.saturating_add(entry.weight());
        if bytes > LISTED_BYTES {
            return Err(Error::Refused(format!("more than {LISTED_BYTES} bytes below {base:?}")));
        }
        entries.push(entry);
    }
    Ok((stream.finish().await, entries))
}
