//! PUSH (SPEC 6.18): who is away is woken.
//!
//! Whoever queues something for an account asks [`wake`] in the same batch. Only where the account has a device with a push token that
//! may be away does that cost more than one look into the store: then what to tell is kept, and the account's profile told. The profile
//! knows its devices: it merges, builds the push, and keeps it for each device, in the batch that forgets what was to be told. From there
//! on it is whose who hands it to the gateway. None of that can fail a delivery, and no crash loses what
//! has been decided.

mod missed;
mod rounds;
mod wakes;
mod content;
mod outgoing;
mod body;

use bytes::Bytes;
use kvs::Table;
use n2o::Failure;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::records::{Feature, Mark, Message, Room, RoomType};

pub(crate) use body::{PAYLOAD_BYTES, TYPE_BYTES};
pub use outgoing::{Waiting, trial, waiting};
pub(crate) use outgoing::{ask, asked, was_asked};
pub(crate) use rounds::Rounds;
pub(crate) use wakes::Wakes;

use super::feature;
use crate::rows::{self, ASKED, ROUND, WAKE, WAKEABLE, Wake, Wakeable};
use crate::{Cx, Fx, Group, Input, Name};

/// Rows that are looked at in one step when the server starts.
const RESUMED: usize = 256;

/// What a push is about; the text is its `type` (PUSH-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Mention,
    Request,
    Confirm,
    /// Taken into a room.
    Room,
    /// Taken into a call.
    Calling,
}

impl Kind {
    fn of_room(room: &Room) -> Kind {
        match room.r#type {
            Some(RoomType::Call) => Kind::Calling,
            Some(RoomType::Group | RoomType::Channel) | None => Kind::Room,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Mention => "mention",
            Kind::Room => "room",
            Kind::Calling => "calling",
            Kind::Request => "request",
            Kind::Confirm => "confirm",
        }
    }
}

/// Whether the feed has all that is to be told by a push of this type.
fn is_of_message(kind: &[u8]) -> bool {
    [Kind::Message, Kind::Mention].iter().any(|one| one.text().as_bytes() == kind)
}

/// PUSH-1: something of `feed` was queued for the devices of `to`, by `from`. `model` is the record, for those who are away.
pub(crate) fn wake(
    cx: &Cx<'_>,
    fx: &mut Fx,
    to: &PhoneId,
    from: &PhoneId,
    feed: &[u8],
    kind: Kind,
    model: impl FnOnce() -> Bytes,
) -> Result<(), Failure> {
    let own = to.phone();
    if own == from.phone() {
        return Ok(());
    }
    let Some(devices) = rows::read::<Wakeable>(cx.store, WAKEABLE, own.as_str().as_bytes())? else { return Ok(()) };
    if is_of_message(kind.text().as_bytes()) && cx.group_size(&Group::Account(own.clone())) as u64 >= devices.devices {
        // All of them are connected. Should one not acknowledge it, it is told from its feed.
        return Ok(());
    }
    let wake = told(to, from, kind, model());
    fx.put(WAKE, rows::numbered(&key(own, feed), cx.id()?), rows::encode(&wake));
    fx.tell(Name::Profile(own.clone()), Input::Wake { feed: Bytes::copy_from_slice(feed) });
    Ok(())
}

fn told(to: &PhoneId, from: &PhoneId, kind: Kind, model: Bytes) -> Wake {
    Wake { to: to.to_bytes(), from: from.to_bytes(), kind: Bytes::from_static(kind.text().as_bytes()), model }
}

/// PUSH-1: who was taken into a room, or a call.
pub(crate) fn wake_for_room(
    cx: &Cx<'_>,
    fx: &mut Fx,
    to: &PhoneId,
    from: &PhoneId,
    feed: &[u8],
    room: &Room,
) -> Result<(), Failure> {
    wake(cx, fx, to, from, feed, Kind::of_room(room), || etf::encode(room))
}

/// The number of the message that a push is about, if it is about one.
fn message_of(wake: &Wake) -> Option<u64> {
    if !is_of_message(&wake.kind) {
        return None;
    }
    etf::decode::<Message>(&wake.model).ok()?.id
}

/// The author of a message that wakes: not what a room says itself, nor what has gone or has not come yet.
fn author(kept: &Message) -> Option<PhoneId> {
    let is_told = rows::is_kept(kept) && !rows::is_pending(kept) && !kept.r#type.contains(&Mark::Sys);
    kept.from.as_deref().filter(|_| is_told).and_then(|from| PhoneId::parse(from).ok())
}

/// PUSH-2: a message without its content, unless pushes show it.
pub(crate) fn shown(message: &Message, preview: bool) -> Bytes {
    if preview {
        return etf::encode(message);
    }
    etf::encode(&Message { files: Vec::new(), ..message.clone() })
}

/// FRIEND-5, 6: whether a contact is muted, for ever or until a time.
pub(crate) fn is_muted(cx: &Cx<'_>, settings: &[Feature]) -> bool {
    match feature::value(settings, b"NOTIFICATIONS", b"MUTE") {
        Some(b"true") => true,
        Some(until) => {
            let until = std::str::from_utf8(until).ok().and_then(|until| until.parse::<u64>().ok());
            until.is_some_and(|until| until > cx.now.0)
        }
        None => false,
    }
}

/// What is to be told to an account of a feed; a number follows.
fn key(own: &Phone, feed: &[u8]) -> Bytes {
    [own.as_str().as_bytes(), feed].join(&0).into()
}

/// The parts of such a key.
fn parts(key: &Bytes) -> Option<(Phone, Bytes)> {
    let (head, _number) = key.split_last_chunk::<9>()?;
    let end = head.iter().position(|byte| *byte == 0)?;
    Some((Phone::parse(head.get(..end)?).ok()?, key.slice(end + 1..head.len())))
}

/// Where the look for what was left to push goes on: the table, and the key behind which; none at its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    table: Table,
    last: Bytes,
}

impl Left {
    pub(crate) const ALL: Left = Left { table: WAKE, last: Bytes::new() };
}

/// What was left to push when the server ended: those concerned are loaded, and find it. Says where to go on.
pub(crate) fn resume(cx: &Cx<'_>, fx: &mut Fx, left: Left) -> Result<Option<Left>, Failure> {
    let Left { table, last } = left;
    let rows = cx.store.scan(table, &rows::beyond(b"", &last).limit(RESUMED))?;
    let mut last: Option<&[u8]> = None;
    for (key, _) in &rows {
        // Behind the head of a key comes the number.
        let head = key.get(..key.len().saturating_sub(9)).filter(|_| table != ROUND);
        if head.is_none() || last != head {
            concerned(table, key).into_iter().for_each(|(name, input)| fx.tell(name, input));
            last = head;
        }
    }
    if let Some((key, _)) = rows.last().filter(|_| rows.len() == RESUMED) {
        return Ok(Some(Left { table, last: key.clone() }));
    }
    let next = [WAKE, ROUND, ASKED].into_iter().skip_while(|one| *one != table).nth(1);
    Ok(next.map(|table| Left { table, ..Left::ALL }))
}

/// Whose row it is. A profile that is loaded finds all that it has still to tell.
fn concerned(table: Table, key: &Bytes) -> Option<(Name, Input)> {
    if table == ROUND {
        return Some((Name::Conversation(FeedId::from_key(key).ok()?), Input::WakeMembers));
    }
    let phone = Phone::parse(key.split(|byte| *byte == 0).next()?).ok()?;
    if table == ASKED {
        return Some((Name::Profile(phone), Input::Push));
    }
    let (_, feed) = parts(key)?;
    Some((Name::Profile(phone), Input::Wake { feed }))
}
