//! SEARCH (SPEC 6.14): people and rooms by what is known of them.
//!
//! A search reads the rows and ranges that its question names, never all accounts: a number's profile, the nicks with a prefix, the own
//! contacts. Each step reads a bounded part; what is longer goes on with a letter of the roster to itself (PM-5), so that whoever else
//! lives on this thread has its turn between.

mod found;
mod lookups;
mod wanted;

use std::collections::VecDeque;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Nick, Phone, PhoneId};
use proto::limits::{SEARCH_PHONES, SEARCH_RESULTS};
use proto::records::{Contact, Roster, RosterId, RosterStatus, Search as Request, SearchStatus, SearchType};

pub(crate) use lookups::charge;

use super::roster::{self, Element, Frame, Parts};
use super::{Halt, contact};
use crate::effects;
use crate::rows::NICK;
use crate::{Chat, Cx, Fx, Input, Name, Who};
use found::Candidate;
use wanted::Wanted;

/// Candidates looked at in one step, each some ten reads.
const STEP: usize = 32;
/// Own contacts looked at in one step, each some three reads.
const SLICE: usize = 128;
/// Nicks with a prefix that are looked at: with so many, the prefix is too short to be of use.
const NICKS_MAX: usize = 1024;
/// The shortest prefix of a nick, characters (SEARCH-4).
const PREFIX_MIN: usize = 3;

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    who: Who,
    reference: Bytes,
    status: RosterStatus,
    place: Place,
    found: Vec<Contact>,
    /// Strangers that were asked for.
    strangers: u64,
}

/// What is still to look at.
#[derive(Debug, Clone)]
enum Place {
    /// SEARCH-1: these numbers.
    Phones(VecDeque<Phone>),
    /// SEARCH-2: this nick, if it is one.
    Nick(Option<Nick>),
    /// SEARCH-4: nicks with the prefix, by their keys, from one on.
    Nicks { prefix: String, from: Bytes, looked: usize },
    /// SEARCH-5: own contacts, by their addresses, beyond one.
    Contacts { wanted: Wanted, after: Bytes },
}

/// SEARCH-1 to 9, judged by the roster that asks.
pub(crate) fn call(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &PhoneId,
    asked: Request,
) -> Result<(), Halt> {
    let reference = asked.r#ref.clone().filter(|reference| !reference.is_empty()).ok_or(Refusal::InvalidData)?;
    let place = place(&asked)?;
    let status = match asked.status {
        Some(SearchStatus::Contact) => RosterStatus::Contact,
        Some(SearchStatus::Profile | SearchStatus::Roster | SearchStatus::Member | SearchStatus::Room) | None => {
            RosterStatus::Search
        }
    };
    let search = Search { who: who.clone(), reference, status, place, found: Vec::new(), strangers: 0 };
    step(chat, cx, fx, own, search)
}

/// Which search it is; SEARCH-9: any other combination is none.
fn place(asked: &Request) -> Result<Place, Refusal> {
    use SearchStatus::{Contact, Roster};
    use SearchType::{Equal, Like, NotEqual};
    let (field, kind, status) = (asked.field.as_deref(), asked.r#type, asked.status);
    match (field.ok_or(Refusal::InvalidData)?, kind.ok_or(Refusal::InvalidData)?, status.ok_or(Refusal::InvalidData)?) {
        (b"phone", Equal, Contact) => phones(asked),
        (b"nick", Equal, Contact) => Ok(Place::Nick(Nick::parse(&wanted::text(&asked.value)?).ok())),
        (b"nick", Like, Contact) => nicks(asked),
        (b"names", kind @ (Equal | Like | NotEqual), Roster) => {
            Ok(Place::Contacts { wanted: Wanted::new(&wanted::text(&asked.value)?, kind), after: Bytes::new() })
        }
        _ => Err(Refusal::InvalidData),
    }
}

/// SEARCH-1: numbers, each once; what is no number is nobody's.
fn phones(asked: &Request) -> Result<Place, Refusal> {
    let texts = wanted::texts(&asked.value)?;
    if texts.len() > SEARCH_PHONES {
        return Err(Refusal::InvalidData);
    }
    let mut met = std::collections::HashSet::new();
    let phones = texts.iter().filter_map(|text| Phone::parse(text).ok());
    Ok(Place::Phones(phones.filter(|phone| met.insert(phone.clone())).collect()))
}

/// SEARCH-4: a beginning of a nick is a nick itself; what is none begins no nick.
fn nicks(asked: &Request) -> Result<Place, Refusal> {
    let text = wanted::text(&asked.value)?;
    if std::str::from_utf8(&text).map_or(0, |text| text.trim().chars().count()) < PREFIX_MIN {
        return Err(Refusal::InvalidData);
    }
    Ok(match Nick::parse(&text) {
        Ok(nick) => {
            let prefix = nick.folded();
            Place::Nicks { from: prefix.clone().into(), prefix, looked: 0 }
        }
        Err(_) => Place::Nick(None),
    })
}

/// Looks at what comes next; answers when nothing does, or enough is found.
pub(crate) fn step(chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, mut search: Search) -> Result<(), Halt> {
    let is_done = match std::mem::replace(&mut search.place, Place::Nick(None)) {
        Place::Phones(phones) => search.phones(cx, own, phones)?,
        Place::Nick(nick) => search.nick(cx, own, nick.as_ref())?,
        Place::Nicks { prefix, from, looked } => search.nicks(cx, own, prefix, from, looked)?,
        Place::Contacts { wanted, after } => search.contacts(cx, own, wanted, after)?,
    };
    if !is_done {
        fx.tell(Name::Roster(own.clone()), Input::Search(Box::new(search)));
        return Ok(());
    }
    charge(chat, cx, fx, own, search.strangers)?;
    search.answer(cx, fx, own);
    Ok(())
}

impl Search {
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// A number is looked up whether anybody has it or not: to learn that is to look it up.
    fn phones(&mut self, cx: &Cx<'_>, own: &PhoneId, mut phones: VecDeque<Phone>) -> Result<bool, Failure> {
        for phone in phones.drain(..phones.len().min(STEP)) {
            let candidate = Candidate::by_phone(cx, own, &phone)?;
            self.strangers += u64::from(candidate.is_stranger());
            self.found.extend(candidate.shown(cx)?);
        }
        let is_done = phones.is_empty();
        self.place = Place::Phones(phones);
        Ok(is_done)
    }

    fn nick(&mut self, cx: &Cx<'_>, own: &PhoneId, nick: Option<&Nick>) -> Result<bool, Failure> {
        let Some(nick) = nick else { return Ok(true) };
        match holder(cx, nick)? {
            Some(holder) => self.look_at(cx, own, &holder)?,
            None => self.strangers += 1,
        }
        Ok(true)
    }

    fn nicks(
        &mut self,
        cx: &Cx<'_>,
        own: &PhoneId,
        prefix: String,
        from: Bytes,
        looked: usize,
    ) -> Result<bool, Failure> {
        // No byte of a text is 255.
        let end = [prefix.as_bytes(), &[0xff]].concat();
        let rows = cx.store.scan(NICK, &kvs::Span::range(from, end).limit(STEP))?;
        let next = rows.last().map(|(last, _)| Bytes::from([last, &b"\0"[..]].concat()));
        for (_, holder) in &rows {
            if self.found.len() < SEARCH_RESULTS
                && let Ok(holder) = PhoneId::parse(holder)
            {
                self.look_at(cx, own, &holder)?;
            }
        }
        let looked = looked + rows.len();
        let is_done = rows.len() < STEP || looked >= NICKS_MAX || self.found.len() >= SEARCH_RESULTS;
        if let Some(from) = next.filter(|_| !is_done) {
            self.place = Place::Nicks { prefix, from, looked };
        }
        self.strangers += u64::from(is_done && self.strangers == 0 && self.found.is_empty());
        Ok(is_done)
    }

    fn contacts(&mut self, cx: &Cx<'_>, own: &PhoneId, wanted: Wanted, after: Bytes) -> Result<bool, Failure> {
        let page = contact::page(cx, own, &after, SLICE)?;
        for known in page.known.iter().filter(|known| known.is_told(None)) {
            if self.found.len() < SEARCH_RESULTS && wanted.fits(&contact::full_name(cx, known)?) {
                self.found.push(contact::listed(cx, known)?);
            }
        }
        match page.upto.filter(|_| self.found.len() < SEARCH_RESULTS) {
            Some(after) => self.place = Place::Contacts { wanted, after },
            None => return Ok(true),
        }
        Ok(false)
    }

    fn look_at(&mut self, cx: &Cx<'_>, own: &PhoneId, roster: &PhoneId) -> Result<(), Failure> {
        let candidate = Candidate::of(cx, own, roster)?;
        let shown = candidate.shown(cx)?;
        // What is not shown was not found; asking for it counts once, in the end.
        self.strangers += u64::from(shown.is_some() && candidate.is_stranger());
        self.found.extend(shown);
        Ok(())
    }

    /// One record, or several as a long Roster is cut (PROFILE-1); `update` is in the last one only.
    fn answer(self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) {
        let update = roster::synced(cx);
        let mut parts = Parts::new(Frame::Search(self.reference));
        parts.begin(Roster {
            id: Some(RosterId::Number(own.roster())),
            status: Some(self.status),
            ..Roster::default()
        });
        self.found.into_iter().for_each(|contact| parts.add(Element::Contact(Box::new(contact))));
        parts.end(update);
        parts.finish(update);
        effects::answer(fx, &self.who, parts.take());
    }
}

/// The roster that has a nick.
fn holder(cx: &Cx<'_>, nick: &Nick) -> Result<Option<PhoneId>, Failure> {
    let holder = cx.store.get(NICK, nick.folded().as_bytes())?;
    Ok(holder.and_then(|holder| PhoneId::parse(&holder).ok()))
}
