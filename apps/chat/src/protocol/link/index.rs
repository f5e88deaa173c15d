//! The index of links: which room has a name. It answers what is asked of names that nobody has, and gives each to one room.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, RoomId};
use proto::records::{Link, LinkStatus};

use super::{Halt, has_name, is_name, settle};
use crate::effects::answer;
use crate::input::LinkNews;
use crate::rows::{self, Claim, LINK, ROOM, RoomRow};
use crate::{Cx, Fx, Input, Name, Who};

/// A claim that its room does not list is respected for so long: the room has yet to use it.
const CLAIM_MS: u64 = 60 * 1000;

/// LINK-5, and what is asked of a link that nobody has.
pub(crate) fn check(cx: &Cx<'_>, fx: &mut Fx, who: &Who, link: Link) -> Result<(), Halt> {
    let name = link.id.as_deref().unwrap_or_default();
    let done = match link.status {
        Some(LinkStatus::Check) if !is_name(name) => Err(Refusal::LinkInvalid.into()),
        Some(LinkStatus::Check) => match holder(cx, name, None)? {
            Some(_) => Err(Refusal::LinkNotAvailable.into()),
            None => {
                answer(fx, who, vec![etf::encode(&Link { id: link.id, status: link.status, ..Link::default() })]);
                Ok(())
            }
        },
        Some(LinkStatus::Get | LinkStatus::Join | LinkStatus::Delete) => Err(Refusal::LinkNotFound.into()),
        Some(LinkStatus::Add | LinkStatus::Update) | None => Err(Refusal::InvalidData.into()),
    };
    settle(fx, who, done)
}

/// A room asks for a name.
pub(crate) fn claim(cx: &Cx<'_>, fx: &mut Fx, news: LinkNews) -> Result<(), Halt> {
    let name = news.link.id.clone().unwrap_or_default();
    if holder(cx, &name, Some(&news.room))?.is_some() {
        return settle(fx, &news.who, Err(Refusal::LinkNotAvailable.into()));
    }
    let claim = Claim { room: news.room.to_bytes(), since: cx.now.0 };
    fx.put(LINK, key(&name), rows::encode(&claim));
    fx.tell(Name::Conversation(FeedId::Room(news.room.clone())), Input::Claimed(Box::new(news)));
    Ok(())
}

/// A room has given names back.
pub(crate) fn unclaim(cx: &Cx<'_>, fx: &mut Fx, room: &RoomId, names: &[Bytes]) -> Result<(), Failure> {
    for name in names {
        let claim: Option<Claim> = rows::read(cx.store, LINK, &key(name))?;
        if claim.is_some_and(|claim| claim.room == room.as_str().as_bytes()) {
            fx.delete(LINK, key(name));
        }
    }
    Ok(())
}

/// The room that has a name, or has just claimed it; for `asking` its own claims are none.
fn holder(cx: &Cx<'_>, name: &[u8], asking: Option<&RoomId>) -> Result<Option<RoomId>, Failure> {
    let Some(claim) = rows::read::<Claim>(cx.store, LINK, &key(name))? else { return Ok(None) };
    let room = RoomId::parse(&claim.room).map_err(|_| Failure::new("a link is claimed by no room"))?;
    let is_fresh = cx.now.0 < claim.since.saturating_add(CLAIM_MS);
    let is_held = asking != Some(&room) && (is_fresh || lists(cx, &room, name)?);
    Ok(is_held.then_some(room))
}

/// The room that a link leads to.
pub(crate) fn room_of(cx: &Cx<'_>, name: &[u8]) -> Result<Option<RoomId>, Failure> {
    if !is_name(name) {
        return Ok(None);
    }
    let claim: Option<Claim> = rows::read(cx.store, LINK, &key(name))?;
    let Some(Ok(room)) = claim.map(|claim| RoomId::parse(&claim.room)) else { return Ok(None) };
    Ok(lists(cx, &room, name)?.then_some(room))
}

fn lists(cx: &Cx<'_>, room: &RoomId, name: &[u8]) -> Result<bool, Failure> {
    let row: Option<RoomRow> = rows::read(cx.store, ROOM, room.as_str().as_bytes())?;
    Ok(row.is_some_and(|row| row.ended == 0 && row.room.links.iter().any(|link| has_name(link, name))))
}

/// Two names that differ only in case are one.
fn key(name: &[u8]) -> Bytes {
    name.to_ascii_lowercase().into()
}
