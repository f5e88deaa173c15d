//! Long answers: rosters with all their lists (PROFILE-1, ROSTER-1, 10, 11), read a part at a time. A roster has up to 10,000
//! contacts; whoever reads them goes on by a letter to itself, so that no reader blocks its thread.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use n2o::{Bounce, Failure};
use proto::ids::{PhoneId, RoomId};
use proto::records::{Contact, ContactStatus, MessageLink, Room, Roster};

use super::contact::Known;
use super::roster::{Frame, Parts, gone};
use super::{contact, favorite, room};
use crate::{Chat, Cx, Fx, Input, Name, Who, effects, names, rows};

/// Contacts read in one step, at about ten microseconds each.
const STEP: usize = 64;
/// A room, with the members it lists, costs as much to read as so many contacts.
const ROOM_COST: usize = 8;
/// A roster with so many contacts is expected to be searched for names: to read them only then, of fewer, takes a few milliseconds.
const LONG: usize = 1_000;

/// An answer that is being read.
#[derive(Debug, Clone)]
pub struct Reading {
    to: To,
    what: What,
    /// Those not read yet, as they describe themselves; the first one is open.
    rosters: VecDeque<(PhoneId, Roster)>,
    stage: Stage,
    /// How many contacts of the open roster have been read, and which rosters have had many.
    contacts: usize,
    long: Vec<PhoneId>,
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

/// What of a roster's contacts and rooms is told.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// All, or those that changed later (PROFILE-1), and the stars.
    All { since: Option<u64> },
    /// Those whose names contain this, in lower case (ROSTER-10).
    Named(String),
    /// The last message of each, newest first (ROSTER-11).
    Latest,
}

/// How far the open roster has been read. What is told by age is looked at twice: first for when its last message was.
#[derive(Debug, Clone)]
enum Stage {
    /// Contacts beyond this address are left.
    Contacts {
        beyond: Bytes,
        dated: Vec<(u64, Bytes)>,
    },
    /// What has gone from the phone book since, beyond this one, is left.
    Gone(Bytes),
    /// These addresses are left, the next one last.
    DatedContacts(Vec<Bytes>),
    /// These rooms are left, the next one last.
    Rooms {
        left: Vec<RoomId>,
        dated: Vec<(u64, RoomId)>,
    },
    DatedRooms(Vec<RoomId>),
}

impl Stage {
    const FIRST: Stage = Stage::Contacts { beyond: Bytes::new(), dated: Vec::new() };
}

impl Reading {
    /// `rosters` may be newer than the store.
    pub(crate) fn new(to: To, frame: Frame, rosters: Vec<(PhoneId, Roster)>, what: What, update: u64) -> Reading {
        let mut parts = Parts::new(frame);
        if let Some((_, first)) = rosters.first() {
            parts.begin(first.clone());
        }
        let (contacts, long) = (0, Vec::new());
        Reading { to, what, rosters: rosters.into(), stage: Stage::FIRST, contacts, long, parts, update }
    }

    /// Reads on, answers with what is complete, and comes again if there is more.
    pub(crate) fn step(mut self: Box<Self>, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let mut left = STEP;
        while left > 0
            && let Some((own, _)) = self.rosters.front()
        {
            let own = own.clone();
            left -= self.read(cx, &own, left)?.min(left);
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
        match done {
            true => self.long.drain(..).for_each(|own| fx.tell(Name::Roster(own), Input::Expect)),
            false => fx.tell(cx.name.clone(), Input::Reading(self)),
        }
        Ok(())
    }

    /// What whoever is answered is told when it fails.
    pub(crate) fn bounce(&self) -> Bounce<Chat> {
        match &self.to {
            To::Caller(who) => effects::failed(who),
            To::Connection { session, connection } => effects::unshown(session, *connection),
        }
    }

    /// Reads up to `most` contacts of the open roster, or what costs as much; how much it was.
    fn read(&mut self, cx: &Cx<'_>, own: &PhoneId, most: usize) -> Result<usize, Failure> {
        match std::mem::replace(&mut self.stage, Stage::FIRST) {
            Stage::Contacts { beyond, dated } => self.contacts(cx, own, &beyond, dated, most),
            Stage::Gone(beyond) => self.gone(cx, own, &beyond, most),
            Stage::DatedContacts(mut left) => {
                let next = left.split_off(left.len().saturating_sub(most));
                for address in next.iter().rev() {
                    let Some(known) = contact::known(cx, own, address)? else { continue };
                    self.parts.contact(&latest(contact::full(cx, own, &known)?));
                }
                match left.is_empty() {
                    true => self.begin_rooms(cx, own)?,
                    false => self.stage = Stage::DatedContacts(left),
                }
                Ok(next.len().max(1))
            }
            Stage::Rooms { left, dated } => self.rooms(cx, own, left, dated),
            Stage::DatedRooms(mut left) => {
                match left.pop() {
                    Some(next) => {
                        self.add_room(room::show::latest(cx, own, &next)?);
                        self.stage = Stage::DatedRooms(left);
                    }
                    None => self.next_roster(),
                }
                Ok(ROOM_COST)
            }
        }
    }

    fn contacts(
        &mut self,
        cx: &Cx<'_>,
        own: &PhoneId,
        beyond: &[u8],
        mut dated: Vec<(u64, Bytes)>,
        most: usize,
    ) -> Result<usize, Failure> {
        let page = contact::page(cx, own, beyond, most)?;
        for known in &page.known {
            let is_told = match &self.what {
                What::All { since } => known.is_news(cx, *since)?,
                What::Named(needle) => known.is_told(None) && contact::is_named(cx, known, needle)?,
                What::Latest if known.is_told(None) => {
                    dated.push((contact::last_id(cx, own, known)?, known.address.clone()));
                    false
                }
                What::Latest => false,
            };
            if is_told {
                self.names_before(cx, known)?;
                self.parts.contact(&contact::full(cx, own, known)?);
            }
        }
        match (page.upto, &self.what) {
            (Some(beyond), _) => self.stage = Stage::Contacts { beyond, dated },
            (None, What::Latest) => self.stage = Stage::DatedContacts(by_age(dated)),
            (None, What::Named(_)) => self.begin_rooms(cx, own)?,
            (None, What::All { .. }) => self.stage = Stage::Gone(Bytes::new()),
        }
        self.contacts += page.known.len();
        Ok(page.known.len().max(1))
    }

    fn gone(&mut self, cx: &Cx<'_>, own: &PhoneId, beyond: &[u8], most: usize) -> Result<usize, Failure> {
        let since = match self.what {
            What::All { since } => since,
            What::Named(_) | What::Latest => None,
        };
        let page = since.map(|since| gone::page(cx, own, since, beyond, most)).transpose()?.unwrap_or_default();
        let read = page.contacts.len().max(1);
        page.contacts.iter().for_each(|gone| self.parts.contact(gone));
        match page.upto {
            Some(beyond) => self.stage = Stage::Gone(beyond),
            None => {
                let stars = favorite::stars(cx, own)?;
                stars.iter().for_each(|star| self.parts.star(star));
                self.begin_rooms(cx, own)?;
            }
        }
        Ok(read)
    }

    /// PROFILE-11: of what has changed a part may be the name, and who was away has not been told.
    fn names_before(&mut self, cx: &Cx<'_>, known: &Known) -> Result<(), Failure> {
        if let What::All { since: Some(1..) } = self.what
            && let Some(peer) = known.peer()
        {
            for name in names::before(cx.store, &peer)? {
                self.parts.contact(&known.gone(names::literal(&name)));
            }
        }
        Ok(())
    }

    fn begin_rooms(&mut self, cx: &Cx<'_>, own: &PhoneId) -> Result<(), Failure> {
        let left = rows::rooms(cx.store, own)?.into_keys().rev().collect();
        self.stage = Stage::Rooms { left, dated: Vec::new() };
        Ok(())
    }

    fn rooms(
        &mut self,
        cx: &Cx<'_>,
        own: &PhoneId,
        mut left: Vec<RoomId>,
        mut dated: Vec<(u64, RoomId)>,
    ) -> Result<usize, Failure> {
        let Some(next) = left.pop() else {
            match dated.is_empty() {
                true => self.next_roster(),
                false => self.stage = Stage::DatedRooms(by_age(dated)),
            }
            return Ok(1);
        };
        match &self.what {
            What::All { since } => self.add_room(room::show::of_roster(cx, own, &next, *since)?),
            What::Named(needle) => {
                let room = room::show::of_roster(cx, own, &next, None)?.filter(|room| is_named(room, needle));
                self.add_room(room);
            }
            What::Latest => {
                let last = room::show::latest(cx, own, &next)?;
                dated.extend(last.map(|last| (last_id(&last), next)));
            }
        }
        self.stage = Stage::Rooms { left, dated };
        Ok(ROOM_COST)
    }

    fn add_room(&mut self, room: Option<Room>) {
        room.iter().for_each(|room| self.parts.room(room));
    }

    fn next_roster(&mut self) {
        self.parts.end(self.update);
        let read = self.rosters.pop_front();
        if std::mem::take(&mut self.contacts) >= LONG {
            self.long.extend(read.map(|(own, _)| own));
        }
        if let Some((_, next)) = self.rosters.front() {
            self.parts.begin(next.clone());
        }
    }
}

/// The oldest first, as what is taken from the end.
fn by_age<T: Ord>(mut dated: Vec<(u64, T)>) -> Vec<T> {
    dated.sort_unstable();
    dated.into_iter().map(|(_, what)| what).collect()
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

/// ROSTER-10.
fn is_named(room: &Room, needle: &str) -> bool {
    room.name.as_ref().is_some_and(|name| String::from_utf8_lossy(name).to_lowercase().contains(needle))
}

fn last_id(room: &Room) -> u64 {
    match &room.last_msg {
        Some(MessageLink::Message(last)) => last.id.unwrap_or(0),
        Some(MessageLink::Id(last)) => *last,
        None => 0,
    }
}
