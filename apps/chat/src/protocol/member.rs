//! MEMBER (SPEC 6.12): a roster's place in a room.

use bytes::Bytes;
use proto::ids::Address;
use proto::limits::{ALIAS, NAMES, SURNAMES};
use proto::records::{self, Feature, Feed, Member, MemberStatus, RoomType};
use proto::{Refusal, text};

use super::Halt;
use super::feature::{self, ADMIN_PERMISSIONS, NOTIFICATIONS};
use super::presence;
use super::rights::Right;
use super::room::{Act, Action, show};
use crate::effects::{notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::rows;
use crate::{Cx, Fx, Who};

/// A reference to an avatar at most, bytes.
const AVATAR_BYTES: usize = 1024;

/// MEMBER-1 to 4, by status.
pub(crate) fn call(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    asked: Member,
) -> Result<(), Halt> {
    let mut act = Act { conversation, cx, fx, who: Some(who) };
    act.row()?;
    let own = act.own().map_err(|halt| match halt {
        // MEMBER-1 says so of who is none.
        Halt::Refused(Refusal::PermissionDenied) if asked.status == Some(MemberStatus::Patch) => {
            Refusal::MemberNotFound.into()
        }
        halt => halt,
    })?;
    let target = target(&act, &own, &asked)?;
    match asked.status {
        Some(MemberStatus::Patch) if is_self(&own, &target, &asked) => patch_self(&mut act, &target, asked),
        Some(MemberStatus::Patch) => patch_other(&mut act, &target, &asked),
        Some(role @ (MemberStatus::Admin | MemberStatus::Member | MemberStatus::Owner)) => {
            set_role(&mut act, &target, role)
        }
        None => get(&mut act, &own, &target),
        Some(MemberStatus::Removed) => Err(Refusal::InvalidData.into()),
    }
}

/// MEMBER-1: the roster that asks, or another own one in the room. What that one may as an admin, the owner says by MEMBER-2.
fn is_self(own: &Side, target: &Side, asked: &Member) -> bool {
    let permits = asked.settings.iter().any(|feature| feature.group.as_deref() == Some(ADMIN_PERMISSIONS));
    target.who == own.who || target.who.phone() == own.who.phone() && !permits
}

/// The member that is meant: by id, by address, or oneself.
fn target(act: &Act<'_, '_>, own: &Side, asked: &Member) -> Result<Side, Halt> {
    let roster = match (asked.id, asked.phone_id.as_deref().filter(|name| !name.is_empty())) {
        (None, None) => return Ok(own.clone()),
        (Some(id), _) => act.room()?.member(act.cx, id)?.and_then(|member| member.phone_id),
        (None, Some(name)) => Some(Bytes::copy_from_slice(name)),
    };
    let roster = roster.ok_or(Refusal::MemberNotFound)?;
    let roster = match Address::parse(&roster).map_err(|_| Refusal::InvalidData)? {
        Address::Full(roster) => Some(roster),
        // ID-4
        Address::Phone(phone) => rows::default_roster(act.cx.store, &phone)?,
        Address::Roster(_) => return Err(Refusal::InvalidData.into()),
    };
    let side = act.room()?.side(act.cx, &roster.ok_or(Refusal::MemberNotFound)?)?;
    side.filter(|side| side.membership.is_present()).ok_or_else(|| Refusal::MemberNotFound.into())
}

/// MEMBER-1: what a member shows of itself here, and what it wants to hear. Certificates are its devices' own.
fn patch_self(act: &mut Act<'_, '_>, own: &Side, asked: Member) -> Result<(), Halt> {
    let kept = act.room()?.member(act.cx, own.membership.id)?.ok_or(Refusal::MemberNotFound)?;
    let change = check(asked)?;
    let (heard, shown): (Vec<Feature>, Vec<Feature>) =
        change.settings.iter().cloned().partition(|feature| feature.group.as_deref() == Some(NOTIFICATIONS));
    let mut after = apply(&kept, &change);
    feature::merge(&mut after.settings, &change.settings)?;

    let is_changed = after != kept;
    after.update = if is_changed { Some(act.cx.now.0) } else { kept.update };
    let brief = Member {
        id: kept.id,
        feed_id: Some(Feed::from(&act.conversation.feed)),
        phone_id: Some(own.who.to_bytes()),
        update: after.update,
        settings: shown,
        status: Some(MemberStatus::Patch),
        ..change
    };
    let private = Member { settings: heard, avatar: None, names: None, surnames: None, alias: None, ..brief.clone() };
    let says_shown = !brief.settings.is_empty()
        || [&brief.avatar, &brief.names, &brief.surnames, &brief.alias].iter().any(|field| field.is_some());
    if !is_changed {
        let record = if says_shown || private.settings.is_empty() { &brief } else { &private };
        act.answer(vec![etf::encode(record)]);
        return Ok(());
    }
    act.put_member(own, &after)?;
    let hears_itself = says_shown && (act.row()?.room.r#type != Some(RoomType::Channel) || has_staff(act, own)?);
    let records = if says_shown && !hears_itself { vec![etf::encode(&brief)] } else { Vec::new() };
    if !private.settings.is_empty() {
        let seen = act.seen_after();
        notify(act.fx, act.cx, own.who.phone(), &ses(act.cx, &own.who)?, &private, None, seen)?;
    }
    if says_shown {
        let seq = act.cx.id()?;
        let seen = act.seen_after();
        act.tell_fellows(seq, &brief, is_staff(own), seen)?;
        act.put_row()?;
    }
    act.answer(records);
    Ok(())
}

/// Whether the account of this member is told what owner and admins are.
fn has_staff(act: &Act<'_, '_>, own: &Side) -> Result<bool, Refusal> {
    Ok(act.room()?.staff_accounts().contains(own.who.phone()))
}

fn is_staff(side: &Side) -> bool {
    matches!(side.membership.role, Some(MemberStatus::Owner | MemberStatus::Admin))
}

/// The fields that MEMBER-1 changes, in normal form (C-5).
fn check(asked: Member) -> Result<Member, Refusal> {
    let named = |text: Option<Bytes>, length| match text {
        Some(text) if !text.is_empty() => text::name(&text, length).map(Some).map_err(|_| Refusal::InvalidData),
        other => Ok(other),
    };
    if asked.avatar.as_ref().is_some_and(|avatar| avatar.len() > AVATAR_BYTES || std::str::from_utf8(avatar).is_err()) {
        return Err(Refusal::InvalidData);
    }
    let own = |feature: &Feature| feature.group.as_deref() != Some(ADMIN_PERMISSIONS);
    Ok(Member {
        avatar: asked.avatar,
        alias: named(asked.alias, ALIAS)?,
        names: named(asked.names, NAMES)?,
        surnames: named(asked.surnames, SURNAMES)?,
        settings: asked.settings.into_iter().filter(own).collect(),
        ..Member::default()
    })
}

fn apply(kept: &Member, change: &Member) -> Member {
    let merged = |kept: &Option<Bytes>, given: &Option<Bytes>| match given {
        None => kept.clone(),
        Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
    };
    Member {
        avatar: merged(&kept.avatar, &change.avatar),
        alias: merged(&kept.alias, &change.alias),
        names: merged(&kept.names, &change.names),
        surnames: merged(&kept.surnames, &change.surnames),
        ..kept.clone()
    }
}

/// MEMBER-2: what an admin may, by the owner.
fn patch_other(act: &mut Act<'_, '_>, target: &Side, asked: &Member) -> Result<(), Halt> {
    act.entitled(&[Right::Roles])?;
    let kept = act.room()?.member(act.cx, target.membership.id)?.ok_or(Refusal::MemberNotFound)?;
    let permission = |feature: &&Feature| feature.group.as_deref() == Some(ADMIN_PERMISSIONS);
    let permissions: Vec<Feature> = asked.settings.iter().filter(permission).cloned().collect();
    if permissions.is_empty() || target.membership.role != Some(MemberStatus::Admin) {
        return Err(Refusal::InvalidData.into());
    }
    let mut after = kept.clone();
    feature::merge(&mut after.settings, &permissions)?;
    let brief = Member {
        id: kept.id,
        feed_id: kept.feed_id.clone(),
        phone_id: kept.phone_id.clone(),
        update: Some(act.cx.now.0),
        settings: permissions,
        status: Some(MemberStatus::Patch),
        ..Member::default()
    };
    if after.settings == kept.settings {
        act.answer(vec![etf::encode(&brief)]);
        return Ok(());
    }
    act.put_member(target, &after)?;
    tell(act, &brief)
}

/// MEMBER-2, ROOM-17: another role; a new owner takes the place of the one that asks, who stays as admin.
fn set_role(act: &mut Act<'_, '_>, target: &Side, role: MemberStatus) -> Result<(), Halt> {
    if target.membership.role == Some(role) {
        return set_role_again(act, target, role);
    }
    let own = act.entitled(&[Right::Roles])?;
    if target.who == own.who {
        // There is exactly one owner: the place is given to somebody, not given up.
        return Err(Refusal::InvalidData.into());
    }
    let full = act.room()?.staff.len() >= proto::limits::NOTICE_MEMBERS;
    if full && target.membership.role == Some(MemberStatus::Member) {
        return Err(Refusal::Limit.into());
    }
    if role == MemberStatus::Owner {
        hand_over(act, &own, target)?;
        act.answer(Vec::new());
        return Ok(());
    }
    let member = act.set_role(target, role)?;
    tell(act, &show::face(act.cx, member)?)?;
    let action = if role == MemberStatus::Admin { Action::Promoted } else { Action::Demoted };
    act.say(&own.who, action, std::slice::from_ref(&target.who))
}

/// G-7: it has the role already. Who has handed the room over is an admin by now, so each admin has this answer.
fn set_role_again(act: &mut Act<'_, '_>, target: &Side, role: MemberStatus) -> Result<(), Halt> {
    let may = match role {
        MemberStatus::Owner => act.own_members()?.iter().any(is_staff),
        _ => act.entitled(&[Right::Roles]).map(|_| true)?,
    };
    if !may {
        return Err(Refusal::PermissionDenied.into());
    }
    let kept = act.room()?.member(act.cx, target.membership.id)?.ok_or(Refusal::MemberNotFound)?;
    act.answer(vec![etf::encode(&show::face(act.cx, kept)?)]);
    Ok(())
}

/// ROOM-17: the heir owns the room from now on.
pub(super) fn hand_over(act: &mut Act<'_, '_>, own: &Side, heir: &Side) -> Result<(), Halt> {
    act.set_role(own, MemberStatus::Admin)?;
    let member = act.set_role(heir, MemberStatus::Owner)?;
    let shown = show::face(act.cx, member)?;
    let seq = act.cx.id()?;
    let seen = act.seen_after();
    act.tell_room(seq, &shown, None, seen)?;
    act.put_row()?;
    act.say(&own.who, Action::Owner, std::slice::from_ref(&heir.who))
}

/// "→ room", as the answer.
fn tell(act: &mut Act<'_, '_>, record: &Member) -> Result<(), Halt> {
    let seq = act.cx.id()?;
    let seen = act.seen_after();
    act.tell_room(seq, record, None, seen)?;
    act.answer(Vec::new());
    Ok(act.put_row()?)
}

/// MEMBER-3: one member, full; subscribers of a channel see its staff and themselves.
fn get(act: &mut Act<'_, '_>, own: &Side, target: &Side) -> Result<(), Halt> {
    let hidden = act.row()?.room.r#type == Some(RoomType::Channel) && !is_staff(own) && !is_staff(target);
    let is_own = target.who.phone() == own.who.phone();
    let kept = act.room()?.member(act.cx, target.membership.id)?.filter(|_| !hidden || is_own);
    let kept = kept.ok_or(Refusal::MemberNotFound)?;
    let services = show::services(act.cx, &kept)?;
    let settings = match is_own {
        true => kept.settings.clone(),
        false => kept.settings.iter().filter(|one| one.group.as_deref() == Some(ADMIN_PERMISSIONS)).cloned().collect(),
    };
    let shown = is_own || presence::shows_reading(act.cx, target.who.phone())?;
    let reader = Some(records::MemberReader::Id(if shown { target.reader.reader } else { 0 }));
    let member = Member { services, settings, reader, ..show::face(act.cx, kept)? };
    act.answer(vec![etf::encode(&member)]);
    Ok(())
}
