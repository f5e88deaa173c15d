//! What a room says of itself (ROOM-3), and what a member wants to hear of it (ROOM-9, 10).

use bytes::Bytes;
use proto::limits::ROOM_NAME;
use proto::records::{self, Desc, Feature, RoomStatus};
use proto::{Refusal, text};

use super::act::Act;
use super::said::patch_merge;
use super::{Action, Halt};
use crate::effects::{notify, ses};
use crate::protocol::feature::{self, ROOM_SETTINGS, mute as mute_feature};
use crate::protocol::rights::Right;

/// A description at most, characters.
const DESCRIPTION_CHARS: usize = 1000;
/// Terms of service at most, bytes.
const TOS_BYTES: usize = 16 * 1024;
/// Avatar parts at most, and bytes of all together.
const AVATAR_PARTS: usize = 16;
const AVATAR_BYTES: usize = 16 * 1024;

/// Settings that the server alone sets.
const CHANNEL_DATA: &[u8] = b"CHANNEL_DATA";

/// Fields of a room in normal form: absent = leave, an empty text = clear (C-5).
pub(super) struct Change {
    pub(super) name: Option<Bytes>,
    description: Option<Bytes>,
    tos: Option<Bytes>,
    data: Vec<Desc>,
    /// The list that results.
    settings: Vec<Feature>,
    /// The part of it that was asked for.
    asked: Vec<Feature>,
}

/// Whether a room may be like that, once `before` is changed as asked.
pub(super) fn check(asked: &records::Room, before: &records::Room) -> Result<Change, Refusal> {
    let name = match &asked.name {
        Some(name) => Some(text::name(name, ROOM_NAME).map_err(|_| Refusal::InvalidData)?),
        None => None,
    };
    let description = match &asked.description {
        Some(words) if !words.is_empty() => {
            Some(text::name(words, 1..=DESCRIPTION_CHARS).map_err(|_| Refusal::InvalidData)?)
        }
        other => other.clone(),
    };
    let bytes: usize = asked.data.iter().map(|part| etf::encode(part).len()).sum();
    let tos_fits = asked.tos.as_ref().is_none_or(|tos| tos.len() <= TOS_BYTES && std::str::from_utf8(tos).is_ok());
    if !tos_fits || asked.data.len() > AVATAR_PARTS || bytes > AVATAR_BYTES {
        return Err(Refusal::InvalidData);
    }
    let wanted: Vec<Feature> =
        asked.settings.iter().filter(|feature| feature.group.as_deref() != Some(CHANNEL_DATA)).cloned().collect();
    let mut settings = before.settings.clone();
    feature::merge(&mut settings, &wanted)?;
    Ok(Change { name, description, tos: asked.tos.clone(), data: asked.data.clone(), settings, asked: wanted })
}

impl Change {
    pub(super) fn apply(&self, room: &mut records::Room, now: u64) {
        let merged = |kept: &mut Option<Bytes>, given: &Option<Bytes>| {
            if let Some(text) = given {
                *kept = Some(text.clone()).filter(|text| !text.is_empty());
            }
        };
        merged(&mut room.name, &self.name);
        merged(&mut room.description, &self.description);
        if self.tos.as_ref().is_some_and(|tos| room.tos.as_ref() != Some(tos)) {
            room.tos_update = Some(now);
        }
        merged(&mut room.tos, &self.tos);
        if !self.data.is_empty() {
            room.data.clone_from(&self.data);
        }
        room.settings.clone_from(&self.settings);
    }

    /// HISTORY_VISIBLE and REQUIRE_CMS are a right of their own.
    fn is_of_history(&self) -> bool {
        let keys = [&b"HISTORY_VISIBLE"[..], b"REQUIRE_CMS"];
        self.asked.iter().any(|feature| keys.iter().any(|key| feature.is(ROOM_SETTINGS, key)))
    }
}

/// ROOM-3.
pub(super) fn patch(act: &mut Act<'_, '_>, asked: records::Room) -> Result<(), Halt> {
    let mut own = act.entitled(&[Right::Info])?;
    let before = act.row()?.room.clone();
    let change = check(&asked, &before)?;
    if change.is_of_history() {
        own = act.entitled(&[Right::Info, Right::History])?;
    }

    let now = act.cx.now.0;
    let mut after = before.clone();
    change.apply(&mut after, now);
    let is_changed = after != before;
    let brief = records::Room {
        id: before.id.clone(),
        name: change.name.clone(),
        description: change.description.clone(),
        settings: change.asked.clone(),
        data: change.data.clone(),
        tos: change.tos.clone(),
        tos_update: after.tos_update.filter(|_| change.tos.is_some()).or(Some(0)),
        update: if is_changed { Some(now) } else { before.update },
        status: asked.status,
        ..records::Room::default()
    };
    if !is_changed {
        act.answer(vec![etf::encode(&brief)]);
        return Ok(());
    }
    let (renamed, pictured) = (after.name != before.name, after.data != before.data);
    if let Some(row) = &mut act.room_mut()?.row {
        row.room = after;
    }
    let seq = act.cx.id()?;
    let seen = act.seen_after();
    act.tell_room(seq, &brief, patch_merge(), seen)?;
    act.answer(Vec::new());
    act.put_row()?;
    for (action, happened) in [(Action::Renamed, renamed), (Action::Avatar, pictured)] {
        if happened {
            act.say(&own.who, action, &[])?;
        }
    }
    Ok(())
}

/// ROOM-9, ROOM-10: the own membership only; others learn nothing.
pub(super) fn mute(act: &mut Act<'_, '_>, status: RoomStatus) -> Result<(), Halt> {
    let own = act.own()?;
    let mut member = act.room()?.member(act.cx, own.membership.id)?.ok_or(Refusal::PermissionDenied)?;
    let before = member.settings.clone();
    let value = if status == RoomStatus::Mute { "true" } else { "" };
    feature::merge(&mut member.settings, &[mute_feature(value)])?;
    let news = records::Room { id: Some(act.room()?.id.to_bytes()), status: Some(status), ..records::Room::default() };
    if member.settings == before {
        act.answer(vec![etf::encode(&news)]);
        return Ok(());
    }
    act.put_member(&own, &member)?;
    let seen = act.seen_after();
    notify(act.fx, act.cx, own.who.phone(), &ses(act.cx, &own.who)?, &news, None, seen)?;
    act.answer(Vec::new());
    Ok(())
}
