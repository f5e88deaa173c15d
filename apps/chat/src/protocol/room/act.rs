//! One request about a room: who is in it changes here alone, row by row.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{Address, PhoneId};
use proto::limits::{CALL_MEMBERS, GROUP_MEMBERS};
use proto::records::{self, Feed, Member, MemberStatus, RoomType};

use super::Halt;
use super::add::is_public;
use crate::effects::{self, Seen};
use crate::process::conversation::{Conversation, Side};
use crate::process::room::Room;
use crate::protocol::presence::{self, Audience};
use crate::protocol::rights::Right;
use crate::protocol::search;
use crate::rows::{self, BANNED, IN_ROOM, MEMBER, MEMBER_AT, Membership, ROOM, RoomRow};
use crate::{Account, Cx, Fx, Group, Input, Seat, Who};

/// Rosters that one request may name.
pub(super) const NAMED_MAX: usize = GROUP_MEMBERS;
/// Owner and admins of a room, all of whom are listed wherever it is shown.
pub(super) const STAFF_MAX: usize = proto::limits::NOTICE_MEMBERS;
/// Rooms that a roster may be in: a session hears them all.
const ROOMS_MAX: usize = 1000;
/// Stays in one room that are remembered; of earlier ones what is still undelivered is found in the history alone.
const SPANS_MAX: usize = 16;

/// A request and the room that it is about.
pub(crate) struct Act<'a, 'c> {
    pub(crate) conversation: &'a mut Conversation,
    pub(crate) cx: &'a Cx<'c>,
    pub(crate) fx: &'a mut Fx,
    /// Who asks; nobody, when a roster is no more.
    pub(crate) who: Option<&'a Who>,
}

impl Act<'_, '_> {
    pub(crate) fn room(&self) -> Result<&Room, Refusal> {
        self.conversation.room()
    }

    /// The room as it shows itself.
    pub(crate) fn row(&self) -> Result<&RoomRow, Refusal> {
        self.room()?.row()
    }

    pub(crate) fn room_mut(&mut self) -> Result<&mut Room, Refusal> {
        self.conversation.room_mut()
    }

    /// Ends the call, if it is one.
    pub(crate) fn answer(&mut self, records: Vec<Bytes>) {
        if let Some(who) = self.who {
            effects::answer(self.fx, who, records);
        }
    }

    /// The connection that asks has had it as its answer.
    pub(crate) fn seen_by(&self) -> Seen {
        self.who.map(Seen::by).unwrap_or_default()
    }

    /// The connection that asks gets it behind its answer.
    pub(crate) fn seen_after(&self) -> Seen {
        self.who.map(Seen::after).unwrap_or_default()
    }

    pub(super) fn account(&self) -> Result<Arc<Account>, Refusal> {
        self.who.and_then(|who| who.account.clone()).ok_or(Refusal::PermissionDenied)
    }

    /// The member that asks; who is none may not.
    pub(crate) fn own(&self) -> Result<Side, Halt> {
        let own = self.conversation.own(self.cx, self.who.ok_or(Refusal::PermissionDenied)?, None)?;
        if own.membership.is_present() { Ok(own) } else { Err(Refusal::PermissionDenied.into()) }
    }

    /// The same, of one who may do all of this: of several rosters of the account in the room the first that may.
    pub(crate) fn entitled(&self, rights: &[Right]) -> Result<Side, Halt> {
        let own = self.own()?;
        let may = |side: &Side| rights.iter().all(|right| self.conversation.allows(side, *right));
        if may(&own) {
            return Ok(own);
        }
        for side in self.own_members()? {
            if may(&side) {
                return Ok(side);
            }
        }
        Err(Refusal::PermissionDenied.into())
    }

    /// The account's rosters that are in the room.
    pub(crate) fn own_members(&self) -> Result<Vec<Side>, Halt> {
        let account = self.account()?;
        let mut own = Vec::new();
        for roster in account.rosters.iter().map(|roster| account.phone.roster(*roster)) {
            own.extend(self.side(&roster)?.filter(|side| side.membership.is_present()));
        }
        Ok(own)
    }

    /// The rosters that a request names, each once; who is unknown is left out.
    pub(super) fn named<'m>(&self, members: impl IntoIterator<Item = &'m Member>) -> Result<Vec<PhoneId>, Halt> {
        let mut named: Vec<PhoneId> = Vec::new();
        for member in members {
            let name = member.phone_id.as_deref().unwrap_or_default();
            let roster = match Address::parse(name).map_err(|_| Refusal::InvalidData)? {
                Address::Full(roster) => Some(roster),
                Address::Phone(phone) => rows::default_roster(self.cx.store, &phone)?,
                Address::Roster(_) => return Err(Refusal::InvalidData.into()),
            };
            if named.len() >= NAMED_MAX {
                return Err(Refusal::Limit.into());
            }
            named.extend(roster.filter(|roster| !named.contains(roster)));
        }
        Ok(named)
    }

    /// A roster that is in the room, or was.
    pub(super) fn side(&self, roster: &PhoneId) -> Result<Option<Side>, Halt> {
        Ok(self.room()?.side(self.cx, roster)?)
    }

    pub(super) fn is_banned(&self, roster: &PhoneId) -> Result<bool, Halt> {
        Ok(self.cx.store.get(BANNED, &rows::reader_key(&self.conversation.feed, roster))?.is_some())
    }

    /// ROOM-1, ROOM-4: whether `own` may bring this roster into the room: it exists, neither has banned the other, its GROUP_ADD and
    /// the room's bans allow it, and it has not too many rooms.
    pub(super) fn may_bring(&self, own: &PhoneId, other: &PhoneId) -> Result<bool, Halt> {
        let store = self.cx.store;
        if !rows::has_roster(store, other)? || self.is_banned(other)? || has_many_rooms(self.cx, other)? {
            return Ok(false);
        }
        if own.phone() == other.phone() {
            return Ok(true);
        }
        let (ours, theirs) = (presence::relation(self.cx, own, other)?, presence::relation(self.cx, other, own)?);
        if [ours, theirs].contains(&Some(records::ContactStatus::Ban)) {
            return Ok(false);
        }
        Ok(match presence::group_add(self.cx, other.phone())? {
            Audience::Everyone => true,
            Audience::Friends => theirs == Some(records::ContactStatus::Friend),
            Audience::Nobody => false,
        })
    }

    /// Whether all members may know of one in this role: in channels the subscribers are nobody's business but the staff's (TOPIC-15).
    pub(super) fn is_seen_by_all(&self, role: MemberStatus) -> bool {
        !self.room().is_ok_and(Room::is_channel) || matches!(role, MemberStatus::Owner | MemberStatus::Admin)
    }

    /// Keeps the room's own row, changed now.
    pub(crate) fn put_row(&mut self) -> Result<(), Refusal> {
        let now = self.cx.now.0;
        let room = self.conversation.room_mut()?;
        let key = room.id.to_bytes();
        if let Some(row) = &mut room.row {
            row.room.update = Some(now);
            row.staff = room.staff.iter().filter_map(|member| member.id).collect();
            // SEARCH-6
            let shown = is_public(&row.room).then(|| row.room.name.clone()).flatten();
            if row.listed != shown {
                search::relist(self.fx, &room.id, row.listed.as_ref(), shown.as_ref());
                row.listed = shown;
            }
            self.fx.put(ROOM, key, rows::encode(row));
        }
        Ok(())
    }

    /// A roster comes in; it sees what happens behind the number `at`.
    pub(super) fn admit(&mut self, roster: &PhoneId, role: MemberStatus, at: u64) -> Result<Member, Halt> {
        let now = self.cx.now.0;
        let before = self.side(roster)?;
        let member = Member {
            id: Some(self.cx.id()?),
            feed_id: Some(Feed::from(&self.conversation.feed)),
            phone_id: Some(roster.to_bytes()),
            update: Some(now),
            status: Some(role),
            ..Member::default()
        };
        let id = member.id.unwrap_or_default();
        let reader = before.as_ref().map_or(0, |side| side.reader.reader);
        let mut spans = before.map(|side| side.membership.spans).unwrap_or_default();
        if spans.len() >= SPANS_MAX {
            spans.remove(0);
        }
        spans.push((at, 0));

        let room = self.conversation.room_mut()?;
        if reader > 0 {
            self.fx.put(rows::READ_BY, room.read_by_key(reader, id), roster.to_bytes());
        }
        if matches!(role, MemberStatus::Owner | MemberStatus::Admin) {
            room.staff.push(member.clone());
        }
        if let Some(row) = &mut room.row {
            row.members += 1;
        }
        self.fx.put(MEMBER, rows::numbered(&room.key, id), rows::encode(&member));
        self.fx.put(MEMBER_AT, Bytes::copy_from_slice(&id.to_be_bytes()), room.id.to_bytes());
        let membership = Membership { id, role: Some(role), spans, update: now };
        self.fx.put(IN_ROOM, rows::in_room_key(roster, &room.id), rows::encode(&membership));
        Ok(member)
    }

    /// A member goes; it sees nothing of what happens behind the number `at`.
    pub(super) fn expel(&mut self, side: &Side, at: u64) -> Result<Member, Halt> {
        let now = self.cx.now.0;
        let Membership { id, mut spans, .. } = side.membership.clone();
        if let Some((_, left)) = spans.last_mut() {
            *left = at;
        }
        let room = self.conversation.room_mut()?;
        room.staff.retain(|member| member.id != Some(id));
        if let Some(row) = &mut room.row {
            row.members = row.members.saturating_sub(1);
        }
        self.fx.delete(MEMBER, rows::numbered(&room.key, id));
        self.fx.delete(MEMBER_AT, Bytes::copy_from_slice(&id.to_be_bytes()));
        self.fx.delete(rows::READ_BY, room.read_by_key(side.reader.reader, id));
        let membership = Membership { id, role: Some(MemberStatus::Removed), spans, update: now };
        self.fx.put(IN_ROOM, rows::in_room_key(&side.who, &room.id), rows::encode(&membership));
        Ok(self.removed(&side.who, &membership))
    }

    /// Somebody who was a member, as a list shows him.
    pub(super) fn removed(&self, roster: &PhoneId, membership: &Membership) -> Member {
        Member {
            id: Some(membership.id),
            feed_id: Some(Feed::from(&self.conversation.feed)),
            phone_id: Some(roster.to_bytes()),
            update: Some(membership.update),
            status: Some(MemberStatus::Removed),
            ..Member::default()
        }
    }

    /// Another role for a member.
    pub(crate) fn set_role(&mut self, side: &Side, role: MemberStatus) -> Result<Member, Halt> {
        let now = self.cx.now.0;
        let id = side.membership.id;
        let kept = self.room()?.member(self.cx, id)?.ok_or(Refusal::MemberNotFound)?;
        let member = Member { status: Some(role), update: Some(now), ..kept };
        let room = self.conversation.room_mut()?;
        room.staff.retain(|member| member.id != Some(id));
        match role {
            MemberStatus::Owner => room.staff.insert(0, member.clone()),
            MemberStatus::Admin => room.staff.push(member.clone()),
            MemberStatus::Member | MemberStatus::Removed | MemberStatus::Patch => {}
        }
        self.fx.put(MEMBER, rows::numbered(&room.key, id), rows::encode(&member));
        let membership = Membership { role: Some(role), update: now, ..side.membership.clone() };
        self.fx.put(IN_ROOM, rows::in_room_key(&side.who, &room.id), rows::encode(&membership));
        Ok(member)
    }

    /// A member's own row has changed; so has what its roster shows of the room.
    pub(crate) fn put_member(&mut self, side: &Side, member: &Member) -> Result<(), Refusal> {
        let room = self.conversation.room_mut()?;
        let id = side.membership.id;
        if let Some(kept) = room.staff.iter_mut().find(|kept| kept.id == Some(id)) {
            *kept = member.clone();
        }
        self.fx.put(MEMBER, rows::numbered(&room.key, id), rows::encode(member));
        let membership = Membership { update: self.cx.now.0, ..side.membership.clone() };
        self.fx.put(IN_ROOM, rows::in_room_key(&side.who, &room.id), rows::encode(&membership));
        Ok(())
    }

    /// TOPIC-4: the roster's sessions hear the room from now on, or no more.
    pub(super) fn seat(&mut self, roster: &PhoneId) -> Result<(), Refusal> {
        let seat = Seat { room: self.room()?.id.clone(), roster: roster.clone() };
        self.fx.publish(Group::Account(roster.phone().clone()), Input::Seat(Arc::new(seat)));
        Ok(())
    }
}

/// How many a room of this kind holds.
pub(super) fn most(kind: Option<RoomType>) -> u64 {
    match kind {
        Some(RoomType::Group) | None => GROUP_MEMBERS as u64,
        Some(RoomType::Call) => CALL_MEMBERS as u64,
        Some(RoomType::Channel) => u64::MAX,
    }
}

/// Whether a roster is in as many rooms as it may, or remembers too many.
pub(super) fn has_many_rooms(cx: &Cx<'_>, roster: &PhoneId) -> Result<bool, Failure> {
    let rooms = rows::rooms(cx.store, roster)?;
    let present = rooms.values().filter(|membership| membership.is_present()).count();
    Ok(present >= ROOMS_MAX || rooms.len() >= rows::ROOMS_EVER)
}
