//! PUSH-1 for a device whose connection is over: what came while it seemed to be there, and was not acknowledged. A telephone without
//! reception is there until its keep-alive says otherwise, and has had none of it. What came before the connection has waked it before: a
//! device that a push wakes, and that is cut off each time, is not woken for ever. After a crash nobody knows who was connected: then the
//! next message wakes.

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::Record;
use proto::ids::{ClientId, FeedId, Phone, PhoneId, RoomId};
use proto::records::{Contact, ContactStatus, Feature, Member, MemberStatus, Message, Room, RoomStatus};
use proto::topic::{Owner, Topic};

use super::wakes::Wakes;
use super::{Kind, author, is_muted, outgoing, shown, told};
use crate::input::Missed;
use crate::process::room;
use crate::protocol::auth::{self, Away};
use crate::protocol::history::Reach;
use crate::protocol::presence;
use crate::rows::{self, Kept, MEMBER, MESSAGE, NOTICE, NOTICES, READER, RELATION, Reader, Relation, Wake};
use crate::{Chat, Cx, Fx};

/// What came so long before the device, in milliseconds, may still have waited to be merged, and have found it there.
const BEFORE_MS: u64 = 10_000;
/// Messages of one feed that are looked at, the latest first.
const MESSAGES: usize = 32;
/// Notices that are looked at, the latest first.
const NOTICES_MAX: usize = 64;
/// And no more bytes of either.
const BYTES: usize = 256 * 1024;
/// Pushes of one device at a time.
const PUSHES: usize = 16;

/// One side of the account in a feed, and what it wants to hear of it.
struct Place {
    to: PhoneId,
    /// Its number in a room.
    member: Option<u64>,
    settings: Vec<Feature>,
    /// What it may see.
    reach: Reach,
    /// What it has read, by whatever device.
    read: u64,
}

impl Wakes {
    /// A device has gone.
    pub(crate) fn left(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        missed: &Missed,
    ) -> Result<(), Failure> {
        let Some(device) = auth::is_away(chat, cx, own, &missed.device)? else { return Ok(()) };
        let mut found = of_notices(cx, own, missed.since, &device)?;
        for feed in &missed.feeds {
            if found.len() < PUSHES {
                found.extend(of_feed(chat, cx, own, missed.since, &device, feed)?.map(|wake| (feed.key(), wake)));
            }
        }
        for (feed, wake) in found.into_iter().take(PUSHES) {
            // What is still to be told goes to this device as well.
            if !Wakes::is_due(cx, own, &feed)? {
                self.tell(chat, cx, fx, own, &feed, &wake, vec![device.clone()])?;
            }
        }
        self.time(cx, fx);
        Ok(())
    }
}

/// The latest message of a feed that the device has not acknowledged, nor another one of its account read, if it wakes.
fn of_feed(
    chat: &Chat,
    cx: &Cx<'_>,
    own: &Phone,
    since: Time,
    device: &Away,
    feed: &FeedId,
) -> Result<Option<Wake>, Failure> {
    let (key, places) = (feed.key(), places(cx, own, feed)?);
    let taken = taken(cx, own, device, &key)?;
    let span = rows::numbers(&key, 0, u64::MAX).backward().limit(MESSAGES).bytes(BYTES);
    for (row_key, row) in cx.store.scan(MESSAGE, &span)? {
        let kept: Message = rows::decode(&row)?;
        if kept.created.map_or(0, |created| created.0) + BEFORE_MS < since.0 {
            break;
        }
        let seq = rows::number(&row_key).unwrap_or_default();
        let Some(from) = author(&kept).filter(|from| from.phone() != own && !taken.covers(seq)) else { continue };
        for place in &places {
            if let Some(kind) = place.kind(cx, seq, &kept)? {
                return Ok(Some(told(&place.to, &from, kind, shown(&kept, chat.settings.push_preview))));
            }
        }
    }
    Ok(None)
}

/// The requests, rooms and calls of which the device has not had the notice. Of what came before it has been told.
fn of_notices(cx: &Cx<'_>, own: &Phone, since: Time, device: &Away) -> Result<Vec<(Bytes, Wake)>, Failure> {
    let taken = taken(cx, own, device, NOTICES)?;
    let span = rows::numbers(own.as_str().as_bytes(), taken.upto + 1, u64::MAX).backward();
    let mut found: Vec<(Bytes, Wake)> = Vec::new();
    for (key, row) in cx.store.scan(NOTICE, &span.limit(NOTICES_MAX).bytes(BYTES))? {
        let kept: Kept = rows::decode(&row)?;
        if kept.created < since.0 {
            break;
        }
        if rows::number(&key).is_some_and(|seq| taken.covers(seq)) {
            continue;
        }
        let of = match etf::decode::<Record>(&kept.payload) {
            Ok(Record::Contact(contact)) => request(cx, own, &kept, &contact)?,
            Ok(Record::Room(room)) => invitation(cx, own, &kept, &room)?,
            Ok(_) | Err(_) => None,
        };
        found.extend(of.filter(|(feed, _)| found.iter().all(|(known, _)| known != feed)));
    }
    Ok(found)
}

/// FRIEND-1, while nobody has answered it.
fn request(cx: &Cx<'_>, own: &Phone, kept: &Kept, contact: &Contact) -> Result<Option<(Bytes, Wake)>, Failure> {
    let from = contact.phone_id.as_deref().and_then(|from| PhoneId::parse(from).ok());
    let Some(from) = from.filter(|_| contact.status == Some(ContactStatus::Authorization)) else { return Ok(None) };
    let topic = std::str::from_utf8(&kept.topic).ok().map(Topic::parse);
    let to = match topic {
        Some(Topic::Ses(Owner::Roster(to))) => Some(to),
        Some(Topic::Ses(Owner::Account(_))) => rows::default_roster(cx.store, own)?,
        _ => None,
    };
    let Some(to) = to else { return Ok(None) };
    let is_open = presence::relation(cx, &to, &from)? == Some(ContactStatus::Authorization);
    let wake = || told(&to, &from, Kind::Request, kept.payload.clone());
    Ok(is_open.then(|| (FeedId::p2p(to.clone(), from.clone()).key(), wake())))
}

/// ROOM-1, ROOM-4: taken into a room, or a call as long as it rings.
fn invitation(cx: &Cx<'_>, own: &Phone, kept: &Kept, room: &Room) -> Result<Option<(Bytes, Wake)>, Failure> {
    let is_new = matches!(room.status, Some(RoomStatus::Create | RoomStatus::Add)) && room.name.is_some();
    let id = room.id.as_deref().and_then(|id| RoomId::parse(id).ok());
    let owner = room.admins.iter().find(|admin| admin.status == Some(MemberStatus::Owner)).or(room.admins.first());
    let from = owner.and_then(|owner| PhoneId::parse(owner.phone_id.as_deref()?).ok());
    let (Some(id), Some(from)) = (id, from.filter(|from| is_new && from.phone() != own)) else { return Ok(None) };
    let kind = Kind::of_room(room);
    if cx.now.0.saturating_sub(kept.created) >= outgoing::life(kind.text().as_bytes()) {
        return Ok(None);
    }
    let feed = FeedId::Room(id);
    let to = places(cx, own, &feed)?.into_iter().next().map(|place| place.to);
    Ok(to.map(|to| (feed.key(), told(&to, &from, kind, kept.payload.clone()))))
}

/// The account's sides of a feed.
fn places(cx: &Cx<'_>, own: &Phone, feed: &FeedId) -> Result<Vec<Place>, Failure> {
    let id = match feed {
        FeedId::P2p(one, other) => {
            let (to, peer) = if one.phone() == own { (one, other) } else { (other, one) };
            let key = rows::pair_key(to, peer.as_str().as_bytes());
            let relation: Relation = rows::read(cx.store, RELATION, &key)?.unwrap_or_default();
            let reader: Reader = rows::read(cx.store, READER, &rows::reader_key(feed, to))?.unwrap_or_default();
            let (read, reach) = (reader.reader, Reach::all(feed, to, reader));
            return Ok(vec![Place { to: to.clone(), member: None, settings: relation.settings, reach, read }]);
        }
        FeedId::Room(id) => id,
    };
    let (room, mut places) = (room::Room::load(cx, id)?, Vec::new());
    for roster in rows::roster_ids(cx.store, own)? {
        let side = room.side(cx, &own.roster(roster))?;
        let Some(side) = side.filter(|side| side.membership.is_present()) else { continue };
        let number = side.membership.id;
        let member: Member = rows::read(cx.store, MEMBER, &rows::numbered(&feed.key(), number))?.unwrap_or_default();
        let (read, reach) = (side.reader.reader, Reach::of(feed, &side));
        places.push(Place { to: side.who, member: Some(number), settings: member.settings, reach, read });
    }
    Ok(places)
}

impl Place {
    /// As what the message wakes, if it does.
    fn kind(&self, cx: &Cx<'_>, id: u64, message: &Message) -> Result<Option<Kind>, Failure> {
        if id <= self.read || !self.reach.sees(cx, id)? {
            return Ok(None);
        }
        let is_mentioned = self.member.is_some_and(|member| message.mentioned.contains(&member));
        Ok(match is_mentioned {
            true => Some(Kind::Mention),
            false => (!is_muted(cx, &self.settings)).then_some(Kind::Message),
        })
    }
}

/// What the device has acknowledged of a stream.
fn taken(cx: &Cx<'_>, own: &Phone, device: &Away, stream: &[u8]) -> Result<mail::Cursor, Failure> {
    rows::cursor(cx.store, ClientId::device(own, &device.device).as_str(), stream, device.birth)
}
