//! ROOM (SPEC 6.11): groups, channels and calls. Who is in a room, with which role; what it shows of itself; how it ends.

mod act;
mod add;
mod create;
mod end;
mod follow;
mod leave;
mod patch;
mod said;
pub(crate) mod show;

use proto::Refusal;
use proto::records::{self, RoomStatus};

pub(crate) use act::Act;
pub(crate) use add::{Entitled, join};
pub(crate) use end::erase;
pub(crate) use follow::follow;
pub(crate) use leave::depart;
pub(crate) use said::Action;

use super::Halt;
use crate::process::conversation::Conversation;
use crate::{Cx, Fx, Who};

/// ROOM-1 to 20, by status.
pub(crate) fn call(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    asked: records::Room,
) -> Result<(), Halt> {
    let mut act = Act { conversation, cx, fx, who: Some(who) };
    match asked.status {
        Some(RoomStatus::Create) => create::create(&mut act, asked),
        Some(RoomStatus::Get) => show::get(&mut act),
        Some(RoomStatus::Patch | RoomStatus::Settings) => patch::patch(&mut act, asked),
        Some(RoomStatus::Add) => add::add(&mut act, &asked),
        Some(RoomStatus::Join) => join(&mut act, &asked, Entitled::ByRoom),
        Some(RoomStatus::Remove) => leave::remove(&mut act, &asked),
        Some(RoomStatus::Leave) => leave::leave(&mut act, &asked),
        Some(RoomStatus::Delete) => end::delete(&mut act),
        Some(RoomStatus::Mute) => patch::mute(&mut act, RoomStatus::Mute),
        Some(RoomStatus::Unmute) => patch::mute(&mut act, RoomStatus::Unmute),
        Some(RoomStatus::Ban) => leave::ban(&mut act, &asked),
        Some(RoomStatus::Unban) => leave::unban(&mut act, &asked),
        Some(RoomStatus::Info) => show::info(&mut act),
        // ROOM-19
        Some(RoomStatus::Voice | RoomStatus::Video) => Err(Refusal::NotSupported.into()),
        // ROOM-14, 15, 20: what only the server says, and what nobody does.
        Some(RoomStatus::Removed | RoomStatus::Joined | RoomStatus::LastMsg) | None => Err(Refusal::InvalidData.into()),
    }
}
