//! SEARCH (SPEC 6.14): people and rooms by what is known of them.
//!
//! A search reads the rows and ranges that its question names, never all accounts: a number's card, the nicks with a prefix, the own
//! contacts. Each step reads a bounded part; what is longer goes on with a letter of the roster to itself (PM-5), so that whoever else
//! lives on this thread has its turn between.

mod called;
mod candidate;
mod card;
mod lookups;
mod members;
mod names;
mod near;
mod people;
mod place;
mod rooms;
mod wanted;

use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::{Roster, RosterId, RosterStatus, Search as Request, SearchStatus, SearchType};

pub(crate) use called::{Called, renamed};
pub(crate) use card::{card_follows, keep_card, renicked};
pub(crate) use lookups::charge;
pub(crate) use names::relist;
pub(crate) use rooms::outside;

use super::Halt;
use super::roster::{self, Frame, Parts};
use crate::effects;
use crate::{Chat, Cx, Fx, Input, Name, Who};
use card::Found;
use place::Place;

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    who: Who,
    /// What is still to look at.
    place: Place,
    /// The answer, with the people found so far, and how many they are.
    parts: Parts,
    people: usize,
    rooms: Vec<proto::records::Room>,
    /// Strangers that were asked for.
    strangers: u64,
    /// Many rows of the asker's lie between the numbers that are looked up.
    is_crowded: bool,
}

/// SEARCH-1 to 9, judged by the roster that asks.
pub(crate) fn call(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &PhoneId,
    called: &mut Called,
    asked: Request,
) -> Result<(), Halt> {
    let reference = asked.r#ref.clone().filter(|reference| !reference.is_empty()).ok_or(Refusal::InvalidData)?;
    let place = place::place(cx, own, &asked)?;
    // `contact` answers SEARCH-1 and 2 only.
    let status = match (asked.status, asked.r#type) {
        (Some(SearchStatus::Contact), Some(SearchType::Equal)) => RosterStatus::Contact,
        _ => RosterStatus::Search,
    };
    let mut parts = Parts::new(Frame::Search(reference));
    parts.begin(Roster { id: Some(RosterId::Number(own.roster())), status: Some(status), ..Roster::default() });
    let (rooms, is_crowded) = (Vec::new(), false);
    let search = Search { who: who.clone(), place, parts, people: 0, rooms, strangers: 0, is_crowded };
    step(chat, cx, fx, own, called, search)
}

/// Looks at what comes next; answers when nothing does, or enough is found.
pub(crate) fn step(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    called: &mut Called,
    mut search: Search,
) -> Result<(), Halt> {
    // Whoever types a nick comes upon the same people with each letter; numbers of a phone book are most often looked up once.
    let glance = kvs::Glance(cx.store);
    let is_done = match std::mem::take(&mut search.place) {
        Place::Nowhere => true,
        Place::Phones(phones) => search.phones(&cx.by(&glance), own, called, phones)?,
        Place::Nick(nick) => search.nick(cx, own, &nick)?,
        Place::Nicks { prefix, from, looked } => search.nicks(cx, own, prefix, from, looked)?,
        Place::Email(holder) => search.email(cx, own, holder.as_ref())?,
        Place::Contacts { wanted, after } => search.contacts(cx, fx, own, called, wanted, after)?,
        Place::Link(room) => search.link(cx, &room)?,
        Place::OwnRooms { wanted, rooms } => search.own_rooms(cx, wanted, rooms)?,
        Place::Rooms { wanted, from, looked } => search.public_rooms(cx, wanted, from, looked)?,
        Place::Members { room, wanted, from } => search.members(cx, own, room, wanted, from)?,
    };
    if !is_done {
        fx.tell(Name::Roster(own.clone()), Input::Search(Box::new(search)));
        return Ok(());
    }
    charge(chat, cx, fx, own, search.strangers)?;
    search.answer(cx, fx);
    Ok(())
}

impl Search {
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Somebody was found. Into the answer at once: many cards would be as much memory again until the end.
    fn add(&mut self, found: &Found) {
        self.parts.contact(found);
        self.people += 1;
    }

    /// One record, or several as a long Roster is cut (PROFILE-1); `update` is in the last one only.
    fn answer(mut self, cx: &Cx<'_>, fx: &mut Fx) {
        let update = roster::synced(cx);
        self.rooms.iter().for_each(|room| self.parts.room(room));
        self.parts.end(update);
        self.parts.finish(update);
        effects::answer(fx, &self.who, self.parts.take());
    }
}
