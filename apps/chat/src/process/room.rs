//! A room, as its conversation holds it: what every message needs is in memory, members are read by key when they ask.

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::{Failure, Time};
use proto::Refusal;
use proto::ids::{FeedId, Phone, PhoneId, RoomId};
use proto::limits::MESSAGE_IDS;
use proto::records::{Feature, Member, MemberStatus, RoomType};

use super::conversation::Side;
use crate::protocol::Halt;
use crate::protocol::feature::{self, ROOM_SETTINGS};
use crate::protocol::rights::{self, Right};
use crate::rows::{self, IN_ROOM, MEMBER, MENTION, Membership, READ_BY, READER, ROOM, Reader, RoomRow};
use crate::{Account, Cx, Fx, Input, Tick};

/// HISTORY-4: at most once in this time.
const TELL_MS: u64 = 1000;
/// Mentions forgotten at once; the others at the next reading.
const FORGET_MAX: usize = 256;

/// A room that may not be there yet, or no more.
pub struct Room {
    pub id: RoomId,
    /// Storage key of its feed.
    pub key: Bytes,
    pub row: Option<RoomRow>,
    /// The owner, first, and the admins.
    pub staff: Vec<Member>,
    pub(crate) farthest: Farthest,
}

/// Who has read farthest, as far as the members were told (HISTORY-4). Not kept: after a restart they are told once more.
#[derive(Debug, Default)]
pub(crate) struct Farthest {
    reader: u64,
    at: Time,
    /// Told when the second is over.
    due: Option<(PhoneId, u64)>,
}

impl Farthest {
    /// Whether the members are told now; if it is too soon, the farthest is told later.
    pub(crate) fn is_to_tell(&mut self, cx: &Cx<'_>, fx: &mut Fx, own: &Side, reader: u64) -> bool {
        if !own.membership.is_present() || reader <= self.reader {
            return false;
        }
        self.reader = reader;
        if cx.now.since(self.at) >= TELL_MS && self.due.is_none() {
            self.at = cx.now;
            return true;
        }
        if self.due.replace((own.who.clone(), reader)).is_none() {
            fx.timer(self.at + TELL_MS, Input::Tick(Tick::ReaderDue));
        }
        false
    }

    /// The second is over.
    pub(crate) fn due(&mut self, cx: &Cx<'_>) -> Option<(PhoneId, u64)> {
        self.at = cx.now;
        self.due.take()
    }
}

impl Room {
    pub fn load(cx: &Cx<'_>, id: &RoomId) -> Result<Room, Failure> {
        let key = FeedId::Room(id.clone()).key();
        let row: Option<RoomRow> = rows::read(cx.store, ROOM, id.as_str().as_bytes())?;
        let mut staff = Vec::new();
        for member in row.iter().flat_map(|row| &row.staff) {
            staff.extend(rows::read::<Member>(cx.store, MEMBER, &rows::numbered(&key, *member))?);
        }
        Ok(Room { id: id.clone(), key, row, staff, farthest: Farthest::default() })
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.ended != 0)
    }

    /// The room, if there is one.
    pub(crate) fn row(&self) -> Result<&RoomRow, Refusal> {
        self.row.as_ref().filter(|row| row.ended == 0).ok_or(Refusal::RoomNotFound)
    }

    /// Subscribers of a channel do not see each other.
    pub(crate) fn is_channel(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.room.r#type == Some(RoomType::Channel))
    }

    /// The accounts of owner and admins, each once.
    pub(crate) fn staff_accounts(&self) -> BTreeSet<Phone> {
        let rosters = self.staff.iter().filter_map(|member| PhoneId::parse(member.phone_id.as_deref()?).ok());
        rosters.map(|roster| roster.phone().clone()).collect()
    }

    /// The member that asks, or who was one: the roster named, else that of the account's rosters which is in the room.
    pub(crate) fn own(&self, cx: &Cx<'_>, account: &Account, named: Option<&Bytes>) -> Result<Side, Halt> {
        self.row()?;
        let named = named.map(|name| account.roster(name).ok_or(Refusal::PermissionDenied)).transpose()?;
        let mine = account.rosters.iter().map(|roster| account.phone.roster(*roster));
        let mut past = None;
        for who in mine.filter(|who| named.as_ref().is_none_or(|named| who == named)) {
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
            is_there: true,
        }))
    }

    /// Somebody who is a member now.
    pub(crate) fn member(&self, cx: &Cx<'_>, id: u64) -> Result<Option<Member>, Failure> {
        match self.staff.iter().find(|member| member.id == Some(id)) {
            Some(member) => Ok(Some(member.clone())),
            None => rows::read(cx.store, MEMBER, &rows::numbered(&self.key, id)),
        }
    }

    /// The longest-serving members, in joining order.
    pub(crate) fn first_members(&self, cx: &Cx<'_>, count: usize) -> Result<Vec<Member>, Failure> {
        let rows = cx.store.scan(MEMBER, &rows::numbers(&self.key, 0, u64::MAX).limit(count))?;
        rows.iter().map(|(_, row)| rows::decode(row)).collect()
    }

    /// HISTORY_VISIBLE: whether newcomers see what was before them.
    pub(crate) fn shows_all(&self) -> bool {
        self.row.as_ref().is_some_and(|row| shows_all(row.room.r#type, &row.room.settings))
    }

    /// HISTORY-14: from the joining on, or all; up to the leaving.
    fn visible(&self, membership: &Membership) -> (u64, u64) {
        let (joined, left) = membership.spans.last().copied().unwrap_or_default();
        let upto = if left == 0 { u64::MAX } else { left };
        if self.shows_all() { (0, upto) } else { (joined, upto) }
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
    pub(crate) fn put_reader(&self, fx: &mut Fx, own: &Side, reader: Reader) {
        if own.membership.is_present() && reader.reader != own.reader.reader {
            fx.delete(READ_BY, self.read_by_key(own.reader.reader, own.membership.id));
            fx.put(READ_BY, self.read_by_key(reader.reader, own.membership.id), own.who.to_bytes());
        }
    }

    /// Members who have read up to `from` or farther, those who have read farthest first: reader, member id, roster.
    pub(crate) fn readers(&self, cx: &Cx<'_>, from: u64, count: usize) -> Result<Vec<(u64, u64, PhoneId)>, Failure> {
        let span = rows::numbers(&self.key, from, u64::MAX).backward().limit(count);
        let rows = cx.store.scan(READ_BY, &span)?.into_iter();
        let readers = rows.filter_map(|(key, roster)| {
            Some((Room::read_of(&key), rows::number(&key)?, PhoneId::parse(&roster).ok()?))
        });
        Ok(readers.collect())
    }

    /// MESSAGE-10: those of the ids that are members', and whose; each once.
    pub(crate) fn mentioned(&self, cx: &Cx<'_>, ids: &[u64]) -> Result<Vec<(u64, PhoneId)>, Failure> {
        let mut found: Vec<(u64, PhoneId)> = Vec::new();
        for id in ids.iter().take(MESSAGE_IDS) {
            let member = self.member(cx, *id)?.filter(|_| found.iter().all(|(known, _)| known != id));
            if let Some(Ok(roster)) = member.and_then(|member| member.phone_id).map(|name| PhoneId::parse(&name)) {
                found.push((*id, roster));
            }
        }
        Ok(found)
    }

    /// The message is to be found by those whom it mentions.
    pub(crate) fn put_mentions(&self, fx: &mut Fx, mentioned: &[(u64, PhoneId)], id: u64) {
        let feed = FeedId::Room(self.id.clone());
        for (_, roster) in mentioned {
            fx.put(MENTION, rows::hidden_key(&feed, roster, id), Bytes::new());
        }
    }

    /// MESSAGE-6: the message mentions these members instead. Who has read it already is not sent back to it.
    pub(crate) fn move_mentions(
        &self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        before: &[u64],
        mentioned: &[(u64, PhoneId)],
        id: u64,
    ) -> Result<(), Failure> {
        let feed = FeedId::Room(self.id.clone());
        for (_, roster) in self.mentioned(cx, before)?.iter().filter(|gone| !mentioned.contains(gone)) {
            fx.delete(MENTION, rows::hidden_key(&feed, roster, id));
        }
        for new in mentioned.iter().filter(|(member, _)| !before.contains(member)) {
            let reader: Reader = rows::read(cx.store, READER, &rows::reader_key(&feed, &new.1))?.unwrap_or_default();
            if reader.reader < id {
                self.put_mentions(fx, std::slice::from_ref(new), id);
            }
        }
        Ok(())
    }

    /// What is read need not be found any more; the oldest go first.
    pub(crate) fn forget_mentions(&self, cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, reader: u64) -> Result<(), Failure> {
        let prefix = rows::reader_key(&FeedId::Room(self.id.clone()), own);
        for (key, _) in cx.store.scan(MENTION, &rows::numbers(&prefix, 0, reader).limit(FORGET_MAX))? {
            fx.delete(MENTION, key);
        }
        Ok(())
    }

    pub(crate) fn read_by_key(&self, reader: u64, member: u64) -> Bytes {
        rows::numbered(&rows::numbered(&self.key, reader), member)
    }

    /// The reader in a key of [`READ_BY`].
    pub(crate) fn read_of(key: &[u8]) -> u64 {
        // `reader` NUL `member id` at the end.
        let end = key.len().saturating_sub(size_of::<u64>() + 1);
        key.get(..end).and_then(rows::number).unwrap_or_default()
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
