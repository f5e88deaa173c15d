//! How a room ends (ROOM-8, ROOM-7): from one moment on it is gone for everybody; its rows are erased step by step.

use kvs::{Span, Table};
use n2o::Failure;
use proto::ids::{FeedId, PhoneId, RoomId};
use proto::records::{self, Desc, Feature, Member, MemberStatus, RoomStatus, RoomType};

use super::act::Act;
use super::{Action, Halt, said};
use crate::effects::{Seen, notify, ses};
use crate::process::agenda;
use crate::process::conversation::{Conversation, Parties};
use crate::protocol::rights::Right;
use crate::protocol::{favorite, feature, ftp, link, search};
use crate::rows::{
    self, AGENDA, BANNED, CHANGE, CHANGED, DUPLICATE, FLEETING, HIDDEN, IN_ROOM, KIND, LATER, MEMBER, MEMBER_AT,
    MENTION, MESSAGE, Membership, NEWS, READ_BY, READER, REPLY, ROOM, STARRED,
};
use crate::{CallEnded, Cx, Fx, Group, Input, Name, Seat};

/// Members told in one step.
const TOLD_MAX: usize = 128;
/// Rows erased in one step.
const ERASED_MAX: usize = 1024;
/// Of each table, bytes read for it in one step.
const ERASED_BYTES: usize = 4 << 20;
/// All that is kept of a feed, besides its members.
const TABLES: [Table; 15] = [
    MESSAGE, CHANGE, CHANGED, DUPLICATE, READER, HIDDEN, BANNED, NEWS, READ_BY, MENTION, REPLY, KIND, FLEETING, LATER,
    STARRED,
];

/// ROOM-8, by the owner. The own account goes at once: its notices stand for the answer, and come before it.
pub(super) fn delete(act: &mut Act<'_, '_>) -> Result<(), Halt> {
    let own = act.entitled(&[Right::Roles])?;
    let (id, seen) = (act.room()?.id.clone(), act.seen_by());
    for side in act.own_members()? {
        act.fx.delete(MEMBER, rows::numbered(&act.room()?.key, side.membership.id));
        dismiss(act.cx, act.fx, &id, side.membership.id, &side.who, seen)?;
    }
    act.answer(vec![etf::encode(&gone(&id))]);
    end(act, &own.who)
}

fn gone(id: &RoomId) -> records::Room {
    records::Room { id: Some(id.to_bytes()), status: Some(RoomStatus::Delete), ..records::Room::default() }
}

/// The mark is durable: whatever happens now, the room is gone, and erased in the end. Its links end with it (LINK-4).
pub(super) fn end(act: &mut Act<'_, '_>, owner: &PhoneId) -> Result<(), Halt> {
    call_ended(act, owner)?;
    let now = act.cx.now.0;
    // Found there after a crash.
    act.fx.put(AGENDA, agenda::key(now, &act.conversation.key), bytes::Bytes::new());
    let room = act.conversation.room_mut()?;
    let id = room.id.to_bytes();
    room.staff.clear();
    if let Some(row) = &mut room.row {
        row.ended = now;
        row.staff.clear();
        search::relist(act.fx, &room.id, row.listed.take().as_ref(), None);
        link::free(act.fx, room.id.clone(), std::mem::take(&mut row.room.links));
        act.fx.put(ROOM, id.clone(), rows::encode(row));
    }
    act.fx.tell(Name::Conversation(act.conversation.feed.clone()), Input::Erase);
    Ok(())
}

/// CDR-2: a call that ends is noted in the feed that its Feature FEED names, if its owner may post there.
fn call_ended(act: &mut Act<'_, '_>, owner: &PhoneId) -> Result<(), Halt> {
    let row = act.row()?;
    let feed = feature::value(&row.room.settings, b"CALL", b"FEED").and_then(feed_named);
    let (Some(RoomType::Call), Some(feed)) = (row.room.r#type, feed) else { return Ok(()) };
    let mut part: Desc = said::system(Action::CallEnded, &[]);
    part.mime = Some("cdr".into());
    let id = act.room()?.id.to_string();
    let (started, ended) = (row.room.created.unwrap_or(0).to_string(), act.cx.now.0.to_string());
    for (key, value) in [("CALL_ID", id), ("STARTED", started), ("ENDED", ended), ("STATUS", "answered".to_owned())] {
        part.data.push(Feature::new("CALL", key, value));
    }
    let ended = CallEnded { owner: owner.clone(), part };
    act.fx.tell(Name::Conversation(feed), Input::CallEnded(Box::new(ended)));
    Ok(())
}

/// A room id, or `a/b`.
fn feed_named(name: &[u8]) -> Option<FeedId> {
    let at = name.iter().position(|byte| *byte == b'/');
    match at.and_then(|at| name.split_at_checked(at)) {
        None => RoomId::parse(name).ok().map(FeedId::Room),
        Some((one, other)) => Some(FeedId::p2p(PhoneId::parse(one).ok()?, PhoneId::parse(other.get(1..)?).ok()?)),
    }
}

/// The next part of erasing: members first, who are told, then what was said.
pub(crate) fn erase(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
    let Parties::Room(room) = &mut conversation.parties else { return Ok(()) };
    let Some(ended) = room.row.as_ref().map(|row| row.ended).filter(|ended| *ended > 0) else { return Ok(()) };
    let (id, prefix) = (room.id.clone(), [&room.key[..], b"\0"].concat());
    let members = cx.store.scan(MEMBER, &Span::prefix(prefix.clone()).limit(TOLD_MAX))?;
    for (key, row) in &members {
        fx.delete(MEMBER, key.clone());
        let member: Member = rows::decode(row)?;
        if let Some(Ok(roster)) = member.phone_id.as_deref().map(PhoneId::parse) {
            dismiss(cx, fx, &id, member.id.unwrap_or_default(), &roster, Seen::ByNobody)?;
        }
    }
    let mut erased = members.len();
    for table in TABLES.into_iter().filter(|_| members.is_empty()) {
        let span = Span::prefix(prefix.clone()).limit(ERASED_MAX - erased).bytes(ERASED_BYTES);
        for (key, row) in cx.store.scan(table, &span)? {
            match table {
                // FAV-6
                STARRED => favorite::take_away(conversation, cx, fx, key)?,
                MESSAGE => {
                    let id = rows::number(&key).unwrap_or_default();
                    ftp::leave(cx, fx, &conversation.key, id, &rows::decode(&row)?)?;
                    fx.delete(table, key);
                }
                _ => fx.delete(table, key),
            }
            erased += 1;
        }
        if erased >= ERASED_MAX {
            break;
        }
    }
    if erased > 0 {
        fx.tell(Name::Conversation(conversation.feed.clone()), Input::Erase);
        return Ok(());
    }
    fx.delete(ROOM, id.to_bytes());
    fx.delete(AGENDA, agenda::key(ended, &conversation.key));
    if let Parties::Room(room) = &mut conversation.parties {
        room.row = None;
    }
    conversation.last = None;
    Ok(())
}

/// A member of a room that is no more. That it was in it is remembered for its next sync alone.
fn dismiss(cx: &Cx<'_>, fx: &mut Fx, room: &RoomId, id: u64, roster: &PhoneId, seen: Seen) -> Result<(), Failure> {
    fx.delete(MEMBER_AT, bytes::Bytes::copy_from_slice(&id.to_be_bytes()));
    let key = rows::in_room_key(roster, room);
    if cx.store.get(IN_ROOM, &key)?.is_none() {
        // The roster is no more either.
        return Ok(());
    }
    let role = Some(MemberStatus::Removed);
    let membership = Membership { id, role, spans: Vec::new(), update: cx.now.0 };
    fx.put(IN_ROOM, key, rows::encode(&membership));
    notify(fx, cx, roster.phone(), &ses(cx, roster)?, &gone(room), None, seen)?;
    let seat = Seat { room: room.clone(), roster: roster.clone() };
    fx.publish(Group::Account(roster.phone().clone()), Input::Seat(seat.into()));
    Ok(())
}

impl Conversation {
    /// CDR-2, in the feed that a call was about.
    pub(crate) fn call_ended(&mut self, cx: &Cx<'_>, fx: &mut Fx, ended: CallEnded) -> Result<(), Failure> {
        let side = match &self.parties {
            Parties::Pair(sides) => sides.iter().find(|side| side.who == ended.owner).cloned(),
            Parties::Room(room) => room.side(cx, &ended.owner)?,
        };
        let Some(side) = side else { return Ok(()) };
        match self.may_post(cx, &side) {
            Ok(true) => {
                let letter = self.say(cx, fx, &ended.owner, ended.part)?;
                self.spread(fx, letter);
                Ok(())
            }
            Ok(false) | Err(Halt::Refused(_)) => Ok(()),
            Err(Halt::Failed(failure)) => Err(failure),
        }
    }
}
