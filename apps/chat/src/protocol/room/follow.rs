//! A room that follows a group of the organisation's directory (ID-11): who is in the group is in the room, and nobody else. It is owned by
//! an account that nobody uses, so nobody adds or removes by hand.

use std::collections::HashSet;

use n2o::Failure;
use proto::ids::PhoneId;
use proto::limits::GROUP_MEMBERS;
use proto::records::{self, MemberStatus, RoomStatus, RoomType};

use super::act::{Act, has_many_rooms};
use super::add::{self, Plan};
use super::patch::check;
use super::{Action, Halt, create, leave};
use crate::process::conversation::{Conversation, Side};
use crate::rows::{self, RoomRow};
use crate::{Cx, Follow, Fx, Input, Name};

/// Members that one step brings or takes away; the others follow in further steps. What a crash leaves out is found again when the server
/// looks at the group next.
const CHANGES_MAX: usize = 50;

/// The room is brought nearer to what the group is. Where it cannot be, since it has ended or is somebody else's, it stays as it is.
pub(crate) fn follow(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    group: Box<Follow>,
) -> Result<(), Failure> {
    let mut act = Act { conversation, cx, fx, who: None };
    match step(&mut act, &group) {
        Ok(true) => {
            let room = act.conversation.feed.clone();
            act.fx.tell(Name::Conversation(room), Input::Follow(group));
            Ok(())
        }
        Ok(false) | Err(Halt::Refused(_)) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

/// Whether there is more to do.
fn step(act: &mut Act<'_, '_>, group: &Follow) -> Result<bool, Halt> {
    if act.room()?.row.is_none() {
        found(act, group)?;
        return Ok(true);
    }
    act.row()?;
    let Some(own) = owner(act, &group.owner)? else { return Ok(false) };
    let present = present(act)?;
    let wanted: HashSet<&PhoneId> = group.members.iter().take(GROUP_MEMBERS - 1).collect();

    let mut gone = Vec::new();
    for roster in present.iter().filter(|roster| **roster != own.who && !wanted.contains(roster)) {
        if gone.len() < CHANGES_MAX {
            gone.extend(act.side(roster)?.filter(|side| side.membership.is_present()));
        }
    }
    if !gone.is_empty() {
        leave::expel(act, &own, &gone, &[], RoomStatus::Remove)?;
        return Ok(true);
    }

    let mut plan = Plan::default();
    for roster in group.members.iter().filter(|roster| wanted.contains(roster) && !present.contains(*roster)) {
        if plan.new.len() < CHANGES_MAX && may_come(act, roster)? {
            plan.new.push((roster.clone(), MemberStatus::Member));
        }
    }
    let is_full = plan.new.len() >= CHANGES_MAX;
    if !plan.new.is_empty() {
        add::perform(act, &own, &plan)?;
    }
    Ok(is_full)
}

/// The room, with its owner alone.
fn found(act: &mut Act<'_, '_>, group: &Follow) -> Result<(), Halt> {
    let asked = records::Room { name: Some(group.name.clone()), ..records::Room::default() };
    let change = check(&asked, &RoomRow::default().room)?;
    let base = records::Room { name: change.name.clone(), r#type: Some(RoomType::Group), ..records::Room::default() };
    create::found(act, &change, base)?;
    let at = act.cx.id()?;
    act.admit(&group.owner, MemberStatus::Owner, at)?;
    act.put_row()?;
    act.seat(&group.owner)?;
    act.say(&group.owner, Action::Created, &[])
}

/// The one who brings and removes. A room that is somebody's own follows no group of its name.
fn owner(act: &Act<'_, '_>, owner: &PhoneId) -> Result<Option<Side>, Halt> {
    Ok(act.side(owner)?.filter(|side| side.membership.role == Some(MemberStatus::Owner)))
}

fn present(act: &Act<'_, '_>) -> Result<HashSet<PhoneId>, Halt> {
    let members = act.room()?.first_members(act.cx, GROUP_MEMBERS)?;
    let rosters = members.into_iter().filter_map(|member| PhoneId::parse(&member.phone_id?).ok());
    Ok(rosters.collect())
}

/// Whoever is in the group is not asked, but for what a person cannot hold.
fn may_come(act: &Act<'_, '_>, roster: &PhoneId) -> Result<bool, Halt> {
    Ok(rows::has_roster(act.cx.store, roster)? && !act.is_banned(roster)? && !has_many_rooms(act.cx, roster)?)
}
