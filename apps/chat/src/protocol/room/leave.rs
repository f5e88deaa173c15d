//! ROOM-5, 7, 11, 12: who goes, and who may not come back.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::{self, Member, MemberStatus, RoomStatus};

use super::act::Act;
use super::add::affected;
use super::{Action, Halt, end};
use crate::effects::{Seen, notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::protocol::rights::Right;
use crate::protocol::{contact, member, presence};
use crate::rows::{self, BANNED, HIDDEN, IN_ROOM, MENTION, READER};
use crate::{Cx, Fx};

/// Bans of a room at most.
const BANS_MAX: u64 = 10_000;
/// Rows of a roster that is no more, forgotten in one step.
const FORGOTTEN: usize = 256;

/// ROOM-5: members by an admin, admins by the owner. Who names an own roster alone that none of the others may remove leaves by it (ROOM-7).
pub(super) fn remove(act: &mut Act<'_, '_>, asked: &records::Room) -> Result<(), Halt> {
    let own = act.own()?;
    let named = meant(act, asked)?;
    if named == [own.who.clone()] {
        return go(act, &own);
    }
    match removable(act, &named) {
        Ok((_, gone)) if gone.is_empty() => Err(Refusal::MemberNotFound.into()),
        Ok((own, gone)) => expel(act, &own, &gone, &[], RoomStatus::Remove),
        Err(Halt::Refused(refusal)) => match act.own_members()?.into_iter().find(|own| named == [own.who.clone()]) {
            Some(own) => go(act, &own),
            None => Err(refusal.into()),
        },
        Err(failed) => Err(failed),
    }
}

/// The rosters that a request is about; one about nobody is none.
fn meant(act: &Act<'_, '_>, asked: &records::Room) -> Result<Vec<PhoneId>, Halt> {
    match asked.members.is_empty() && asked.admins.is_empty() {
        true => Err(Refusal::InvalidData.into()),
        false => act.named(asked.members.iter().chain(&asked.admins)),
    }
}

/// Who removes them, and those of the named who are members. The owner cannot be removed, an admin only by the owner. All are judged as
/// they were before the request, in whatever order they are named; of several rosters of the account the first acts that may remove them all.
fn removable(act: &Act<'_, '_>, named: &[PhoneId]) -> Result<(Side, Vec<Side>), Halt> {
    let mut gone = Vec::new();
    for roster in named {
        gone.extend(act.side(roster)?.filter(|side| side.membership.is_present()));
    }
    let is = |side: &Side, role| side.membership.role == Some(role);
    let may = |own: &Side| {
        let is_for_owner = gone.iter().any(|side| side.who != own.who && is(side, MemberStatus::Admin));
        act.conversation.allows(own, if is_for_owner { Right::Roles } else { Right::RemoveMembers })
    };
    let mut entitled = act.own_members()?.into_iter().filter(may).peekable();
    entitled.peek().ok_or(Refusal::PermissionDenied)?;
    let own = entitled.find(|own| !named.contains(&own.who)).ok_or(Refusal::InvalidData)?;
    match gone.iter().any(|side| is(side, MemberStatus::Owner)) {
        true => Err(Refusal::PermissionDenied.into()),
        false => Ok((own, gone)),
    }
}

/// They are told that they are out, and nothing more of the room. Who is banned is listed with them, whether a member or not.
pub(super) fn expel(
    act: &mut Act<'_, '_>,
    own: &Side,
    gone: &[Side],
    banned: &[PhoneId],
    status: RoomStatus,
) -> Result<(), Halt> {
    let at = act.cx.id()?;
    let mut listed = Vec::new();
    for side in gone {
        listed.push(act.expel(side, at)?);
    }
    if !banned.is_empty() {
        listed = outsiders(act, banned, listed)?;
    }
    let record = affected(act, listed, status)?;
    let removed =
        records::Room { id: record.id.clone(), status: Some(RoomStatus::Removed), ..records::Room::default() };
    for side in gone {
        notify(act.fx, act.cx, side.who.phone(), &ses(act.cx, &side.who)?, &removed, None, Seen::ByNobody)?;
        act.seat(&side.who)?;
    }
    let seq = act.cx.id()?;
    let seen = act.seen_by();
    let was_seen = |side: &&Side| side.membership.role.is_some_and(|role| act.is_seen_by_all(role));
    let targets: Vec<PhoneId> = gone.iter().filter(was_seen).map(|side| side.who.clone()).collect();
    act.tell_members(seq, &record, &targets, seen)?;
    act.answer(vec![etf::encode(&record)]);
    act.put_row()?;
    if targets.is_empty() {
        return Ok(());
    }
    act.say(&own.who, Action::Removed, &targets)
}

/// ROOM-7: oneself. An owner hands over first; the last one out ends the room.
pub(super) fn leave(act: &mut Act<'_, '_>, asked: &records::Room) -> Result<(), Halt> {
    act.row()?;
    let named = act.named(&asked.members)?;
    let own = act.own_members()?.into_iter().find(|side| named.is_empty() || named.contains(&side.who));
    go(act, &own.ok_or(Refusal::MemberNotFound)?)
}

/// ROSTER-8: a roster that is no more leaves, and nothing of it stays with the room but what it wrote. Those who share the room are told
/// that it is gone, by the number of this event.
pub(crate) fn depart(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    roster: &PhoneId,
    event: u64,
) -> Result<(), Failure> {
    let mut act = Act { conversation, cx, fx, who: None };
    let gone = act.row().is_ok().then(|| act.side(roster)).transpose();
    let done = match gone {
        Ok(Some(Some(side))) if side.membership.is_present() => {
            if let Ok(room) = act.conversation.room() {
                presence::tell_fellows_in(cx, act.fx, room, &side, etf::encode(&contact::gone(cx, roster)), event)?;
            }
            go(&mut act, &side)
        }
        Ok(_) => Ok(()),
        Err(halt) => Err(halt),
    };
    match done {
        Ok(()) | Err(Halt::Refused(_)) => {}
        Err(Halt::Failed(failure)) => return Err(failure),
    }
    let Ok(room) = act.conversation.room().map(|room| room.id.clone()) else { return Ok(()) };
    let own = rows::reader_key(&act.conversation.feed, roster);
    let mut left = FORGOTTEN;
    for table in [HIDDEN, MENTION] {
        for (key, _) in cx.store.scan(table, &rows::numbers(&own, 0, u64::MAX).limit(left))? {
            act.fx.delete(table, key);
            left -= 1;
        }
    }
    if left > 0 {
        act.fx.delete(READER, own);
        act.fx.delete(IN_ROOM, rows::in_room_key(roster, &room));
    }
    Ok(())
}

/// The longest-serving admin, else the longest-serving member.
fn heir(act: &Act<'_, '_>, own: &Side) -> Result<Option<Side>, Halt> {
    let room = act.room()?;
    let admin = room.staff.get(1).and_then(|admin| admin.phone_id.clone());
    let heir = match admin {
        Some(admin) => Some(admin),
        None => room
            .first_members(act.cx, 2)?
            .into_iter()
            .filter_map(|member| member.phone_id)
            .find(|id| *id != own.who.to_bytes()),
    };
    match heir.map(|heir| PhoneId::parse(&heir)) {
        Some(Ok(heir)) => act.side(&heir),
        Some(Err(_)) | None => Ok(None),
    }
}

/// An owner hands over first. The others are told; so are the own devices, if they have asked.
fn go(act: &mut Act<'_, '_>, own: &Side) -> Result<(), Halt> {
    if own.membership.role == Some(MemberStatus::Owner)
        && let Some(heir) = heir(act, own)?
    {
        member::hand_over(act, own, &heir)?;
    }
    let at = act.cx.id()?;
    let member = act.expel(own, at)?;
    let record = affected(act, vec![member], RoomStatus::Leave)?;
    if act.who.is_some() {
        let (topic, seen) = (ses(act.cx, &own.who)?, act.seen_by());
        notify(act.fx, act.cx, own.who.phone(), &topic, &record, None, seen)?;
    }
    act.answer(vec![etf::encode(&record)]);
    act.seat(&own.who)?;
    if act.row()?.members == 0 {
        return end::end(act, &own.who);
    }
    let seq = act.cx.id()?;
    let was_seen = own.membership.role.is_some_and(|role| act.is_seen_by_all(role));
    act.tell_fellows(seq, &record, was_seen, Seen::ByNobody)?;
    act.put_row()?;
    match was_seen {
        true => act.say(&own.who, Action::Left, &[]),
        false => Ok(()),
    }
}

/// ROOM-11: out, if they are in, and not in again.
pub(super) fn ban(act: &mut Act<'_, '_>, asked: &records::Room) -> Result<(), Halt> {
    act.entitled(&[Right::RemoveMembers])?;
    let mut known = Vec::new();
    for roster in meant(act, asked)? {
        if rows::has_roster(act.cx.store, &roster)? {
            known.push(roster);
        }
    }
    let (own, gone) = removable(act, &known)?;
    let mut new = Vec::new();
    for roster in &known {
        if !act.is_banned(roster)? {
            new.push(roster.clone());
        }
    }
    if known.is_empty() {
        return Err(Refusal::MemberNotFound.into());
    }
    if act.row()?.banned + new.len() as u64 > BANS_MAX {
        return Err(Refusal::Limit.into());
    }

    if new.is_empty() && gone.is_empty() {
        let record = affected(act, outsiders(act, &known, Vec::new())?, RoomStatus::Ban)?;
        act.answer(vec![etf::encode(&record)]);
        return Ok(());
    }
    for roster in &new {
        act.fx.put(BANNED, rows::reader_key(&act.conversation.feed, roster), Bytes::new());
    }
    if let Some(row) = &mut act.room_mut()?.row {
        row.banned += new.len() as u64;
    }
    expel(act, &own, &gone, &known, RoomStatus::Ban)
}

/// ROOM-12: off the list; not back in the room.
pub(super) fn unban(act: &mut Act<'_, '_>, asked: &records::Room) -> Result<(), Halt> {
    act.entitled(&[Right::RemoveMembers])?;
    let mut freed = Vec::new();
    for roster in meant(act, asked)? {
        if act.is_banned(&roster)? {
            freed.push(roster);
        }
    }
    if freed.is_empty() {
        return Err(Refusal::MemberNotFound.into());
    }
    for roster in &freed {
        act.fx.delete(BANNED, rows::reader_key(&act.conversation.feed, roster));
    }
    if let Some(row) = &mut act.room_mut()?.row {
        row.banned = row.banned.saturating_sub(freed.len() as u64);
    }
    let record = affected(act, outsiders(act, &freed, Vec::new())?, RoomStatus::Unban)?;
    let seq = act.cx.id()?;
    let seen = act.seen_by();
    act.tell_fellows(seq, &record, false, seen)?;
    act.answer(vec![etf::encode(&record)]);
    Ok(act.put_row()?)
}

/// Those who are no members, as a list shows them, in the order in which they are named: `gone` go only now, others have gone before, or
/// never came.
fn outsiders(act: &Act<'_, '_>, named: &[PhoneId], gone: Vec<Member>) -> Result<Vec<Member>, Halt> {
    let mut gone = gone.into_iter().peekable();
    let mut listed = Vec::new();
    for roster in named {
        let stranger =
            Member { phone_id: Some(roster.to_bytes()), status: Some(MemberStatus::Removed), ..Member::default() };
        listed.push(match gone.next_if(|member| member.phone_id == stranger.phone_id) {
            Some(member) => member,
            None => act.side(roster)?.map_or(stranger, |side| act.removed(roster, &side.membership)),
        });
    }
    Ok(listed)
}
