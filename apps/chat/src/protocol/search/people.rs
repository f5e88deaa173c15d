//! SEARCH-1, 2, 4, 5, 7, 8: rosters.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Nick, Phone, PhoneId, RoomId};
use proto::limits::SEARCH_RESULTS;

use super::called::Called;
use super::candidate::Candidate;
use super::card::Found;
use super::near::Near;
use super::place::Place;
use super::wanted::Wanted;
use super::{Search, members};
use crate::protocol::contact;
use crate::rows::NICK;
use crate::{Account, Cx, Fx};

/// Candidates looked at in one step, each some five reads of which most find nothing.
const STEP: usize = 64;
/// Nicks with a prefix that are looked at: with so many, the prefix is too short to be of use.
const NICKS_MAX: usize = 1024;

impl Search {
    /// A number is looked up whether anybody has it or not: to learn that is to look it up.
    pub(super) fn phones(
        &mut self,
        cx: &Cx<'_>,
        own: &PhoneId,
        called: &Called,
        mut phones: VecDeque<Phone>,
    ) -> Result<bool, Failure> {
        let asking = self.asking()?;
        let step: Vec<_> = phones.drain(..phones.len().min(STEP)).collect();
        let near = Near::of(cx, own, called, &step, self.is_crowded)?;
        self.is_crowded |= near.is_cut();
        for phone in &step {
            let candidate = Candidate::by_phone(cx, own, phone, &near)?;
            self.strangers += u64::from(candidate.is_stranger());
            candidate.shown(cx, &asking)?.iter().for_each(|found| self.add(found));
        }
        let is_done = phones.is_empty();
        self.place = Place::Phones(phones);
        Ok(is_done)
    }

    pub(super) fn nick(&mut self, cx: &Cx<'_>, own: &PhoneId, nick: &Nick) -> Result<bool, Failure> {
        let holder = cx.store.get(NICK, nick.folded().as_bytes())?;
        if let Some(holder) = holder.and_then(|holder| PhoneId::parse(&holder).ok()) {
            self.look_at(cx, Candidate::of(cx, own, &holder)?)?;
        }
        self.count_nobody();
        Ok(true)
    }

    pub(super) fn nicks(
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
        for (_, holder) in &rows {
            if self.people < SEARCH_RESULTS
                && let Ok(holder) = PhoneId::parse(holder)
            {
                self.look_at(cx, Candidate::of(cx, own, &holder)?)?;
            }
        }
        let looked = looked + rows.len();
        let next = rows.last().filter(|_| rows.len() == STEP).map(|(last, _)| [&last[..], b"\0"].concat());
        match next.filter(|_| looked < NICKS_MAX && self.people < SEARCH_RESULTS) {
            Some(from) => self.place = Place::Nicks { prefix, from: from.into(), looked },
            None => {
                self.count_nobody();
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn email(&mut self, cx: &Cx<'_>, own: &PhoneId, holder: Option<&Phone>) -> Result<bool, Failure> {
        if let Some(holder) = holder {
            self.look_at(cx, Some(Candidate::by_address(cx, own, holder)?))?;
        }
        self.count_nobody();
        Ok(true)
    }

    pub(super) fn contacts(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &PhoneId,
        called: &mut Called,
        wanted: Wanted,
        after: Bytes,
    ) -> Result<bool, Failure> {
        let most = SEARCH_RESULTS.saturating_sub(self.people);
        let (found, next) = called.find(cx, fx, own, &wanted, after, most)?;
        for known in found.iter().filter(|known| known.is_told(None)) {
            self.add(&Found::Contact(contact::listed(cx, known)?.into()));
        }
        match next.filter(|_| self.people < SEARCH_RESULTS) {
            Some(after) => self.place = Place::Contacts { wanted, after },
            None => return Ok(true),
        }
        Ok(false)
    }

    pub(super) fn members(
        &mut self,
        cx: &Cx<'_>,
        own: &PhoneId,
        room: RoomId,
        wanted: Wanted,
        from: u64,
    ) -> Result<bool, Failure> {
        let (members, next) = members::slice(cx, &room, from)?;
        for member in members {
            let is_meant = members::names(&member).iter().any(|name| wanted.fits(name));
            if self.people < SEARCH_RESULTS
                && is_meant
                && let Some(Ok(roster)) = member.phone_id.as_deref().map(PhoneId::parse)
            {
                self.add(&Found::Contact(contact::person(cx, own, &roster)?.into()));
            }
        }
        match next.filter(|_| self.people < SEARCH_RESULTS) {
            Some(from) => self.place = Place::Members { room, wanted, from },
            None => return Ok(true),
        }
        Ok(false)
    }

    /// The account that asks.
    fn asking(&self) -> Result<Arc<Account>, Failure> {
        self.who.account.clone().ok_or_else(|| Failure::new("a search of no account"))
    }

    fn look_at(&mut self, cx: &Cx<'_>, candidate: Option<Candidate>) -> Result<(), Failure> {
        let Some(candidate) = candidate else { return Ok(()) };
        let shown = candidate.shown(cx, &*self.asking()?)?;
        self.strangers += u64::from(shown.is_some() && candidate.is_stranger());
        shown.iter().for_each(|found| self.add(found));
        Ok(())
    }

    /// What is not shown was not found; asking for it counts once.
    fn count_nobody(&mut self) {
        self.strangers += u64::from(self.people == 0);
    }
}
