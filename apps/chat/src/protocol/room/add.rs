//! ROOM-4 and 6: who comes in, and who rises or falls.

use proto::Refusal;
use proto::ids::PhoneId;
use proto::records::{self, Member, MemberStatus, RoomStatus, RoomType};

use super::act::{Act, STAFF_MAX, has_many_rooms, most};
use super::{Action, Halt, show};
use crate::effects::{Seen, notify, ses};
use crate::process::conversation::Side;
use crate::protocol::feature::{self, ROOM_SETTINGS};
use crate::protocol::push::wake_for_room;
use crate::protocol::rights::Right;

/// What becomes of those that ROOM-4 names.
#[derive(Default)]
pub(super) struct Plan {
    /// Not in the room yet, with the role they are to have.
    pub(super) new: Vec<(PhoneId, MemberStatus)>,
    rise: Vec<Side>,
    fall: Vec<Side>,
    /// In their role already.
    kept: Vec<Side>,
}

/// ROOM-4: members by an admin; also changes of role.
pub(super) fn add(act: &mut Act<'_, '_>, asked: &records::Room) -> Result<(), Halt> {
    let mut own = act.own()?;
    let (admins, members) = (act.named(&asked.admins)?, act.named(&asked.members)?);
    if asked.admins.is_empty() && asked.members.is_empty() {
        return Err(Refusal::InvalidData.into());
    }
    let mut plan = plan(act, &admins, members)?;
    // Only an owner gives roles, and an owner adds members too.
    if !admins.is_empty() || !plan.fall.is_empty() {
        own = act.entitled(&[Right::Roles])?;
    } else if !plan.new.is_empty() {
        own = act.entitled(&[Right::AddMembers])?;
    }
    let mut brought = Vec::new();
    for (roster, role) in std::mem::take(&mut plan.new) {
        if act.may_bring(&own.who, &roster)? {
            brought.push((roster, role));
        }
    }
    plan.new = brought;
    if plan.new.is_empty() && plan.rise.is_empty() && plan.fall.is_empty() {
        return nothing(act, &plan);
    }
    bounds(act, &plan)?;
    perform(act, &own, &plan)
}

fn plan(act: &Act<'_, '_>, admins: &[PhoneId], members: Vec<PhoneId>) -> Result<Plan, Halt> {
    let mut plan = Plan::default();
    let to_rise = admins.iter().map(|roster| (roster.clone(), MemberStatus::Admin));
    let to_join = members.into_iter().filter(|roster| !admins.contains(roster));
    for (roster, role) in to_rise.chain(to_join.map(|roster| (roster, MemberStatus::Member))) {
        let side = act.side(&roster)?.filter(|side| side.membership.is_present());
        match (side.as_ref().and_then(|side| side.membership.role), role, side) {
            (Some(MemberStatus::Member), MemberStatus::Admin, Some(side)) => plan.rise.push(side),
            (Some(MemberStatus::Admin), MemberStatus::Member, Some(side)) => plan.fall.push(side),
            (_, _, Some(side)) => plan.kept.push(side),
            (_, _, None) => plan.new.push((roster, role)),
        }
    }
    Ok(plan)
}

/// All are in their role already: the same answer again; or nobody may be brought.
fn nothing(act: &mut Act<'_, '_>, plan: &Plan) -> Result<(), Halt> {
    if plan.kept.is_empty() {
        return Err(Refusal::MemberNotFound.into());
    }
    let mut listed = Vec::new();
    for side in &plan.kept {
        listed.extend(act.room()?.member(act.cx, side.membership.id)?);
    }
    let record = affected(act, listed, RoomStatus::Add)?;
    act.answer(vec![etf::encode(&record)]);
    Ok(())
}

fn bounds(act: &Act<'_, '_>, plan: &Plan) -> Result<(), Halt> {
    let row = act.row()?;
    let new_staff = plan.new.iter().filter(|(_, role)| *role == MemberStatus::Admin).count() + plan.rise.len();
    match row.members + plan.new.len() as u64 > most(row.room.r#type)
        || act.room()?.staff.len() + new_staff > STAFF_MAX + plan.fall.len()
    {
        true => Err(Refusal::Limit.into()),
        false => Ok(()),
    }
}

pub(super) fn perform(act: &mut Act<'_, '_>, own: &Side, plan: &Plan) -> Result<(), Halt> {
    let at = act.cx.id()?;
    let mut fresh = Vec::new();
    for side in &plan.rise {
        fresh.push(act.set_role(side, MemberStatus::Admin)?);
    }
    for side in &plan.fall {
        fresh.push(act.set_role(side, MemberStatus::Member)?);
    }
    for (roster, role) in &plan.new {
        fresh.push(act.admit(roster, *role, at)?);
    }
    let record = affected(act, fresh.clone(), RoomStatus::Add)?;
    // Who is new has it in full, and what follows.
    let seen = act.seen_by();
    let those = |sides: &[Side]| sides.iter().map(|side| side.who.clone()).collect::<Vec<_>>();
    let new: Vec<PhoneId> =
        plan.new.iter().filter(|(_, role)| act.is_seen_by_all(*role)).map(|(roster, _)| roster.clone()).collect();
    let known = [new.clone(), those(&plan.rise), those(&plan.fall)].concat();
    act.tell_members(at, &record, &known, seen)?;
    act.answer(vec![etf::encode(&record)]);
    act.put_row()?;
    let lists = show::lists(act, &fresh)?;
    for (roster, _) in &plan.new {
        let whole = lists.to(roster, RoomStatus::Add);
        notify(act.fx, act.cx, roster.phone(), &ses(act.cx, roster)?, &whole, None, Seen::ByNobody)?;
        wake_for_room(act.cx, act.fx, roster, &own.who, &act.conversation.key, &whole)?;
        act.seat(roster)?;
    }
    for (action, targets) in
        [(Action::Added, new), (Action::Promoted, those(&plan.rise)), (Action::Demoted, those(&plan.fall))]
    {
        if !targets.is_empty() {
            act.say(&own.who, action, &targets)?;
        }
    }
    Ok(())
}

/// A record that lists only those who are concerned, at most so many as a notice may.
pub(super) fn affected(act: &Act<'_, '_>, listed: Vec<Member>, status: RoomStatus) -> Result<records::Room, Halt> {
    let is_staff = |member: &Member| matches!(member.status, Some(MemberStatus::Owner | MemberStatus::Admin));
    let listed = show::faces(act.cx, listed.into_iter().take(proto::limits::NOTICE_MEMBERS).collect())?;
    let (admins, members) = listed.into_iter().partition(is_staff);
    let id = Some(act.room()?.id.to_bytes());
    Ok(records::Room { id, admins, members, status: Some(status), ..records::Room::default() })
}

/// What lets somebody join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entitled {
    /// The room is PUBLIC, or it may not.
    ByRoom,
    /// An invitation to it (LINK-2).
    ByLink,
}

/// ROOM-6: join oneself; with others listed, ROOM-4.
pub(crate) fn join(act: &mut Act<'_, '_>, asked: &records::Room, entitled: Entitled) -> Result<(), Halt> {
    let account = act.account()?;
    let row = act.row()?;
    let kind = row.room.r#type;
    let open = entitled == Entitled::ByLink || is_public(&row.room);
    let full = row.members >= most(kind);
    let named = act.named(asked.members.iter().chain(&asked.admins))?;
    if named.iter().any(|roster| !account.owns(roster)) {
        return add(act, asked);
    }
    let roster = named.into_iter().next().or(account.default_roster()).ok_or(Refusal::PermissionDenied)?;
    if let Some(own) = act.side(&roster)?.filter(|side| side.membership.is_present()) {
        let whole = show::whole(act, &own, RoomStatus::Join)?;
        act.answer(vec![etf::encode(&whole)]);
        return Ok(());
    }
    if act.is_banned(&roster)? {
        return Err(Refusal::Banned.into());
    }
    if !open {
        return Err(Refusal::PermissionDenied.into());
    }
    if full || has_many_rooms(act.cx, &roster)? {
        return Err(Refusal::Limit.into());
    }

    let at = act.cx.id()?;
    let fresh = vec![act.admit(&roster, MemberStatus::Member, at)?];
    let record = affected(act, fresh.clone(), RoomStatus::Joined)?;
    let whole = show::lists(act, &fresh)?.to(&roster, RoomStatus::Join);
    act.tell_fellows(at, &record, false, Seen::ByNobody)?;
    act.put_row()?;
    let seen = act.seen_by();
    notify(act.fx, act.cx, roster.phone(), &ses(act.cx, &roster)?, &whole, None, seen)?;
    act.answer(vec![etf::encode(&whole)]);
    act.seat(&roster)?;
    match kind {
        Some(RoomType::Channel) => Ok(()),
        Some(RoomType::Group | RoomType::Call) | None => act.say(&roster, Action::Joined, &[]),
    }
}

/// PUBLIC: whether anybody may join and see it; channels, if not said otherwise.
pub(crate) fn is_public(room: &records::Room) -> bool {
    match feature::value(&room.settings, ROOM_SETTINGS, b"PUBLIC") {
        Some(b"true") => true,
        Some(b"false") => false,
        Some(_) | None => room.r#type == Some(RoomType::Channel),
    }
}
