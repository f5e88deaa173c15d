//! PUSH-1 for a device whose connection is over: what came while it seemed to be there, and was not acknowledged. A telephone without
//! reception is there until its keep-alive says otherwise, and has had none of it. What came before the connection has been pushed before:
//! a device that a push wakes, and that loses its connection each time, is not woken for ever.

use std::collections::BTreeSet;

use bytes::Bytes;
use mail::Cursor;
use n2o::Failure;
use proto::Record;
use proto::ids::{ClientId, DevKey, FeedId, Phone, PhoneId};
use proto::records::{Feature, Member, Message};

use super::wakes::Wakes;
use super::{Kind, author, content, is_muted, outgoing, shown};
use crate::input::Missed;
use crate::protocol::auth::{self, Away};
use crate::rows::{
    self, IN_ROOM, Kept, MEMBER, MESSAGE, Membership, NOTICE, NOTICES, READER, RELATION, Reader, Relation, Wake,
};
use crate::{Chat, Cx, Fx};

/// Feeds that one device is told of.
const FEEDS: usize = 16;
/// Messages of one feed that are looked at, the latest first.
const MESSAGES: usize = 64;
/// Notices that are looked at.
const NOTICES_MAX: usize = 256;

/// The place of an account in a feed, and what it wants to hear of it.
struct Place {
    to: PhoneId,
    /// Its number in a room.
    member: Option<u64>,
    settings: Vec<Feature>,
}

impl Wakes {
    /// A device has gone: it is told what notices were about that it has not had.
    pub(crate) fn left(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        device: &DevKey,
    ) -> Result<(), Failure> {
        if self.told.iter().all(|told| told.to.contains(device)) {
            return Ok(());
        }
        let Some(away) = away(chat, cx, own, device)? else { return Ok(()) };
        let left = self.of_notices(cx, own, &away)?;
        self.wake_alone(chat, cx, fx, own, &away, left)
    }

    /// It has not acknowledged messages either.
    pub(crate) fn missed(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        missed: &Missed,
    ) -> Result<(), Failure> {
        let Some(device) = away(chat, cx, own, &missed.device)? else { return Ok(()) };
        let mut left = Vec::new();
        for feed in &missed.feeds {
            if left.len() == FEEDS {
                break;
            }
            left.extend(message(chat, cx, own, missed.since, &device, feed)?.map(|wake| (feed.key(), wake)));
        }
        self.wake_alone(chat, cx, fx, own, &device, left)
    }

    fn wake_alone(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        own: &Phone,
        device: &Away,
        left: Vec<(Bytes, Wake)>,
    ) -> Result<(), Failure> {
        for (feed, wake) in left {
            let push = content::push(chat, cx, own, &wake)?;
            outgoing::put(cx, fx, own, device.clone(), feed.clone(), push, outgoing::life(&wake.kind))?;
            self.be_quiet(cx, feed);
        }
        self.time(cx, fx);
        Ok(())
    }

    /// What notices that the device has not had were about.
    fn of_notices(&mut self, cx: &Cx<'_>, own: &Phone, device: &Away) -> Result<Vec<(Bytes, Wake)>, Failure> {
        let taken = taken(cx, own, device, NOTICES)?;
        let mut subjects = BTreeSet::new();
        let span = rows::numbers(own.as_str().as_bytes(), taken.upto + 1, u64::MAX).backward().limit(NOTICES_MAX);
        for (key, row) in cx.store.scan(NOTICE, &span)? {
            if !rows::number(&key).is_some_and(|seq| taken.covers(seq)) {
                subjects.extend(subject(&rows::decode::<Kept>(&row)?.payload));
            }
        }
        let mut left = Vec::new();
        for told in &mut self.told {
            let is_due = cx.now.since(told.at) < outgoing::life(&told.wake.kind);
            let is_missed = subject(&told.wake.model).is_some_and(|subject| subjects.contains(&subject));
            if is_due && is_missed && !told.to.contains(&device.device) {
                told.to.push(device.device.clone());
                left.push((told.feed.clone(), told.wake.clone()));
            }
        }
        Ok(left)
    }
}

/// The latest message of a feed that the device has not acknowledged, nor another one of its account read, if it wakes.
fn message(
    chat: &Chat,
    cx: &Cx<'_>,
    own: &Phone,
    since: u64,
    device: &Away,
    feed: &FeedId,
) -> Result<Option<Wake>, Failure> {
    let Some(place) = Place::of(cx, own, feed)? else { return Ok(None) };
    let (key, is_muted) = (feed.key(), is_muted(cx, &place.settings));
    let taken = taken(cx, own, device, &key)?;
    let reader: Reader = rows::read(cx.store, READER, &rows::reader_at(&key, &place.to))?.unwrap_or_default();
    let behind = since.max(reader.reader).max(reader.clear);
    let span = rows::numbers(&key, behind + 1, u64::MAX).backward().limit(MESSAGES);
    for (row_key, row) in cx.store.scan(MESSAGE, &span)? {
        let kept: Message = rows::decode(&row)?;
        let Some(from) = author(&kept).filter(|from| from.phone() != own) else { continue };
        if rows::number(&row_key).is_some_and(|seq| taken.covers(seq)) {
            continue;
        }
        let kind = match place.member.is_some_and(|member| kept.mentioned.contains(&member)) {
            true => Kind::Mention,
            false if is_muted => continue,
            false => Kind::Message,
        };
        let kind = Bytes::from_static(kind.text().as_bytes());
        let model = shown(&kept, chat.settings.push_preview);
        return Ok(Some(Wake { to: place.to.to_bytes(), from: from.to_bytes(), kind, model }));
    }
    Ok(None)
}

impl Place {
    fn of(cx: &Cx<'_>, own: &Phone, feed: &FeedId) -> Result<Option<Place>, Failure> {
        let id = match feed {
            FeedId::P2p(one, other) => {
                let (to, peer) = if one.phone() == own { (one, other) } else { (other, one) };
                let key = rows::pair_key(to, peer.as_str().as_bytes());
                let relation: Relation = rows::read(cx.store, RELATION, &key)?.unwrap_or_default();
                return Ok(Some(Place { to: to.clone(), member: None, settings: relation.settings }));
            }
            FeedId::Room(id) => id,
        };
        for roster in rows::roster_ids(cx.store, own)? {
            let to = own.roster(roster);
            let membership: Option<Membership> = rows::read(cx.store, IN_ROOM, &rows::in_room_key(&to, id))?;
            let Some(Membership { id, .. }) = membership.filter(Membership::is_present) else { continue };
            let member: Member = rows::read(cx.store, MEMBER, &rows::numbered(&feed.key(), id))?.unwrap_or_default();
            return Ok(Some(Place { to, member: Some(id), settings: member.settings }));
        }
        Ok(None)
    }
}

/// What the device has acknowledged of a stream.
fn taken(cx: &Cx<'_>, own: &Phone, device: &Away, stream: &[u8]) -> Result<Cursor, Failure> {
    rows::cursor(cx.store, ClientId::device(own, &device.device).as_str(), stream, device.birth)
}

/// The device, if it is away and can be woken.
fn away(chat: &Chat, cx: &Cx<'_>, own: &Phone, device: &DevKey) -> Result<Option<Away>, Failure> {
    Ok(auth::away(chat, cx, own)?.into_iter().find(|away| away.device == *device))
}

/// Whom or what a notice is about.
fn subject(payload: &Bytes) -> Option<Bytes> {
    match etf::decode::<Record>(payload).ok()? {
        Record::Contact(contact) => contact.phone_id,
        Record::Room(room) => room.id,
        _ => None,
    }
}
