//! Rooms and their links (SPEC 6.11, 6.13).

use bytes::Bytes;
use proto::{Link, LinkStatus, Member, Record, Room, RoomStatus};

use super::{bytes, unexpected};
use crate::calls::fresh_msg_id;
use crate::{Client, Error};

impl Client {
    /// ROOM-1: makes a group. Its id is made here, so that repeating after a break makes no second one.
    pub async fn create_room(&self, name: &str, members: &[String]) -> Result<Room, Error> {
        let id = Some(fresh_msg_id()?);
        self.room_call(Room { id, name: bytes(name), members: named(members), ..of(RoomStatus::Create) }).await
    }

    /// ROOM-2: the room as the asker sees it, with all members of a group; its parts put together.
    pub async fn room(&self, id: &str) -> Result<Room, Error> {
        let answers = self.call(Room { id: bytes(id), ..of(RoomStatus::Get) }).await?;
        let parts = answers.into_iter().filter_map(|record| match record {
            Record::Room(part) => Some(*part),
            _ => None,
        });
        parts.reduce(joined).ok_or(Error::Unexpected("nothing".into()))
    }

    /// ROOM-3: another name.
    pub async fn rename_room(&self, id: &str, name: &str) -> Result<Room, Error> {
        self.room_call(Room { id: bytes(id), name: bytes(name), ..of(RoomStatus::Patch) }).await
    }

    /// ROOM-4: those that were added.
    pub async fn add_members(&self, id: &str, who: &[String]) -> Result<Room, Error> {
        self.room_call(Room { id: bytes(id), members: named(who), ..of(RoomStatus::Add) }).await
    }

    /// ROOM-4: makes members admins.
    pub async fn promote(&self, id: &str, who: &[String]) -> Result<Room, Error> {
        self.room_call(Room { id: bytes(id), admins: named(who), ..of(RoomStatus::Add) }).await
    }

    /// ROOM-5: those that were removed.
    pub async fn remove_members(&self, id: &str, who: &[String]) -> Result<Room, Error> {
        self.room_call(Room { id: bytes(id), members: named(who), ..of(RoomStatus::Remove) }).await
    }

    /// ROOM-7.
    pub async fn leave_room(&self, id: &str) -> Result<(), Error> {
        self.room_call(Room { id: bytes(id), ..of(RoomStatus::Leave) }).await.map(drop)
    }

    /// ROOM-8: the owner's; nothing of the room is left.
    pub async fn delete_room(&self, id: &str) -> Result<(), Error> {
        self.room_call(Room { id: bytes(id), ..of(RoomStatus::Delete) }).await.map(drop)
    }

    /// ROOM-9, ROOM-10: no push for this room, or again.
    pub async fn mute_room(&self, id: &str, is_muted: bool) -> Result<(), Error> {
        let status = if is_muted { RoomStatus::Mute } else { RoomStatus::Unmute };
        self.room_call(Room { id: bytes(id), ..of(status) }).await.map(drop)
    }

    /// LINK-1: the room that a link leads to, as outsiders see it.
    pub async fn linked_room(&self, link: &str) -> Result<Room, Error> {
        self.last_room(Link { id: bytes(link), status: Some(LinkStatus::Get), ..Link::default() }).await
    }

    /// LINK-2: joins by it; the room.
    pub async fn join(&self, link: &str) -> Result<Room, Error> {
        self.last_room(Link { id: bytes(link), status: Some(LinkStatus::Join), ..Link::default() }).await
    }

    /// LINK-6: a link to a room; without a name the server makes one that cannot be guessed.
    pub async fn add_link(&self, room: &str, name: Option<&str>) -> Result<Link, Error> {
        let id = name.and_then(bytes);
        let answers =
            self.call(Link { id, room_id: bytes(room), status: Some(LinkStatus::Add), ..Link::default() }).await?;
        match answers.last() {
            Some(Record::Link(link)) => Ok((**link).clone()),
            _ => Err(unexpected(&answers)),
        }
    }

    async fn room_call(&self, room: Room) -> Result<Room, Error> {
        self.last_room(room).await
    }

    async fn last_room(&self, request: impl Into<Record>) -> Result<Room, Error> {
        let answers = self.call(request).await?;
        match answers.last() {
            Some(Record::Room(room)) => Ok((**room).clone()),
            _ => Err(unexpected(&answers)),
        }
    }
}

fn of(status: RoomStatus) -> Room {
    Room { status: Some(status), ..Room::default() }
}

fn named(who: &[String]) -> Vec<Member> {
    let named = |who: &String| Member { phone_id: Some(Bytes::from(who.clone())), ..Member::default() };
    who.iter().map(named).collect()
}

/// Its lists follow each other; all else is in the first part, `update` in the last (ROOM-2).
fn joined(mut whole: Room, part: Room) -> Room {
    whole.members.extend(part.members);
    whole.admins.extend(part.admins);
    Room { update: part.update, ..whole }
}
