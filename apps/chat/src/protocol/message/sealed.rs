//! SEC-7: where content must be sealed, nothing else is taken. The server cannot look into an envelope; it sees that it is one.

use proto::Refusal;
use proto::records::{Desc, Mark, Message, MessageLink, MessageStatus};

use super::{Turn, cdr, given};
use crate::Chat;
use crate::protocol::feature::{self, ROOM_SETTINGS};

/// SEC-5, SEC-8: how parts that nobody but their receivers reads, and signatures, call themselves.
const ENVELOPE: &[u8] = b"application/cms";
pub(crate) const SIGNATURE: &[u8] = b"application/pkcs7-signature";

/// `not_encrypted` for a message that shows more of its content than may be seen here. What it forwards counts as well; what services
/// say in the server's name does not.
pub(super) fn check(turn: &Turn<'_, '_>, message: &Message) -> Result<(), Refusal> {
    let is_system = turn.who.is_service() && message.r#type[..] == [Mark::Sys];
    if is_system || !is_required(turn) {
        return Ok(());
    }
    let announced = message.status.and_then(MessageStatus::modern) == Some(MessageStatus::Async);
    let forwarded = match &message.link {
        Some(MessageLink::Message(original)) => original.files.as_slice(),
        Some(MessageLink::Id(_)) | None => &[],
    };
    let mut parts = message.files.iter().chain(forwarded);
    match parts.all(|part| passes(turn.chat, part, announced)) {
        true => Ok(()),
        false => Err(Refusal::NotEncrypted),
    }
}

/// By the deployment, or by the room.
fn is_required(turn: &Turn<'_, '_>) -> bool {
    let of_room = || {
        let row = turn.conversation.room().and_then(|room| room.row());
        row.is_ok_and(|row| feature::value(&row.room.settings, ROOM_SETTINGS, b"REQUIRE_CMS") == Some(b"true"))
    };
    turn.chat.settings.require_cms || of_room()
}

/// An envelope; one that is announced and not there yet; what has no content: the record of a call, the signature of another part.
fn passes(chat: &Chat, part: &Desc, announced: bool) -> bool {
    let payload = part.payload.as_deref().unwrap_or_default();
    match part.mime.as_deref() {
        Some(ENVELOPE) => (announced && payload.is_empty()) || (chat.is_sealed)(payload),
        Some(SIGNATURE) => given(&part.parentid).is_some(),
        Some(cdr::MIME) => payload.is_empty(),
        Some(_) | None => false,
    }
}
