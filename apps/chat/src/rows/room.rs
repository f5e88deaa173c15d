//! Rooms: members, what they are told, and how rooms are found.

use bytes::Bytes;
use etf::Record;
use kvs::{Span, Table, View};
use n2o::Failure;
use proto::ids::{PhoneId, RoomId};
use proto::records::{MemberStatus, Room};
use std::collections::BTreeMap;

use super::{decode, path};

/// room id → [`RoomRow`]. Writer: conversation of the room; so are the writers of all below that begin with a room or name one.
pub const ROOM: Table = Table("room");
/// feed NUL member id → `Member`, of those who are members now, in joining order.
pub const MEMBER: Table = Table("member");
/// member id → room id, of those who are members now.
pub const MEMBER_AT: Table = Table("member_at");
/// phone_id/room id → [`Membership`], also when it has ended: the rooms of a roster are one range.
pub const IN_ROOM: Table = Table("in_room");
/// feed NUL phone_id → empty: banned from the room (ROOM-11).
pub const BANNED: Table = Table("banned");
/// feed NUL seq → [`News`] of a room: what its members' devices are told besides messages, once for all.
pub const NEWS: Table = Table("news");
/// feed NUL reader NUL member id → phone_id: who has read a room how far, in the order of that.
pub const READ_BY: Table = Table("read_by");
/// feed NUL phone_id NUL id → empty: an unread message that mentions a member (MESSAGE-10).
pub const MENTION: Table = Table("mention");
/// folded name of a link → [`Claim`], void unless the room lists it (LINK-3). Writer: links.
pub const LINK: Table = Table("link");
/// folded name of a PUBLIC room from any of its words on, NUL room id → whether that is all of it (SEARCH-6). Writer: the room.
pub const ROOM_NAME: Table = Table("room_name");

/// A room, without lists of members.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct RoomRow {
    /// What it shows of itself; links too. Personal fields and lists are empty.
    pub room: Room,
    /// How many are in it, owner and admins included.
    pub members: u64,
    /// Member ids of the owner, first, and of the admins.
    pub staff: Vec<u64>,
    /// How many rows of [`NEWS`] and [`BANNED`] it has.
    pub news: u64,
    pub banned: u64,
    /// When it ended, while it is being erased (ROOM-8): for everybody it is gone already. 0 = it is there.
    pub ended: u64,
    /// The name by which [`ROOM_NAME`] has it, while it is PUBLIC.
    pub listed: Option<Bytes>,
}

/// Which room has asked for a link's name, and when. That it has the link, the room's own row says.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Claim {
    pub room: Bytes,
    pub since: u64,
}

/// A roster's part in a room.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Membership {
    /// Its present `Member`, or the last one.
    pub id: u64,
    /// Owner, admin, member, or removed.
    pub role: Option<MemberStatus>,
    /// When it was in the room, by numbers of the feed: behind the first, up to the second; 0 = still. The latest last.
    pub spans: Vec<(u64, u64)>,
    /// Time of the last change, for the delta of PROFILE-1.
    pub update: u64,
}

impl Membership {
    pub fn is_present(&self) -> bool {
        matches!(self.role, Some(MemberStatus::Owner | MemberStatus::Admin | MemberStatus::Member))
    }
}

/// A durable notice to all members of a room (DLV-1), as an entry of its feed.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct News {
    /// Milliseconds: it is kept for so long (DLV-10).
    pub created: u64,
    pub payload: Bytes,
    /// Newer ones with the same key replace older unsent ones (DLV-9).
    pub merge: Option<Bytes>,
}

pub fn in_room_key(who: &PhoneId, room: &RoomId) -> Bytes {
    path(&[who.as_str().as_bytes(), room.as_str().as_bytes()])
}

/// Rooms that a roster is in or was in: who has so many comes into no other.
pub const ROOMS_EVER: usize = 4096;

/// The rooms that a roster is in, or was.
pub fn rooms(store: &dyn View, roster: &PhoneId) -> Result<BTreeMap<RoomId, Membership>, Failure> {
    let prefix = path(&[roster.as_str().as_bytes(), b""]);
    let mut rooms = BTreeMap::new();
    for (key, row) in store.scan(IN_ROOM, &Span::prefix(prefix.clone()).limit(ROOMS_EVER))? {
        if let Ok(room) = RoomId::parse(key.get(prefix.len()..).unwrap_or_default()) {
            rooms.insert(room, decode(&row)?);
        }
    }
    Ok(rooms)
}
