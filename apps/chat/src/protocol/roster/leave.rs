//! Rosters and contacts that go: ROSTER-5 and, of ROSTER-8, what the roster, the nicks and the round of its work have to do.

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{Address, FeedId, Phone, PhoneId};
use proto::records::{Io, UserEntry};
use proto::{Outcome, Refusal};

use super::{book, gone};
use crate::effects::{self, Seen, contact_merge};
use crate::protocol::work::{self, Errand, Next, ROUND, Task, between};
use crate::protocol::{Halt, contact, ftp, profile};
use crate::rows::{
    self, BOOK, CURSOR, DEVICE, EMAIL, Favorite, Forget, GONE, Leave, MESSAGE, NICK_OF, NOTICE, PROFILE, READER,
    RELATION, Relation, STAR, STAR_DUE, STAR_OF, TAG, TALLY, WANTED, Work,
};
use crate::{Cx, Fx, Name, Who};

/// Contacts of one ROSTER-5.
const DEL_MAX: usize = 500;
/// Rows of a phone book that one part of a round erases.
const ERASED: usize = 256;

/// ROSTER-5: contacts go, with what they are to the roster. The call ends when all of it is done.
pub(super) fn del(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, list: Vec<UserEntry>) -> Result<(), Halt> {
    if list.is_empty() || list.len() > DEL_MAX {
        return Err(Refusal::InvalidData.into());
    }
    let addresses = list.into_iter().map(address).collect::<Result<BTreeSet<_>, _>>()?;
    let mut present = BTreeSet::new();
    for address in addresses {
        if is_contact(cx, own, &address)? {
            present.insert(address);
        } else if let Ok(phone) = Phone::parse(&address)
            // ID-4
            && let Some(roster) = rows::default_roster(cx.store, &phone)?.map(|roster| roster.to_bytes())
            && is_contact(cx, own, &roster)?
        {
            present.insert(roster);
        }
    }
    if present.is_empty() {
        return Err(Refusal::ContactsNotFound.into());
    }
    let forget = Forget { roster: own.to_bytes(), list: present.into_iter().collect() };
    Ok(work::begin(cx, fx, own.phone(), &Work::Forget(forget), Some(who))?)
}

/// A contact by its phone_id, or a number that is not registered.
fn address(entry: UserEntry) -> Result<Bytes, Refusal> {
    let named = match entry {
        UserEntry::Contact(contact) => contact.phone_id.ok_or(Refusal::InvalidData)?,
        UserEntry::Id(number) => number.to_string().into(),
    };
    match Address::parse(&named).map_err(|_| Refusal::InvalidData)? {
        Address::Full(roster) => Ok(roster.to_bytes()),
        Address::Phone(phone) => Ok(phone.to_bytes()),
        Address::Roster(_) => Err(Refusal::InvalidData),
    }
}

pub(super) fn is_contact(cx: &Cx<'_>, own: &PhoneId, address: &[u8]) -> Result<bool, Failure> {
    Ok(is_related(cx, own, address)? || cx.store.get(BOOK, &rows::pair_key(own, address))?.is_some())
}

fn is_related(cx: &Cx<'_>, own: &PhoneId, address: &[u8]) -> Result<bool, Failure> {
    let row: Option<Relation> = rows::read(cx.store, RELATION, &rows::pair_key(own, address))?;
    Ok(row.is_some_and(|row| row.status.is_some()))
}

/// ROSTER-5: the phone book first, so that what is left of a relation is nothing; then the conversations.
pub(crate) fn forget(cx: &Cx<'_>, forget: &Forget) -> Result<Next, Failure> {
    let own = parse(&forget.roster)?;
    let mut way = Vec::new();
    for address in &forget.list {
        if is_related(cx, &own, address)? {
            way.extend(PhoneId::parse(address).map(|peer| between(&own, peer)));
        }
    }
    let mut in_book = false;
    for address in &forget.list {
        in_book |= cx.store.get(BOOK, &rows::pair_key(&own, address))?.is_some();
    }
    if way.is_empty() && !in_book {
        let removed = Io::ok_src(Outcome::Removed, forget.list.clone());
        return Ok(Next::Done(vec![etf::encode(&removed)]));
    }
    way.push(Name::Roster(own.clone()));
    Ok(Next::Round { task: Task::Forget { own, list: forget.list.clone() }, way })
}

/// ROSTER-8: whatever is left of a roster that is no more, a round at a time. Those who had it in their phone book come last.
pub(crate) fn leave(cx: &Cx<'_>, home: &Phone, number: u64, leave: Leave) -> Result<Next, Failure> {
    let own = parse(&leave.roster)?;
    let round = |way| {
        let task = Task::Leave { own: own.clone(), account: leave.account != 0 };
        Ok(Next::Round { task, way })
    };
    if leave.account != 0 {
        let is_free = cx.store.get(PROFILE, home.as_str().as_bytes())?.is_none();
        // Whoever has the number by now, or is about to, has uploaded with later numbers.
        let upto = if is_free { cx.id()? } else { number };
        if ftp::has_any(cx, home, upto)? {
            return Ok(Next::Round { task: Task::Abandon { upto }, way: vec![Name::Files(home.clone())] });
        }
    }
    let way = conversations(cx, &own)?;
    if !way.is_empty() {
        return round(way);
    }
    if has_notes(cx, &own)? {
        return round(vec![between(&own, own.clone())]);
    }
    if let Some(next) = stars(cx, &own)? {
        return Ok(next);
    }
    for table in [BOOK, GONE, TALLY, TAG] {
        if !cx.store.scan(table, &kvs::Span::prefix(rows::pair_key(&own, b"")).limit(1))?.is_empty() {
            return round(vec![Name::Roster(own.clone())]);
        }
    }
    if cx.store.get(NICK_OF, own.as_str().as_bytes())?.is_some() {
        return round(vec![Name::Nicks]);
    }
    if let Some(client) = queued(cx, &leave.clients)? {
        return Ok(Next::Round { task: Task::Unqueue, way: vec![Name::session(&client)] });
    }
    for address in &leave.emails {
        if cx.store.get(EMAIL, address)?.is_some_and(|holder| holder == home.as_str().as_bytes()) {
            let list = leave.emails.clone();
            return Ok(Next::Round { task: Task::Unmail { list }, way: vec![Name::Nicks] });
        }
    }
    let unseen = rows::numbers(home.as_str().as_bytes(), 0, number).limit(1);
    if leave.account != 0 && !cx.store.scan(NOTICE, &unseen)?.is_empty() {
        return Ok(Next::Round { task: Task::Unnotify { upto: number }, way: vec![Name::Mail(home.clone())] });
    }

    let prefix = rows::path(&[home.as_str().as_bytes(), b""]);
    let holders = cx.store.scan(WANTED, &rows::beyond(&prefix, &leave.told).limit(ROUND))?;
    let Some((last, _)) = holders.last() else { return Ok(Next::Done(Vec::new())) };
    let upto = last.slice(prefix.len()..);
    let holders = holders.iter().filter_map(|(key, _)| PhoneId::parse(&key.slice(prefix.len()..)).ok());
    let instead = rows::default_roster(cx.store, home)?;
    // Home last: only then they count as told.
    let way = std::iter::once(Name::Profile(home.clone())).chain(holders.map(Name::Roster)).collect();
    Ok(Next::Round { task: Task::Lose { lost: own, instead, upto }, way })
}

/// A round of holders is over.
pub(crate) fn keep_told(cx: &Cx<'_>, fx: &mut Fx, home: &Phone, number: u64, upto: &Bytes) -> Result<(), Failure> {
    if let Some(Work::Leave(leave)) = work::read(cx.store, home, number)? {
        work::keep(fx, home, number, &Work::Leave(Leave { told: upto.clone(), ..leave }));
    }
    Ok(())
}

/// Some of its stars, and of those that it has not written yet; their copies go first.
fn stars(cx: &Cx<'_>, own: &PhoneId) -> Result<Option<Next>, Failure> {
    let span = rows::numbers(own.as_str().as_bytes(), 0, u64::MAX).limit(ROUND);
    let (mut stars, mut way) = (Vec::new(), vec![Name::Roster(own.clone())]);
    let mut left = cx.store.scan(STAR, &span)?;
    left.extend(cx.store.scan(STAR_DUE, &span)?);
    for (key, row) in left {
        let kept: Favorite = rows::decode(&row)?;
        way.extend(FeedId::from_key(&kept.feed).map(Name::Conversation));
        stars.push((rows::number(&key).unwrap_or_default(), kept.feed, kept.message));
    }
    Ok((!stars.is_empty()).then(|| Next::Round { task: Task::Unstar { own: own.clone(), stars }, way }))
}

/// Conversations that know the roster as a party or a member, some of them.
fn conversations(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<Name>, Failure> {
    let prefix = rows::pair_key(own, b"");
    let related = cx.store.scan(RELATION, &kvs::Span::prefix(prefix.clone()).limit(ROUND))?;
    let peers = related.iter().filter_map(|(key, _)| PhoneId::parse(&key.slice(prefix.len()..)).ok());
    let peers: Vec<Name> = peers.map(|peer| between(own, peer)).collect();
    let rooms = rows::rooms(cx.store, own)?.into_keys().map(|room| Name::Conversation(FeedId::Room(room)));
    // The last one is visited first: friends, who are to know it by `ac`, before those who share a room (G-8).
    Ok(rooms.take(ROUND - peers.len().min(ROUND)).chain(peers).collect())
}

fn has_notes(cx: &Cx<'_>, own: &PhoneId) -> Result<bool, Failure> {
    let notes = FeedId::p2p(own.clone(), own.clone());
    let written = cx.store.scan(MESSAGE, &rows::numbers(&notes.key(), 0, u64::MAX).limit(1))?;
    Ok(!written.is_empty() || cx.store.get(READER, &rows::reader_key(&notes, own))?.is_some())
}

/// A device that is no more and whose queue is still there. One that has registered again has a queue of its own.
fn queued(cx: &Cx<'_>, clients: &[Bytes]) -> Result<Option<Bytes>, Failure> {
    for client in clients {
        let name = String::from_utf8_lossy(client);
        let cursors = kvs::Span::prefix(rows::cursor_key(&name, b"")).limit(1);
        if !cx.store.scan(CURSOR, &cursors)?.is_empty() && cx.store.get(DEVICE, &device_row(client))?.is_none() {
            return Ok(Some(client.clone()));
        }
    }
    Ok(None)
}

fn device_row(client: &[u8]) -> Bytes {
    use proto::ids::{ClientId, ClientKind};
    match ClientId::parse(client).map(|client| client.kind()) {
        Ok(ClientKind::Device(phone, device)) => rows::device_key(&phone, &device),
        Ok(ClientKind::Reg | ClientKind::Guest | ClientKind::Sys | ClientKind::Plain) | Err(_) => Bytes::new(),
    }
}

/// The part of a round that is this roster's.
pub(crate) fn errand(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, errand: &Errand) -> Result<(), Failure> {
    match &errand.task {
        Task::Forget { list, .. } => {
            let seen = errand.who.as_deref().map(Seen::after).unwrap_or_default();
            list.iter().try_for_each(|address| erase(cx, fx, own, address, seen))
        }
        Task::Leave { .. } => {
            let prefix = rows::pair_key(own, b"");
            for (key, _) in cx.store.scan(BOOK, &kvs::Span::prefix(prefix.clone()).limit(ERASED))? {
                fx.delete(WANTED, book::wanted_by(&key.slice(prefix.len()..), own));
                fx.delete(BOOK, key);
            }
            for table in [GONE, TALLY, TAG] {
                let rows = cx.store.scan(table, &kvs::Span::prefix(prefix.clone()).limit(ERASED))?;
                rows.into_iter().for_each(|(key, _)| fx.delete(table, key));
            }
            Ok(())
        }
        Task::Unstar { stars, .. } => {
            for (number, _, message) in stars {
                // It is of one of the two.
                for table in [STAR, STAR_DUE] {
                    fx.delete(table, rows::numbered(own.as_str().as_bytes(), *number));
                }
                fx.delete(STAR_OF, rows::numbered(own.as_str().as_bytes(), *message));
            }
            Ok(())
        }
        Task::Lose { lost, instead, .. } => book::lose(cx, fx, own, lost, instead.as_ref()),
        Task::Mail { address } => super::set_email(cx, fx, own, address),
        Task::Persona { face, .. } => super::set_face(cx, fx, own, face),
        Task::Moved(moved) => profile::tell_book(cx, fx, own, moved),
        Task::Unmail { .. } | Task::Unqueue | Task::Unnotify { .. } | Task::Abandon { .. } => Ok(()),
    }
}

/// Takes an address out of the phone book. Where it stands in a relation too, its conversation tells of it.
fn erase(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, address: &Bytes, seen: Seen) -> Result<(), Failure> {
    let key = rows::pair_key(own, address);
    if cx.store.get(BOOK, &key)?.is_none() {
        return Ok(());
    }
    gone::erase(cx, fx, own, address);
    contact::booked(cx, fx, own, -1)?;
    if !book::has_others(cx, own, address)? {
        fx.delete(WANTED, book::wanted_by(address, own));
    }
    if is_related(cx, own, address)? {
        return Ok(());
    }
    let gone = contact::gone_since(address.clone(), cx.now.0);
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &gone, contact_merge(own, address), seen)
}

pub(super) fn parse(roster: &[u8]) -> Result<PhoneId, Failure> {
    PhoneId::parse(roster).map_err(|_| Failure::new("work about a roster that has no address"))
}
