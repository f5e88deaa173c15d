//! Somebody who may be found, and whether the one who asks may find them.

use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::ContactStatus;

use super::card::{self, Found};
use super::near::Near;
use crate::protocol::{contact, presence};
use crate::rows::{self, Audience, BOOK, Card, Entry, RELATION, Relation};
use crate::{Account, Cx};

/// An account that a search has come upon.
pub(super) struct Candidate {
    own: PhoneId,
    /// The roster that would be shown; none when the number is not registered.
    roster: Option<PhoneId>,
    card: Card,
    relation: Option<Relation>,
    entry: Option<Entry>,
    /// Asked for by its exact number (SEARCH-1).
    by_number: bool,
}

impl Candidate {
    /// The default roster of a number; `near` knows of it.
    pub(super) fn by_phone(cx: &Cx<'_>, own: &PhoneId, phone: &Phone, near: &Near<'_>) -> Result<Candidate, Failure> {
        let card = card::of(cx, phone)?.unwrap_or_default();
        let mut candidate = Candidate::with(cx, own, card.default_roster(phone), card, near)?;
        candidate.by_number = true;
        let number = phone.as_str().as_bytes();
        if candidate.entry.is_none() && near.may_be(number) {
            candidate.entry = rows::read(cx.store, BOOK, &rows::pair_key(own, number))?;
        }
        Ok(candidate)
    }

    /// The default roster of whoever has an address.
    pub(super) fn by_address(cx: &Cx<'_>, own: &PhoneId, phone: &Phone) -> Result<Candidate, Failure> {
        Ok(Candidate { by_number: false, ..Candidate::by_phone(cx, own, phone, &Near::Unknown)? })
    }

    /// None where the account lets nobody find it; what the two are to each other does not matter then.
    pub(super) fn of(cx: &Cx<'_>, own: &PhoneId, roster: &PhoneId) -> Result<Option<Candidate>, Failure> {
        let card = card::of(cx, roster.phone())?.unwrap_or_default();
        if card.searchable == Audience::Nobody && roster.phone() != own.phone() {
            return Ok(None);
        }
        let roster = card.rosters.contains(&roster.roster()).then(|| roster.clone());
        Candidate::with(cx, own, roster, card, &Near::Unknown).map(Some)
    }

    fn with(
        cx: &Cx<'_>,
        own: &PhoneId,
        roster: Option<PhoneId>,
        card: Card,
        near: &Near<'_>,
    ) -> Result<Candidate, Failure> {
        let (mut relation, mut entry) = (None, None);
        if let Some(roster) = roster.as_ref().filter(|roster| near.may_be(roster.as_str().as_bytes())) {
            let key = rows::pair_key(own, roster.as_str().as_bytes());
            relation = rows::read::<Relation>(cx.store, RELATION, &key)?;
            entry = rows::read(cx.store, BOOK, &key)?;
        }
        Ok(Candidate { own: own.clone(), roster, card, relation, entry, by_number: false })
    }

    fn is_own(&self) -> bool {
        self.roster.as_ref().is_some_and(|roster| roster.phone() == self.own.phone())
    }

    fn status(&self) -> Option<ContactStatus> {
        self.relation.as_ref().and_then(|relation| relation.status)
    }

    /// Nobody that the asker knows: section 11 counts those.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_own() && self.status().is_none() && self.entry.is_none()
    }

    /// As the asker sees it; none when it is not for the asker to see.
    pub(super) fn shown(&self, cx: &Cx<'_>, asking: &Account) -> Result<Option<Found>, Failure> {
        let Some(roster) = &self.roster else { return Ok(None) };
        if !self.is_own() && (!self.lets_itself_be_found() || self.has_banned(cx, asking)?) {
            return Ok(None);
        }
        if self.is_stranger() && self.card.rosters.first() == Some(&roster.roster()) {
            return Ok(Some(Found::Card(self.card.contact.clone())));
        }
        let contact = contact::outline(cx, roster, self.relation.as_ref(), self.entry.as_ref())?;
        Ok(Some(Found::Contact(contact.into())))
    }

    /// SEARCHABLE (FEATURE-2).
    fn lets_itself_be_found(&self) -> bool {
        match self.card.searchable {
            Audience::Everyone => true,
            Audience::Friends => self.status() == Some(ContactStatus::Friend) || self.by_number && self.entry.is_some(),
            Audience::Nobody => false,
        }
    }

    /// Whether any roster of the account has banned any of the asker's. Both sides' rows come into being at once (FRIEND-10) and stay as long
    /// as their rosters, and the asker's own lie together: where there is none of those, the other is not looked for.
    fn has_banned(&self, cx: &Cx<'_>, asking: &Account) -> Result<bool, Failure> {
        let Some(roster) = &self.roster else { return Ok(false) };
        for (own, theirs) in asking.rosters.iter().flat_map(|own| self.card.rosters.iter().map(move |id| (*own, *id))) {
            let is_this = (own, theirs) == (self.own.roster(), roster.roster());
            if is_this && self.relation.is_none() {
                continue;
            }
            let (own, theirs) = (asking.phone.roster(own), roster.phone().roster(theirs));
            let key = rows::pair_key(&own, theirs.as_str().as_bytes());
            if (is_this || cx.store.get(RELATION, &key)?.is_some())
                && presence::relation(cx, &theirs, &own)? == Some(ContactStatus::Ban)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
