//! LINK (SPEC 6.13): names by which rooms are found and joined.
//!
//! What links a room has is in the room's own row, and that decides: they are given and taken away by the room, in one batch with the
//! news of it. That no two rooms have one name is the work of the index, which knows who has claimed a name. A claim that its room does
//! not list is void, whether it has not been used yet or is used no more; so no crash between the two leaves anything to be seen.

mod index;

use bytes::Bytes;
use proto::ids::RoomId;
use proto::limits::{LINK_NAME, LINKS_PER_ROOM};
use proto::records::{self, Io, Link, LinkStatus, LinkType, RoomStatus, RoomType};
use proto::{Refusal, text};

pub(crate) use index::{check, claim, room_of, unclaim};

use super::Halt;
use super::rights::Right;
use super::room::{self, Act, Entitled};
use crate::effects::{Seen, answer};
use crate::input::LinkNews;
use crate::process::conversation::Conversation;
use crate::{Cx, Fx, Input, Name, Who};

/// A name of the server's choosing: so many letters and digits, five bits each.
const RANDOM_CHARS: usize = 22;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// A title at most, characters.
const TITLE: std::ops::RangeInclusive<usize> = 0..=48;

/// LINK-1 to 7, judged by the room that has the link or is to have it.
pub(crate) fn call(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    link: Link,
) -> Result<(), Halt> {
    let mut act = Act { conversation, cx, fx, who: Some(who) };
    let done = match link.status {
        Some(LinkStatus::Get) => get(&mut act, &link),
        Some(LinkStatus::Join) => join(&mut act, &link),
        Some(LinkStatus::Update | LinkStatus::Add) => give(&mut act, link),
        Some(LinkStatus::Delete) => delete(&mut act, &link),
        // LINK-5 is the index's; LINK-7.
        Some(LinkStatus::Check) | None => Err(Refusal::InvalidData.into()),
    };
    settle(fx, who, done)
}

/// Old codes of the errors of LINK, which `src` carries.
const CODES: [(Refusal, &str); 4] = [
    (Refusal::LinkInvalid, "LNKIE1"),
    (Refusal::LinkNotAvailable, "LNKIE2"),
    (Refusal::Limit, "LNKIE3"),
    (Refusal::LinkNotFound, "LNKIE4"),
];

fn settle(fx: &mut Fx, who: &Who, done: Result<(), Halt>) -> Result<(), Halt> {
    let Err(Halt::Refused(refusal)) = done else { return done };
    let (_, code) = CODES.iter().find(|(coded, _)| *coded == refusal).ok_or(refusal)?;
    answer(fx, who, vec![etf::encode(&Io::error_src(refusal, Bytes::from_static(code.as_bytes())))]);
    Ok(())
}

/// LINK-1: the link, and the room as outsiders see it.
fn get(act: &mut Act<'_, '_>, asked: &Link) -> Result<(), Halt> {
    let link = Link { status: Some(LinkStatus::Get), ..listed(act, asked)? };
    let room = room::show::outside(act.row()?);
    act.answer(vec![etf::encode(&link), etf::encode(&room)]);
    Ok(())
}

/// LINK-2: ROOM-6 with the right given by the link.
fn join(act: &mut Act<'_, '_>, asked: &Link) -> Result<(), Halt> {
    listed(act, asked)?;
    room::join(act, &records::Room { status: Some(RoomStatus::Join), ..records::Room::default() }, Entitled::ByLink)
}

/// The room's link of that name.
fn listed(act: &Act<'_, '_>, asked: &Link) -> Result<Link, Refusal> {
    let name = asked.id.as_deref().unwrap_or_default();
    let row = act.row().map_err(|_| Refusal::LinkNotFound)?;
    row.room.links.iter().find(|link| has_name(link, name)).cloned().ok_or(Refusal::LinkNotFound)
}

/// LINK-3, LINK-6: checked, then the name is claimed; [`claimed`] goes on.
fn give(act: &mut Act<'_, '_>, mut link: Link) -> Result<(), Halt> {
    link.r#type = link.r#type.or(default_type(act.row()?.room.r#type));
    let is_random = link.status == Some(LinkStatus::Add) && link.id.as_ref().is_none_or(Bytes::is_empty);
    let plan = plan(act, &link)?;
    let name = if is_random { random(act.cx) } else { link.id.take().ok_or(Refusal::InvalidData)? };
    let title =
        link.name.as_ref().map(|title| text::name(title, TITLE)).transpose().map_err(|_| Refusal::InvalidData)?;
    if !is_name(&name) {
        return Err(Refusal::LinkInvalid.into());
    }
    let same = plan.links.iter().find(|kept| has_name(kept, &name));
    if let Some(same) = same.filter(|same| same.r#type == link.r#type) {
        act.answer(vec![etf::encode(&Link { status: link.status, ..same.clone() })]);
        return Ok(());
    }

    let who = act.who.ok_or(Refusal::PermissionDenied)?.clone();
    let room = act.room()?.id.clone();
    let wanted =
        Link { id: Some(name), name: title, room_id: Some(room.to_bytes()), created: Some(act.cx.now.0), ..link };
    act.fx.tell(Name::Links, Input::Claim(Box::new(LinkNews { who, room, link: wanted })));
    Ok(())
}

/// A link without a type is of its room's.
fn default_type(kind: Option<RoomType>) -> Option<LinkType> {
    match kind {
        Some(RoomType::Channel) => Some(LinkType::Channel),
        Some(RoomType::Group | RoomType::Call) | None => Some(LinkType::Group),
    }
}

/// What the list of links becomes.
struct Plan {
    links: Vec<Link>,
    /// Place of the one that gives way (LINK-3).
    replaced: Option<usize>,
}

/// Whether the caller may, and there is room for one more.
fn plan(act: &Act<'_, '_>, wanted: &Link) -> Result<Plan, Halt> {
    act.entitled(&[Right::Links])?;
    let links = act.row()?.room.links.clone();
    let name = wanted.id.as_deref().unwrap_or_default();
    // A name that the room has already moves to another type; LINK-3 replaces the first of its type.
    let same = links.iter().position(|link| !name.is_empty() && has_name(link, name));
    let first = links.iter().position(|link| link.r#type == wanted.r#type);
    let replaced = same.or(first.filter(|_| wanted.status == Some(LinkStatus::Update)));
    match replaced.is_none() && links.len() >= LINKS_PER_ROOM {
        true => Err(Refusal::Limit.into()),
        false => Ok(Plan { links, replaced }),
    }
}

/// LINK-3, LINK-6: the name is this room's. What has changed in the meantime may still stand against it.
pub(crate) fn claimed(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, news: LinkNews) -> Result<(), Halt> {
    let LinkNews { who, room, link } = news;
    let mut act = Act { conversation, cx, fx, who: Some(&who) };
    let done = take(&mut act, &link);
    if done.is_err() {
        free(fx, room, vec![link]);
    }
    settle(fx, &who, done)
}

fn take(act: &mut Act<'_, '_>, link: &Link) -> Result<(), Halt> {
    let Plan { mut links, replaced } = plan(act, link)?;
    let kept = Link { status: None, ..link.clone() };
    let gone = match replaced.and_then(|at| links.get_mut(at)) {
        Some(place) => Some(std::mem::replace(place, kept)),
        None => {
            links.push(kept);
            None
        }
    };
    change(act, links, link.clone())?;
    let room = act.room()?.id.clone();
    // One that has only moved to another type is still its name's holder.
    let gone: Vec<Link> =
        gone.into_iter().filter(|gone| !has_name(gone, link.id.as_deref().unwrap_or_default())).collect();
    free(act.fx, room, gone);
    Ok(())
}

/// LINK-4: the link of that name, or all of one type.
fn delete(act: &mut Act<'_, '_>, asked: &Link) -> Result<(), Halt> {
    match act.entitled(&[Right::Links]) {
        // Whether there is such a room is for its members to know.
        Err(Halt::Refused(Refusal::RoomNotFound)) if asked.id.is_some() => return Err(Refusal::LinkNotFound.into()),
        own => own?,
    };
    let is_meant = |link: &Link| match asked.id.as_ref().filter(|name| !name.is_empty()) {
        Some(name) => has_name(link, name),
        None => link.r#type == asked.r#type,
    };
    let (gone, links): (Vec<Link>, Vec<Link>) = act.row()?.room.links.iter().cloned().partition(is_meant);
    let first = gone.first().ok_or(Refusal::LinkNotFound)?;
    let room = act.room()?.id.clone();

    let answer = match asked.id {
        Some(_) => Link { status: asked.status, ..first.clone() },
        None => Link { room_id: Some(room.to_bytes()), ..asked.clone() },
    };
    change(act, links, answer)?;
    free(act.fx, room, gone);
    Ok(())
}

/// The room has these links from now on: it is answered, and its members are told.
fn change(act: &mut Act<'_, '_>, links: Vec<Link>, shown: Link) -> Result<(), Halt> {
    let seq = act.cx.id()?;
    let id = act.room()?.id.to_bytes();
    if let Some(row) = &mut act.room_mut()?.row {
        row.room.links.clone_from(&links);
    }
    act.answer(vec![etf::encode(&shown)]);
    let news = records::Room {
        id: Some(id),
        links,
        update: Some(act.cx.now.0),
        status: Some(RoomStatus::Patch),
        ..records::Room::default()
    };
    act.tell_room(seq, &news, None, Seen::ByNobody)?;
    Ok(act.put_row()?)
}

/// These names are the room's no more.
pub(crate) fn free(fx: &mut Fx, room: RoomId, links: Vec<Link>) {
    let names: Vec<Bytes> = links.into_iter().filter_map(|link| link.id).collect();
    if !names.is_empty() {
        fx.tell(Name::Links, Input::Unclaim { room, names });
    }
}

fn has_name(link: &Link, name: &[u8]) -> bool {
    link.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(name))
}

/// 2 to 48 letters of ASCII, digits and `_`.
fn is_name(name: &[u8]) -> bool {
    LINK_NAME.contains(&name.len()) && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn random(cx: &Cx<'_>) -> Bytes {
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
    cx.random::<RANDOM_CHARS>().into_iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_have_two_to_forty_eight_letters_digits_and_underscores() {
        let long = "x".repeat(48);
        assert!(["ab", "A_1", &long].iter().all(|name| is_name(name.as_bytes())));
        let longer = "x".repeat(49);
        assert!(!["", "a", "a b", "a-b", "ab\u{e9}", &longer].iter().any(|name| is_name(name.as_bytes())));
    }
}
