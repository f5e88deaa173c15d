//! Those who share a room with a roster (TOPIC-15): they hear of its presence and its picture while they are connected.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{PhoneId, RoomId};
use proto::records::RoomType;
use proto::topic::Topic;

use crate::process::conversation::Side;
use crate::process::room::Room;
use crate::rows::{self, IN_ROOM, Membership, ROOM, RoomRow};
use crate::{Account, Cx, Fx, Group, Input, Transient};

/// "→ muc(own)": one hand-over a room. Who shares several rooms, or has it by `ac` already, knows it by the number of the event (G-8).
pub(crate) fn tell_fellows(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, payload: Bytes, event: u64) -> Result<(), Failure> {
    let news = news(own, payload, event);
    for (id, membership) in rows::rooms(cx.store, own)? {
        if membership.is_present() && sees_fellows(cx, &id, &membership)? {
            tell_room(fx, &Room::load(cx, &id)?, &news);
        }
    }
    Ok(())
}

/// So many of the rooms behind this one; the last of them, if there are more.
pub(super) fn tell_some_fellows(
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &PhoneId,
    payload: Bytes,
    event: u64,
    last: &Bytes,
    most: usize,
) -> Result<Option<Bytes>, Failure> {
    let (prefix, news) = (rows::path(&[own.as_str().as_bytes(), b""]), news(own, payload, event));
    let page = cx.store.scan(IN_ROOM, &rows::beyond(&prefix, last).limit(most))?;
    for (key, row) in &page {
        let membership: Membership = rows::decode(row)?;
        if let Ok(id) = RoomId::parse(key.get(prefix.len()..).unwrap_or_default())
            && membership.is_present()
            && sees_fellows(cx, &id, &membership)?
        {
            tell_room(fx, &Room::load(cx, &id)?, &news);
        }
    }
    let last = page.last().filter(|_| page.len() == most);
    Ok(last.map(|(key, _)| key.slice(prefix.len()..)))
}

/// The same in one room, which the roster is about to leave.
pub(crate) fn tell_fellows_in(
    cx: &Cx<'_>,
    fx: &mut Fx,
    room: &Room,
    own: &Side,
    payload: Bytes,
    event: u64,
) -> Result<(), Failure> {
    if sees_fellows(cx, &room.id, &own.membership)? {
        tell_room(fx, room, &news(&own.who, payload, event));
    }
    Ok(())
}

fn news(own: &PhoneId, payload: Bytes, event: u64) -> Arc<Transient> {
    let topic: Arc<str> = Topic::Muc(own.clone()).to_string().into();
    Arc::new(Transient { event, of: Some(own.phone().clone()), ..Transient::new(topic, payload, None) })
}

fn tell_room(fx: &mut Fx, room: &Room, news: &Arc<Transient>) {
    match room.is_channel() {
        true => {
            for account in room.staff_accounts() {
                fx.publish(Group::Account(account), Input::Transient(news.clone()));
            }
        }
        false => fx.publish(Group::Room(room.id.clone()), Input::Transient(news.clone())),
    }
}

/// Whether the account shares a room with this roster where members hear of each other.
pub(crate) fn are_fellows(cx: &Cx<'_>, account: &Account, roster: &PhoneId) -> Result<bool, Failure> {
    let theirs = rows::rooms(cx.store, roster)?;
    for own in &account.rosters {
        for (room, membership) in rows::rooms(cx.store, &account.phone.roster(*own))? {
            let Some(other) = theirs.get(&room) else { continue };
            let both = [&membership, other];
            if both.iter().all(|one| one.is_present())
                && sees_fellows(cx, &room, &membership)?
                && sees_fellows(cx, &room, other)?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Everybody in groups and calls, owner and admins in channels.
fn sees_fellows(cx: &Cx<'_>, room: &RoomId, membership: &Membership) -> Result<bool, Failure> {
    let row: Option<RoomRow> = rows::read(cx.store, ROOM, room.as_str().as_bytes())?;
    Ok(row.is_some_and(|row| {
        row.ended == 0 && (row.room.r#type != Some(RoomType::Channel) || row.staff.contains(&membership.id))
    }))
}
