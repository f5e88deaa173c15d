//! Long answers: rosters with all their lists (PROFILE-1, ROSTER-1, 10, 11), read a part at a time. A roster has up to 10,000
//! contacts; whoever reads them goes on by a letter to itself, so that no reader blocks its thread.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{PhoneId, RoomId};
use proto::records::{Contact, ContactStatus, Roster};

use super::contact::{self, Known};
use super::roster::{Element, Frame, Parts};
use super::{favorite, room};
use crate::{Cx, Fx, Input, Name, Who, effects, rows};

/// Contacts read in one step.
const STEP: usize = 128;
/// A room, with the members it lists, costs as much to read as so many contacts.
const ROOM_COST: usize = 16;

/// An answer that is being read.
#[derive(Debug, Clone)]
pub struct Reading {
    to: To,
    what: What,
    /// Those not read yet, as they describe themselves; the first one is open.
    rosters: VecDeque<(PhoneId, Roster)>,
    /// Contacts of the open one up to this address have been read.
    at: Bytes,
    parts: Parts,
    /// Changes from then on are told again (PROFILE-1).
    update: u64,
}

/// Who is answered.
#[derive(Debug, Clone)]
pub(crate) enum To {
    Caller(Box<Who>),
    /// A connection that has not asked (CON-5).
    Connection {
        session: Arc<str>,
        connection: u64,
    },
}

/// What of a roster's contacts is told.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// All, or those that changed later (PROFILE-1).
    Contacts { since: Option<u64> },
    /// The rooms behind them that are left, the next one last.
    Rooms { since: Option<u64>, left: Vec<RoomId> },
    /// Those whose names contain this, in lower case (ROSTER-10).
    Named(String),
    /// ROSTER-11, first pass: when the last message of each was.
    Latest(Vec<(u64, Bytes)>),
    /// ROSTER-11, second pass: the addresses in order, the next one last.
    InOrder(Vec<Bytes>),
}

impl Reading {
    /// `rosters` may be newer than the store.
    pub(crate) fn new(to: To, frame: Frame, rosters: Vec<(PhoneId, Roster)>, what: What, update: u64) -> Reading {
        let mut parts = Parts::new(frame);
        if let Some((_, first)) = rosters.first() {
            parts.begin(first.clone());
        }
        Reading { to, what, rosters: rosters.into(), at: Bytes::new(), parts, update }
    }

    /// Reads on, answers with what is complete, and comes again if there is more.
    pub(crate) fn step(mut self: Box<Self>, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let mut left = STEP;
        while left > 0 && !self.rosters.is_empty() {
            left -= self.read(cx, left)?.min(left);
        }
        let done = self.rosters.is_empty();
        if done {
            self.parts.finish(self.update);
        }
        let records = self.parts.take();
        match (&self.to, done) {
            (To::Caller(who), true) => effects::answer(fx, who, records),
            (To::Caller(who), false) => effects::answer_part(fx, who, records),
            (To::Connection { session, connection }, done) => {
                let shown = Input::Shown { connection: *connection, records, done };
                fx.tell(Name::Session(session.clone()), shown);
            }
        }
        if !done {
            fx.tell(cx.name.clone(), Input::Reading(self));
        }
        Ok(())
    }

    /// Whose call it answers.
    pub(crate) fn who(&self) -> Option<&Who> {
        match &self.to {
            To::Caller(who) => Some(who),
            To::Connection { .. } => None,
        }
    }

    /// Reads up to `most` contacts of the open roster; how many it was, at least one for a roster that has ended.
    fn read(&mut self, cx: &Cx<'_>, most: usize) -> Result<usize, Failure> {
        let Some((own, _)) = self.rosters.front().cloned() else { return Ok(0) };
        if let What::InOrder(order) = &mut self.what {
            let from = order.len().saturating_sub(most);
            let next = order.split_off(from);
            let is_last = order.is_empty();
            for address in next.iter().rev() {
                let Some(known) = contact::known(cx, &own, address)? else { continue };
                self.parts.add(Element::Contact(Box::new(latest(contact::full(cx, &own, &known)?))));
            }
            if is_last {
                self.next_roster();
            }
            return Ok(next.len().max(1));
        }
        if let What::Rooms { since, left } = &mut self.what {
            let (since, next) = (*since, left.pop());
            match next {
                Some(next) => {
                    let room = room::show::of_roster(cx, &own, &next, since)?;
                    room.into_iter().for_each(|room| self.parts.add(Element::Room(Box::new(room))));
                }
                None => {
                    self.what = What::Contacts { since };
                    self.next_roster();
                }
            }
            return Ok(ROOM_COST);
        }
        let page = contact::page(cx, &own, &self.at, most)?;
        for known in &page.known {
            self.take(cx, &own, known)?;
        }
        self.at = page.upto.unwrap_or_default();
        if self.at.is_empty() {
            match &mut self.what {
                What::Latest(found) => {
                    found.sort_unstable();
                    let order = std::mem::take(found).into_iter().map(|(_, address)| address);
                    self.what = What::InOrder(order.collect());
                }
                What::Contacts { since } => {
                    let since = *since;
                    let stars = favorite::stars(cx, &own)?;
                    stars.into_iter().for_each(|star| self.parts.add(Element::Star(Box::new(star))));
                    let left = rows::rooms(cx.store, &own)?.into_keys().rev().collect();
                    self.what = What::Rooms { since, left };
                }
                What::Named(_) | What::InOrder(_) | What::Rooms { .. } => self.next_roster(),
            }
        }
        Ok(page.known.len().max(1))
    }

    fn take(&mut self, cx: &Cx<'_>, own: &PhoneId, known: &Known) -> Result<(), Failure> {
        let contact = match &mut self.what {
            What::Contacts { since } => match known.is_told(*since) {
                true => Some(contact::full(cx, own, known)?),
                false => None,
            },
            What::Named(needle) => match known.is_told(None) && contact::is_named(cx, known, needle)? {
                true => Some(contact::full(cx, own, known)?),
                false => None,
            },
            What::Latest(found) => {
                if known.is_told(None) {
                    found.push((contact::last_id(cx, own, known)?, known.address.clone()));
                }
                None
            }
            What::InOrder(_) | What::Rooms { .. } => None,
        };
        if let Some(contact) = contact {
            self.parts.add(Element::Contact(Box::new(contact)));
        }
        Ok(())
    }

    fn next_roster(&mut self) {
        self.parts.end(self.update);
        self.rosters.pop_front();
        self.at = Bytes::new();
        if let Some((_, next)) = self.rosters.front() {
            self.parts.begin(next.clone());
        }
    }
}

/// ROSTER-11: only who it is, the last message, and how far it is read.
fn latest(contact: Contact) -> Contact {
    Contact {
        phone_id: contact.phone_id,
        last_msg: contact.last_msg,
        reader: contact.reader,
        nread: contact.nread,
        status: Some(ContactStatus::LastMsg),
        ..Contact::default()
    }
}
