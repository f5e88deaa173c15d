//! A room, as its conversation holds it: what every message needs is in memory, members are read by key when they ask.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId, RoomId};
use proto::records::{Feature, Member, MemberStatus, RoomType};

use super::conversation::Side;
use crate::protocol::Halt;
use crate::protocol::feature::{self, ROOM_SETTINGS};
use crate::protocol::rights::{self, Right};
use crate::rows::{self, IN_ROOM, MEMBER, Membership, READ_BY, READER, ROOM, Reader, RoomRow};
use crate::{Account, Cx, Fx};

/// A room that may not be there yet, or no more.
pub struct Room {
    pub id: RoomId,
    /// Storage key of its feed.
    pub key: Bytes,
    pub row: Option<RoomRow>,
    /// The owner, first, and the admins.
    pub staff: Vec<Member>,
}

impl Room {
    pub fn load(cx: &Cx<'_>, id: &RoomId) -> Result<Room, Failure> {
        let key = FeedId::Room(id.clone()).key();
        let row: Option<RoomRow> = rows::read(cx.store, ROOM, id.as_str().as_bytes())?;
        let mut staff = Vec::new();
        for member in row.iter().flat_map(|row| &row.staff) {
            staff.extend(rows::read::<Member>(cx.store, MEMBER, &rows::numbered(&key, *member))?);
        }
        Ok(Room { id: id.clone(), key, row, staff })
    }

    /// The room, if there is one.
    pub(crate) fn row(&self) -> Result<&RoomRow, Refusal> {
        self.row.as_ref().filter(|row| row.ended == 0).ok_or(Refusal::RoomNotFound)
    }

    /// The member that asks, or who was one: the roster named, else that of the account's rosters which is in the room.
    pub(crate) fn own(&self, cx: &Cx<'_>, account: &Account, named: Option<&Bytes>) -> Result<Side, Halt> {
        self.row()?;
        let mine = account.rosters.iter().map(|roster| account.phone.roster(*roster));
        let mut past = None;
        for who in mine.filter(|who| named.is_none_or(|name| who.as_str().as_bytes() == &name[..])) {
            match self.side(cx, &who)? {
                Some(side) if side.membership.is_present() => return Ok(side),
                side => past = past.or(side),
            }
        }
        past.ok_or_else(|| Refusal::PermissionDenied.into())
    }

    /// A roster that is in the room, or was.
    pub(crate) fn side(&self, cx: &Cx<'_>, who: &PhoneId) -> Result<Option<Side>, Failure> {
        let membership: Option<Membership> = rows::read(cx.store, IN_ROOM, &rows::in_room_key(who, &self.id))?;
        let Some(membership) = membership else { return Ok(None) };
        let feed = FeedId::Room(self.id.clone());
        let sees = self.visible(&membership);
        Ok(Some(Side {
            who: who.clone(),
            reader: rows::read(cx.store, READER, &rows::reader_key(&feed, who))?.unwrap_or_default(),
            relation: rows::Relation::default(),
            membership,
            sees,
        }))
    }

    /// HISTORY-14: from the joining on, or all; up to the leaving.
    fn visible(&self, membership: &Membership) -> (u64, u64) {
        let (joined, left) = membership.spans.last().copied().unwrap_or_default();
        let upto = if left == 0 { u64::MAX } else { left };
        match self.row.as_ref().is_some_and(|row| shows_all(row.room.r#type, &row.room.settings)) {
            true => (0, upto),
            false => (joined, upto),
        }
    }

    /// ROOM-16.
    pub(crate) fn allows(&self, own: &Side, right: Right) -> bool {
        let Ok(row) = self.row() else { return false };
        let role = own.membership.role.unwrap_or(MemberStatus::Removed);
        let member = self.staff.iter().find(|member| member.id == Some(own.membership.id));
        let permissions = member.map(|member| member.settings.as_slice()).unwrap_or_default();
        rights::allows(&row.room, role, permissions, right)
    }

    /// Who has read how far is kept in that order as well, of those who are members.
    pub(crate) fn put_reader(&mut self, fx: &mut Fx, own: &Side, reader: Reader) {
        if own.membership.is_present() && reader.reader != own.reader.reader {
            fx.delete(READ_BY, self.read_by_key(own.reader.reader, own.membership.id));
            fx.put(READ_BY, self.read_by_key(reader.reader, own.membership.id), own.who.to_bytes());
        }
    }

    pub(crate) fn read_by_key(&self, reader: u64, member: u64) -> Bytes {
        rows::numbered(&rows::numbered(&self.key, reader), member)
    }
}

/// HISTORY_VISIBLE: in channels everything, in groups and calls from the joining on, if not said otherwise.
fn shows_all(kind: Option<RoomType>, settings: &[Feature]) -> bool {
    match feature::value(settings, ROOM_SETTINGS, b"HISTORY_VISIBLE") {
        Some(b"all") => true,
        Some(b"joined") => false,
        Some(_) | None => kind == Some(RoomType::Channel),
    }
}
