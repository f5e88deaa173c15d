//! ROOM-1: a room comes into being.

use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::{self, MemberStatus, RoomStatus, RoomType};

use super::act::{Act, STAFF_MAX, has_many_rooms, most};
use super::patch::{Change, check};
use super::{Action, Halt, show};
use crate::effects::{Seen, notify, ses};
use crate::protocol::push::wake_for_room;
use crate::rows::RoomRow;

/// ROOM-1: the creator owns it, whoever is named and may be brought is in it.
pub(super) fn create(act: &mut Act<'_, '_>, asked: records::Room) -> Result<(), Halt> {
    let account = act.account()?;
    let admins = act.named(&asked.admins)?;
    let owner = match admins.first() {
        Some(first) => first.clone(),
        None => account.default_roster().ok_or(Refusal::PermissionDenied)?,
    };
    if !account.owns(&owner) {
        return Err(Refusal::PermissionDenied.into());
    }
    if act.room()?.row.is_some() {
        return again(act, &owner);
    }
    let members = act.named(&asked.members)?;
    let kind = asked.r#type.unwrap_or(RoomType::Group);
    let change = check(&asked, &RoomRow::default().room)?;
    let Some(name) = change.name.clone() else { return Err(Refusal::InvalidData.into()) };
    let wanted = wanted(&owner, &admins, members);
    if 1 + wanted.len() as u64 > most(Some(kind)) || admins.len() > STAFF_MAX || has_many_rooms(act.cx, &owner)? {
        return Err(Refusal::Limit.into());
    }
    let mut brought = Vec::new();
    for (roster, role) in wanted {
        if act.may_bring(&owner, &roster)? {
            brought.push((roster, role));
        }
    }

    found(act, &change, records::Room { name: Some(name), r#type: Some(kind), ..records::Room::default() })?;
    let at = act.cx.id()?;
    let mut fresh = vec![act.admit(&owner, MemberStatus::Owner, at)?];
    for (roster, role) in &brought {
        fresh.push(act.admit(roster, *role, at)?);
    }
    act.put_row()?;

    let lists = show::lists(act, &fresh)?;
    let whole = lists.to(&owner, RoomStatus::Create);
    let seen = act.seen_by();
    notify(act.fx, act.cx, owner.phone(), &ses(act.cx, &owner)?, &whole, None, seen)?;
    act.answer(vec![etf::encode(&whole)]);
    act.seat(&owner)?;
    for (roster, _) in &brought {
        let whole = lists.to(roster, RoomStatus::Create);
        notify(act.fx, act.cx, roster.phone(), &ses(act.cx, roster)?, &whole, None, Seen::ByNobody)?;
        wake_for_room(act.cx, act.fx, roster, &owner, &act.conversation.key, &whole)?;
        act.seat(roster)?;
    }
    act.say(&owner, Action::Created, &[])
}

/// The same room once more: as it is now. One of another owner's, or one that is just being erased, is in the way.
fn again(act: &mut Act<'_, '_>, owner: &PhoneId) -> Result<(), Halt> {
    let room = act.room()?;
    let is_own = room.row.as_ref().is_some_and(|row| row.ended == 0)
        && room.staff.first().and_then(|member| member.phone_id.as_deref()) == Some(owner.as_str().as_bytes());
    if !is_own {
        return Err(Refusal::AlreadyPresent.into());
    }
    let own = act.own()?;
    let whole = show::whole(act, &own, RoomStatus::Create)?;
    act.answer(vec![etf::encode(&whole)]);
    Ok(())
}

/// Who is to be in it besides the owner, each once, with the higher role.
fn wanted(owner: &PhoneId, admins: &[PhoneId], members: Vec<PhoneId>) -> Vec<(PhoneId, MemberStatus)> {
    let admins = admins.iter().filter(|roster| *roster != owner).cloned();
    let mut wanted: Vec<_> = admins.map(|roster| (roster, MemberStatus::Admin)).collect();
    for roster in members {
        if roster != *owner && !wanted.iter().any(|(known, _)| *known == roster) {
            wanted.push((roster, MemberStatus::Member));
        }
    }
    wanted
}

/// The row of a room without members.
pub(super) fn found(act: &mut Act<'_, '_>, change: &Change, base: records::Room) -> Result<(), Halt> {
    let now = act.cx.now.0;
    let room = act.room_mut()?;
    let id = room.id.to_bytes();
    let mut shown = records::Room { id: Some(id.clone()), created: Some(now), update: Some(now), ..base };
    change.apply(&mut shown, now);
    room.row = Some(RoomRow { room: shown, ..RoomRow::default() });
    Ok(())
}
