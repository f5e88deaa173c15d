//! Members of an own room, a part at a time (SEARCH-7).

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId, RoomId};
use proto::records::{Member, RoomType};

use crate::Cx;
use crate::protocol::Halt;
use crate::protocol::room::show;
use crate::rows::{self, IN_ROOM, MEMBER, Membership, ROOM, RoomRow};

/// Members looked at in one step.
const SLICE: usize = 64;

/// Whether the asker is a member now.
pub(super) fn check(cx: &Cx<'_>, own: &PhoneId, room: &RoomId) -> Result<(), Halt> {
    row(cx, room)?.ok_or(Refusal::RoomNotFound)?;
    let membership: Option<Membership> = rows::read(cx.store, IN_ROOM, &rows::in_room_key(own, room))?;
    match membership.is_some_and(|membership| membership.is_present()) {
        true => Ok(()),
        false => Err(Refusal::PermissionDenied.into()),
    }
}

/// Members from the number `from` on, and where the next begin, if there are any. Subscribers of a channel do not see each other, so of
/// a channel it is owner and admins.
pub(super) fn slice(cx: &Cx<'_>, room: &RoomId, from: u64) -> Result<(Vec<Member>, Option<u64>), Failure> {
    let Some(row) = row(cx, room)? else { return Ok((Vec::new(), None)) };
    let key = FeedId::Room(room.clone()).key();
    if row.room.r#type == Some(RoomType::Channel) {
        let staff = row.staff.iter().map(|id| rows::read::<Member>(cx.store, MEMBER, &rows::numbered(&key, *id)));
        let staff = staff.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        return Ok((show::faces(cx, staff)?, None));
    }
    let found = cx.store.scan(MEMBER, &rows::numbers(&key, from, u64::MAX).limit(SLICE))?;
    let next = found.last().filter(|_| found.len() == SLICE).and_then(|(key, _)| rows::number(key));
    let members = found.iter().map(|(_, row)| rows::decode(row)).collect::<Result<_, _>>()?;
    Ok((show::faces(cx, members)?, next.map(|last| last + 1)))
}

fn row(cx: &Cx<'_>, room: &RoomId) -> Result<Option<RoomRow>, Failure> {
    let row: Option<RoomRow> = rows::read(cx.store, ROOM, room.as_str().as_bytes())?;
    Ok(row.filter(|row| row.ended == 0))
}

/// What a member is called in the room: names and surnames, or another name there.
pub(super) fn names(member: &Member) -> [String; 2] {
    let text = |part: &Option<Bytes>| part.as_ref().map(|part| String::from_utf8_lossy(part).into_owned());
    let both: Vec<String> = [text(&member.names), text(&member.surnames)].into_iter().flatten().collect();
    [both.join(" "), text(&member.alias).unwrap_or_default()]
}
