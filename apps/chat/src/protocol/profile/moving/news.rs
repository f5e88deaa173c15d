//! PROFILE-11: who is told that an account has another number: those who know its rosters, by the conversations of the two; those who share
//! a room; those who have a number of it in the phone book.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Phone, PhoneId};
use proto::records::{Contact, ContactStatus, Roster};

use crate::effects::{self, Seen, contact_merge};
use crate::process::conversation::Conversation;
use crate::protocol::work::{self, Errand, Next, ROUND, Task, between};
use crate::protocol::{contact, presence, roster};
use crate::rows::{self, BOOK, Entry, Move, RELATION, ROSTER, Relation, WANTED, Work};
use crate::{Cx, Fx, Name, names};

/// Stages behind those of the rosters: who has the number that was left in the phone book, and who the new one.
const HOLDERS: u64 = u64::MAX - 1;
const WAITERS: u64 = u64::MAX;

/// What is to be told.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    /// The roster, or the default one, of the account.
    pub(crate) own: PhoneId,
    left: Phone,
    /// The keys that whoever registers the two numbers would have.
    left_seat: Phone,
    seat: Phone,
    events: (u64, u64),
    /// How far it is once this round is over.
    at: u64,
    told: Bytes,
}

/// The next round, or the next stage.
pub(super) fn tell(cx: &Cx<'_>, fx: &mut Fx, own: &Phone, number: u64, mut work: Move) -> Result<Next, Failure> {
    let ids = rows::roster_ids(cx.store, own)?;
    let Some(default) = ids.first().map(|id| own.roster(*id)) else { return Ok(Next::Done(Vec::new())) };
    let (left, left_seat) = work.left.clone().unwrap_or_default();
    let (left, left_seat, seat) = (parse(&left)?, parse(&left_seat)?, parse(&work.seat)?);
    let stage = ids.into_iter().chain([HOLDERS, WAITERS]).find(|stage| *stage >= work.at).unwrap_or(WAITERS);
    if stage > work.at {
        (work.at, work.told) = (stage, Bytes::new());
    }
    let mut moved = Moved { own: default, left, left_seat, seat, events: work.events, at: stage, told: Bytes::new() };
    let (table, prefix) = match stage {
        HOLDERS => (WANTED, rows::path(&[own.as_str().as_bytes(), b""])),
        WAITERS => (WANTED, rows::path(&[moved.seat.as_str().as_bytes(), b""])),
        id => {
            moved.own = own.roster(id);
            (RELATION, rows::pair_key(&moved.own, b""))
        }
    };
    let page = cx.store.scan(table, &rows::beyond(&prefix, &work.told).limit(ROUND))?;
    let Some((last, _)) = page.last() else {
        if stage == WAITERS {
            return Ok(Next::Done(Vec::new()));
        }
        if stage < HOLDERS {
            tell_fellows(cx, fx, &moved)?;
        }
        (work.at, work.told) = (stage + 1, Bytes::new());
        work::keep(fx, own, number, &Work::Move(work));
        return Ok(Next::Again);
    };
    moved.told = last.slice(prefix.len()..);
    let peers = page.iter().filter_map(|(key, _)| PhoneId::parse(&key.slice(prefix.len()..)).ok());
    let to = |peer| if stage < HOLDERS { between(&moved.own, peer) } else { Name::Roster(peer) };
    // Home last: only then they count as told.
    let way = std::iter::once(Name::Profile(own.clone())).chain(peers.map(to)).collect();
    Ok(Next::Round { task: Task::Moved(Box::new(moved)), way })
}

/// A round is over.
pub(crate) fn keep(cx: &Cx<'_>, fx: &mut Fx, home: &Phone, errand: &Errand, moved: &Moved) -> Result<(), Failure> {
    if let Some(Work::Move(work)) = work::read(cx.store, home, errand.work)? {
        let work = Move { at: moved.at, told: moved.told.clone(), ..work };
        work::keep(fx, home, errand.work, &Work::Move(work));
    }
    Ok(())
}

/// To the other side of a conversation: the contact under the old name is gone, under the new one it is what it was.
pub(crate) fn tell_other(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    moved: &Moved,
) -> Result<(), Failure> {
    let Some(own) = conversation.sides().iter().find(|side| side.who == moved.own).cloned() else { return Ok(()) };
    let mut other = conversation.other(&own).clone();
    if other.who == own.who || other.relation.status.is_none() {
        return Ok(());
    }
    other.relation.update = cx.now.0;
    conversation.put_relation(cx, fx, &other.who, other.relation.clone())?;
    let key = rows::pair_key(&other.who, own.who.as_str().as_bytes());
    let entry: Option<Entry> = rows::read(cx.store, BOOK, &key)?;
    let now = contact::seen(cx, &other.who, &own.who, Some(&other.relation), entry.as_ref())?;
    tell_both(cx, fx, &other.who, moved, &own.who, &now)
}

/// In a phone book: who has the roster is told, if no conversation does it; a bare number stays a number, whoever has it now.
pub(crate) fn tell_book(cx: &Cx<'_>, fx: &mut Fx, holder: &PhoneId, moved: &Moved) -> Result<(), Failure> {
    let account = moved.own.phone();
    roster::renumber(cx, fx, holder, account, &moved.left_seat)?;
    roster::arrived(cx, fx, holder, &moved.seat, &moved.own)?;
    if moved.at != HOLDERS {
        return Ok(());
    }
    for id in rows::roster_ids(cx.store, account)? {
        let own = account.roster(id);
        let key = rows::pair_key(holder, own.as_str().as_bytes());
        let relation: Option<Relation> = rows::read(cx.store, RELATION, &key)?;
        let entry: Option<Entry> = rows::read(cx.store, BOOK, &key)?;
        let (Some(entry), true) = (entry, relation.is_none_or(|row| row.status.is_none())) else { continue };
        let entry = Entry { update: cx.now.0, ..entry };
        fx.put(BOOK, key, rows::encode(&entry));
        let now = contact::seen(cx, holder, &own, None, Some(&entry))?;
        tell_both(cx, fx, holder, moved, &own, &now)?;
    }
    Ok(())
}

fn tell_both(
    cx: &Cx<'_>,
    fx: &mut Fx,
    to: &PhoneId,
    moved: &Moved,
    own: &PhoneId,
    now: &Contact,
) -> Result<(), Failure> {
    let (gone, topic) = (gone(cx, moved, own), effects::ses(cx, to)?);
    for (contact, event) in [(&gone, moved.events.0), (now, moved.events.1)] {
        let merge = contact_merge(to, contact.phone_id.as_deref().unwrap_or_default());
        let payload = etf::encode(contact);
        effects::notify_of(fx, cx, to.phone(), &topic, payload, merge, Seen::ByNobody, event)?;
    }
    Ok(())
}

/// To those who share a room, while they are connected (TOPIC-15).
fn tell_fellows(cx: &Cx<'_>, fx: &mut Fx, moved: &Moved) -> Result<(), Failure> {
    let row: Roster = rows::read(cx.store, ROSTER, moved.own.as_str().as_bytes())?.unwrap_or_default();
    let now = roster::whole_face(cx, &moved.own, row)?;
    presence::tell_fellows(cx, fx, &moved.own, etf::encode(&gone(cx, moved, &moved.own)), moved.events.0)?;
    presence::tell_fellows(cx, fx, &moved.own, etf::encode(&now), moved.events.1)
}

/// The contact under the name that it had.
fn gone(cx: &Cx<'_>, moved: &Moved, own: &PhoneId) -> Contact {
    Contact {
        phone_id: Some(names::literal(&moved.left.roster(own.roster()))),
        update: Some(cx.now.0),
        status: Some(ContactStatus::Deleted),
        ..Contact::default()
    }
}

fn parse(number: &[u8]) -> Result<Phone, Failure> {
    Phone::parse(number).map_err(|_| Failure::new("work about a number that is none"))
}
