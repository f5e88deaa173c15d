//! Searching, a slice at a time: what may be the answer, limits, pages (RFC 2696).

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::Instant;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapOp, LdapSearchRequest};

use super::connection::{Connection, Duplex};
use super::dn::Dn;
use super::entry::{Choice, Entry};
use super::filter::Filter;
use super::{Backend, Code, Kind, Limits, Refused, Scope, root};

/// Entries that are looked at before anybody else has a turn.
const STEP: usize = 64;
/// Searches of a connection that wait for their next page to be asked for; beyond, the oldest is forgotten.
const PAGES_MAX: usize = 4;

/// How far a search is.
pub(super) struct Walk {
    base: Dn,
    filter: Filter,
    choice: Choice,
    source: Source,
    /// Found, and not sent yet.
    ready: VecDeque<Entry>,
    /// Of those that more than one value may name: which were.
    met: HashSet<String>,
    looked: usize,
    sent: usize,
}

enum Source {
    Over,
    /// These values name all that it may be.
    Keys(VecDeque<(&'static Kind, Vec<u8>)>),
    Scan(Vec<u8>),
}

/// A search whose next page may be asked for.
pub(super) struct Page {
    cookie: Vec<u8>,
    asked: LdapSearchRequest,
    walk: Walk,
}

/// How a search has ended.
enum End {
    Done,
    /// There is another page.
    Page(Box<Walk>),
    /// The client does not want to know any more.
    Abandoned,
}

impl<B: Backend> Connection<B> {
    pub(super) async fn search(
        &mut self,
        stream: &mut impl Duplex,
        id: i32,
        asked: LdapSearchRequest,
        controls: &[LdapControl],
    ) -> io::Result<()> {
        let page = controls.iter().find_map(|control| match control {
            LdapControl::SimplePagedResults { size, cookie } => Some((usize::try_from(*size).ok(), cookie.clone())),
            _ => None,
        });
        let begun = match &page {
            Some((_, cookie)) if !cookie.is_empty() => self.resumed(cookie, &asked),
            Some(_) | None => self.begin(&asked),
        };
        let outcome = match begun {
            Err(refused) => Err(refused),
            Ok(walk) => self.walk(stream, id, walk, &asked, page.as_ref().map(|(size, _)| size.unwrap_or(0))).await?,
        };
        let mut cookie = Vec::new();
        let (code, why, matched) = match outcome {
            Ok(End::Abandoned) => return Ok(()),
            Ok(End::Done) => (Code::Success, String::new(), None),
            Ok(End::Page(walk)) => {
                cookie = self.keep(*walk, asked);
                (Code::Success, String::new(), None)
            }
            Err(Refused { code, why }) => {
                let matched = if code == Code::NoSuchObject { self.nearest(&asked.base) } else { None };
                (code, why, matched)
            }
        };
        let control = page.map(|_| LdapControl::SimplePagedResults { size: 0, cookie });
        let result = super::connection::result(code, why, matched);
        self.say(id, LdapOp::SearchResultDone(result), control.into_iter().collect())
    }

    /// Understands a search. What one asks of the root is answered from here.
    fn begin(&self, asked: &LdapSearchRequest) -> Result<Walk, Refused> {
        let base = Dn::parse(&asked.base).map_err(|_| Refused::new(Code::InvalidDNSyntax, "the base is no name"))?;
        let filter =
            Filter::new(&asked.filter).map_err(|why| Refused::new(Code::AdminLimitExceeded, why.to_string()))?;
        let choice = Choice::new(&asked.attrs, asked.typesonly);
        let (mut ready, mut source) = (VecDeque::new(), Source::Over);
        let only_base = asked.scope == Scope::Base;
        let base = match base.depth() {
            // Whoever names no base means ours.
            0 if !only_base => self.backend().base().clone(),
            _ => base,
        };
        if base.depth() == 0 {
            ready.push_back(self.root());
        } else if base == root::subschema_name() {
            ready.push_back(root::subschema());
        } else {
            self.may_read()?;
            let entry = self.backend().entry(self.who(), &base)?;
            let entry = entry.ok_or_else(|| Refused::new(Code::NoSuchObject, ""))?;
            if only_base {
                ready.push_back(entry);
            } else {
                source = self.source(&filter);
            }
        }
        ready.retain(|entry| filter.fits(entry) && is_in(asked.scope.clone(), entry, &base));
        Ok(Walk { base, filter, choice, source, ready, met: HashSet::new(), looked: 0, sent: 0 })
    }

    fn source(&self, filter: &Filter) -> Source {
        let keys = filter.keys(&|kind| self.backend().is_indexed(kind));
        match keys {
            Some(keys) => {
                let mut all: Vec<_> = keys.into_iter().map(|(kind, value)| (kind, value.to_vec())).collect();
                all.sort_by(|(one, a), (other, b)| (one.name, a).cmp(&(other.name, b)));
                all.dedup();
                Source::Keys(all.into())
            }
            None => Source::Scan(Vec::new()),
        }
    }

    /// Sends what it finds; `page` entries at most.
    async fn walk(
        &mut self,
        stream: &mut impl Duplex,
        id: i32,
        mut walk: Walk,
        asked: &LdapSearchRequest,
        page: Option<usize>,
    ) -> io::Result<Result<End, Refused>> {
        // A page of nothing: the client has had enough (RFC 2696).
        if page == Some(0) {
            return Ok(Ok(End::Done));
        }
        let limits = self.limits(asked);
        let (began, mut on_page) = (Instant::now(), 0);
        loop {
            while let Some(entry) = walk.ready.pop_front() {
                if page.is_some_and(|page| on_page >= page) {
                    walk.ready.push_front(entry);
                    return Ok(Ok(End::Page(Box::new(walk))));
                }
                if walk.sent >= limits.entries {
                    return Ok(Err(Refused::new(Code::SizeLimitExceeded, "")));
                }
                (walk.sent, on_page) = (walk.sent + 1, on_page + 1);
                let found = walk.choice.of(entry);
                self.say(id, LdapOp::SearchResultEntry(found), Vec::new())?;
            }
            if matches!(walk.source, Source::Over) {
                return Ok(Ok(End::Done));
            }
            if began.elapsed() >= limits.time {
                return Ok(Err(Refused::new(Code::TimeLimitExceeded, "")));
            }
            if walk.looked >= limits.looked {
                return Ok(Err(Refused::new(
                    Code::AdminLimitExceeded,
                    "name what is indexed: uid, telephoneNumber, mail",
                )));
            }
            if let Err(refused) = self.look(&mut walk, asked) {
                return Ok(Err(refused));
            }
            if !matches!(walk.source, Source::Over) {
                self.flush_if_full(stream).await?;
                if self.is_abandoned(stream, id).await? {
                    return Ok(Ok(End::Abandoned));
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// The next entries that may be among the answer.
    fn look(&self, walk: &mut Walk, asked: &LdapSearchRequest) -> Result<(), Refused> {
        let found = match &mut walk.source {
            Source::Over => Vec::new(),
            Source::Keys(keys) => {
                let mut found = match keys.pop_front() {
                    Some((kind, value)) => self.backend().find(self.who(), kind, &value)?,
                    None => Vec::new(),
                };
                found.retain(|entry| walk.met.insert(entry.dn.key()));
                walk.looked += found.len().max(1);
                if keys.is_empty() {
                    walk.source = Source::Over;
                }
                found
            }
            Source::Scan(from) => {
                let slice = self.backend().scan(self.who(), &walk.base, from, STEP)?;
                walk.looked += slice.looked.max(1);
                walk.source = slice.next.map_or(Source::Over, Source::Scan);
                slice.entries
            }
        };
        for entry in found {
            if is_in(asked.scope.clone(), &entry, &walk.base) && walk.filter.fits(&entry) {
                walk.ready.push_back(entry);
            }
        }
        Ok(())
    }

    /// Ours, and what the client says, whichever is less.
    fn limits(&self, asked: &LdapSearchRequest) -> Limits {
        let own = self.own_limits();
        let entries = usize::try_from(asked.sizelimit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let time = u64::try_from(asked.timelimit).ok().filter(|limit| *limit > 0).map(std::time::Duration::from_secs);
        Limits {
            entries: own.entries.min(entries),
            looked: own.looked,
            time: time.map_or(own.time, |time| time.min(own.time)),
        }
    }

    /// The search that a cookie is of; it must be the same one.
    fn resumed(&mut self, cookie: &[u8], asked: &LdapSearchRequest) -> Result<Walk, Refused> {
        self.may_read()?;
        let at = self.pages().iter().position(|page| page.cookie == cookie && page.asked == *asked);
        match at.and_then(|at| self.pages().remove(at)) {
            // Each page may look at as many; what was sent counts for all of them together.
            Some(page) => Ok(Walk { looked: 0, ..page.walk }),
            None => Err(Refused::new(Code::UnwillingToPerform, "the cookie is of no search that waits")),
        }
    }

    fn keep(&mut self, walk: Walk, asked: LdapSearchRequest) -> Vec<u8> {
        let cookie = self.number().to_be_bytes().to_vec();
        let pages = self.pages();
        while pages.len() >= PAGES_MAX {
            pages.pop_front();
        }
        pages.push_back(Page { cookie: cookie.clone(), asked, walk });
        cookie
    }

    /// The nearest entry above a name that is there.
    pub(super) fn nearest(&self, name: &str) -> Option<Dn> {
        let mut name = Dn::parse(name).ok()?.parent()?;
        while name.depth() > 0 {
            if let Ok(Some(_)) = self.backend().entry(self.who(), &name) {
                return Some(name);
            }
            name = name.parent()?;
        }
        None
    }
}

fn is_in(scope: Scope, entry: &Entry, base: &Dn) -> bool {
    match scope {
        Scope::Base => entry.dn == *base,
        Scope::OneLevel => entry.dn.depth() == base.depth() + 1 && entry.dn.is_within(base),
        Scope::Subtree => entry.dn.is_within(base),
        Scope::Children => entry.dn.depth() > base.depth() && entry.dn.is_within(base),
    }
}
