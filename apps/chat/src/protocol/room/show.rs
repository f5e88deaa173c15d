//! A room as somebody sees it: full and personal (ROOM-2, PROFILE-1), or from outside (ROOM-13).

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, PhoneId, RoomId};
use proto::limits::{MESSAGE_IDS, NOTICE_MEMBERS};
use proto::records::{self, Feature, Member, MessageLink, RoomStatus, RoomType};

use super::Halt;
use super::act::Act;
use super::add::is_public;
use crate::Cx;
use crate::process::conversation::Side;
use crate::process::room::Room;
use crate::protocol::history::Reach;
use crate::protocol::roster::PART_BYTES;
use crate::protocol::{contact, presence};
use crate::rows::{self, MENTION, ROSTER, RoomRow};

/// Readers of a room that are looked at for one who lets it be seen (READ_RECEIPTS).
const READERS_MAX: usize = 200;

/// ROOM-2: of a group all members, in as many records as it takes; of others as every full Room.
pub(super) fn get(act: &mut Act<'_, '_>) -> Result<(), Halt> {
    let own = act.own()?;
    let mut base = whole(act, &own, RoomStatus::Get)?;
    let row = act.row()?;
    if !is_channel(row) && !lists_all(row) {
        let members = act.room()?.first_members(act.cx, row.members as usize)?;
        (base.admins, base.members) = split(act.room()?, faces(act.cx, members)?);
    }
    for member in base.admins.iter_mut().chain(&mut base.members) {
        member.services = services(act.cx, member)?;
    }
    let parts = cut(base);
    act.answer(parts.iter().map(etf::encode).collect());
    Ok(())
}

/// One record or several, none too large; `update` is in the last one only.
fn cut(base: records::Room) -> Vec<records::Room> {
    let (update, members) = (base.update, base.members);
    let empty = records::Room { members: Vec::new(), update: None, ..base };
    let next = records::Room { id: empty.id.clone(), update: None, status: empty.status, ..records::Room::default() };
    let mut bytes = etf::length(&empty);
    let (mut part, mut parts) = (empty, Vec::new());
    for member in members {
        let size = etf::length(&member);
        if bytes + size > PART_BYTES && !part.members.is_empty() {
            parts.push(std::mem::replace(&mut part, next.clone()));
            bytes = 0;
        }
        bytes += size;
        part.members.push(member);
    }
    part.update = update;
    parts.push(part);
    parts
}

/// ROOM-13: what outsiders see of a PUBLIC room, and members of their own.
pub(super) fn info(act: &mut Act<'_, '_>) -> Result<(), Halt> {
    let row = act.row()?;
    if !is_public(&row.room) {
        act.own()?;
    }
    let shown = outside(act.row()?);
    act.answer(vec![etf::encode(&shown)]);
    Ok(())
}

/// ROOM-13's record, also for LINK-1 and SEARCH-3.
pub(crate) fn outside(row: &RoomRow) -> records::Room {
    records::Room {
        settings: counts(row).into(),
        tos_update: row.room.tos_update,
        status: Some(RoomStatus::Info),
        ..row.room.clone()
    }
}

fn counts(row: &RoomRow) -> [Feature; 2] {
    let staff = row.staff.len() as u64;
    let count = |key: &'static str, count: u64| Feature::new("CHANNEL_DATA", key, count.to_string());
    [count("SUBSCRIBERS_COUNT", row.members.saturating_sub(staff)), count("ADMINS_COUNT", staff)]
}

/// A full Room as a member has it now.
pub(super) fn whole(act: &Act<'_, '_>, own: &Side, status: RoomStatus) -> Result<records::Room, Halt> {
    Ok(seen(act.cx, act.room()?, act.row()?, own, status)?)
}

fn seen(cx: &Cx<'_>, room: &Room, row: &RoomRow, own: &Side, status: RoomStatus) -> Result<records::Room, Failure> {
    let listed = match lists_all(row) {
        true => room.first_members(cx, NOTICE_MEMBERS)?,
        false => staff_and(room, room.member(cx, own.membership.id)?),
    };
    let personal = personal(cx, room, own, own.reader.reader)?;
    let (admins, members) = split(room, faces(cx, listed)?);
    Ok(records::Room {
        admins,
        members,
        unread: personal.unread,
        mentions: personal.mentions,
        readers: personal.readers,
        last_msg: personal.last_msg,
        status: Some(status),
        ..shown(row)
    })
}

/// What it says of itself to members; with counts where not all of them are listed.
fn shown(row: &RoomRow) -> records::Room {
    let mut shown = row.room.clone();
    if !lists_all(row) {
        shown.settings.extend(counts(row));
    }
    shown
}

/// Rooms to those who have just come into them: all that is common is put together once.
pub(super) struct Lists {
    base: records::Room,
    /// Where not everybody is listed, the receiver still is.
    fresh: Vec<Member>,
}

/// `fresh` are members that came in, or changed, in this very step.
pub(super) fn lists(act: &Act<'_, '_>, fresh: &[Member]) -> Result<Lists, Halt> {
    let (cx, room, row) = (act.cx, act.room()?, act.row()?);
    let fresh = faces(cx, fresh.to_vec())?;
    let listed = match lists_all(row) {
        true => {
            let mut listed = faces(cx, room.first_members(cx, NOTICE_MEMBERS)?)?;
            listed.retain(|member| !fresh.iter().any(|fresh| fresh.id == member.id));
            listed.extend(fresh.iter().cloned());
            listed
        }
        false => faces(cx, room.staff.clone())?,
    };
    let last_msg = match room.shows_all() {
        true => act.conversation.last.map(|id| rows::message(cx.store, &room.key, id)).transpose()?.flatten(),
        false => None,
    };
    let (admins, members) = split(room, listed);
    let base = records::Room {
        admins,
        members,
        readers: vec![0, highest(cx, room, 0)?],
        last_msg: last_msg.map(link),
        ..shown(row)
    };
    Ok(Lists { base, fresh: if lists_all(row) { Vec::new() } else { fresh } })
}

impl Lists {
    pub(super) fn to(&self, roster: &PhoneId, status: RoomStatus) -> records::Room {
        let is_it = |member: &&Member| member.phone_id.as_deref() == Some(roster.as_str().as_bytes());
        let mut room = records::Room { status: Some(status), ..self.base.clone() };
        let listed = room.admins.iter().any(|member| is_it(&member));
        room.members.extend(self.fresh.iter().find(is_it).filter(|_| !listed).cloned());
        room
    }
}

/// One of a roster's rooms, full; with `since` only if it changed later, as one that the roster is out of too (PROFILE-1).
pub(crate) fn of_roster(
    cx: &Cx<'_>,
    own: &PhoneId,
    id: &RoomId,
    since: Option<u64>,
) -> Result<Option<records::Room>, Failure> {
    let since = since.unwrap_or(0);
    let room = Room::load(cx, id)?;
    let Some(side) = room.side(cx, own)? else { return Ok(None) };
    let membership = &side.membership;
    if !membership.is_present() {
        let gone = records::Room {
            id: Some(id.to_bytes()),
            update: Some(membership.update),
            status: Some(RoomStatus::Removed),
            ..records::Room::default()
        };
        return Ok(Some(gone).filter(|_| since > 0 && membership.update > since));
    }
    let Ok(row) = room.row() else { return Ok(None) };
    let update = row.room.update.unwrap_or(0).max(membership.update);
    if update <= since {
        return Ok(None);
    }
    Ok(Some(records::Room { update: Some(update), ..seen(cx, &room, row, &side, RoomStatus::Get)? }))
}

/// ROSTER-11: of a room that the roster is in only the last message, and how far it is read.
pub(crate) fn latest(cx: &Cx<'_>, own: &PhoneId, id: &RoomId) -> Result<Option<records::Room>, Failure> {
    let room = Room::load(cx, id)?;
    let Some(side) = room.side(cx, own)?.filter(|side| side.membership.is_present()) else { return Ok(None) };
    if room.row().is_err() {
        return Ok(None);
    }
    let personal = personal(cx, &room, &side, side.reader.reader)?;
    Ok(Some(records::Room {
        id: Some(id.to_bytes()),
        unread: personal.unread,
        readers: personal.readers,
        last_msg: personal.last_msg,
        status: Some(RoomStatus::LastMsg),
        ..records::Room::default()
    }))
}

/// What of a room is the receiver's alone.
pub(crate) struct Personal {
    pub(crate) unread: Option<u64>,
    pub(crate) mentions: Vec<u64>,
    pub(crate) readers: Vec<u64>,
    pub(crate) last_msg: Option<MessageLink>,
}

/// Unread messages and mentions beyond this reader, how far it and the others have read, the last message.
pub(crate) fn personal(cx: &Cx<'_>, room: &Room, own: &Side, reader: u64) -> Result<Personal, Failure> {
    let feed = FeedId::Room(room.id.clone());
    let reach = Reach::of(&feed, own);
    let joined = own.membership.spans.last().map_or(0, |(joined, _)| *joined);
    let read = reader.max(joined);
    let (last, unread) = reach.standing(cx, &own.who, read)?;
    let mentions = match last.as_ref().and_then(|last| last.id).is_some_and(|last| last > read) {
        true => mentions(cx, room, &feed, own, read)?,
        false => Vec::new(),
    };
    Ok(Personal {
        unread: Some(unread),
        mentions,
        readers: vec![reader, highest(cx, room, own.membership.id)?],
        last_msg: last.map(link),
    })
}

fn link(message: records::Message) -> MessageLink {
    MessageLink::Message(contact::brief(message))
}

/// MESSAGE-10: the latest unread ones that are still there.
fn mentions(cx: &Cx<'_>, room: &Room, feed: &FeedId, own: &Side, reader: u64) -> Result<Vec<u64>, Failure> {
    let span = rows::numbers(&rows::reader_key(feed, &own.who), reader + 1, own.sees.1).backward().limit(MESSAGE_IDS);
    let mut ids = Vec::new();
    for (key, _) in cx.store.scan(MENTION, &span)?.iter().rev() {
        let id = rows::number(key).unwrap_or_default();
        if rows::message(cx.store, &room.key, id)?.is_some() {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// How far the others have read at most, of those who let it be seen: that is one of the first two, or one is looked for among more.
fn highest(cx: &Cx<'_>, room: &Room, own: u64) -> Result<u64, Failure> {
    for most in [2, READERS_MAX] {
        let readers = room.readers(cx, 0, most)?;
        let is_all = readers.len() < most;
        for (reader, member, roster) in readers {
            if member != own && presence::shows_reading(cx, roster.phone())? {
                return Ok(reader);
            }
        }
        if is_all {
            break;
        }
    }
    Ok(0)
}

/// The members with their rosters' names and pictures, where they have not set others for this room.
pub(crate) fn faces(cx: &Cx<'_>, members: Vec<Member>) -> Result<Vec<Member>, Failure> {
    members.into_iter().map(|member| face(cx, member)).collect()
}

pub(crate) fn face(cx: &Cx<'_>, member: Member) -> Result<Member, Failure> {
    let roster = member.phone_id.as_deref().unwrap_or_default();
    let roster: records::Roster = rows::read(cx.store, ROSTER, roster)?.unwrap_or_default();
    Ok(Member {
        avatar: member.avatar.or(roster.avatar),
        names: member.names.or(roster.names),
        surnames: member.surnames.or(roster.surnames),
        settings: Vec::new(),
        ..member
    })
}

pub(crate) fn services(cx: &Cx<'_>, member: &Member) -> Result<Vec<records::Service>, Failure> {
    match member.phone_id.as_deref().map(PhoneId::parse) {
        Some(Ok(roster)) => contact::services(cx, roster.phone(), &presence::profile(cx, roster.phone())?),
        Some(Err(_)) | None => Ok(Vec::new()),
    }
}

/// Owner and admins, and the others.
fn split(room: &Room, listed: Vec<Member>) -> (Vec<Member>, Vec<Member>) {
    let place = |member: &Member| room.staff.iter().position(|staff| staff.id == member.id);
    let (mut admins, members): (Vec<Member>, Vec<Member>) =
        listed.into_iter().partition(|member| place(member).is_some());
    admins.sort_by_key(place);
    (admins, members)
}

fn staff_and(room: &Room, own: Option<Member>) -> Vec<Member> {
    let mut listed = room.staff.clone();
    listed.extend(own.filter(|own| room.staff.iter().all(|staff| staff.id != own.id)));
    listed
}

/// Groups and calls of at most 100; subscribers of a channel do not see each other.
fn lists_all(row: &RoomRow) -> bool {
    !is_channel(row) && row.members <= NOTICE_MEMBERS as u64
}

fn is_channel(row: &RoomRow) -> bool {
    row.room.r#type == Some(RoomType::Channel)
}

/// The merge key of what a roster is told of its reading in a room (DLV-9).
pub(crate) fn reading_merge(own: &PhoneId, room: &Room) -> Option<Bytes> {
    Some(rows::path(&[b"room", own.as_str().as_bytes(), room.id.as_str().as_bytes()]))
}
