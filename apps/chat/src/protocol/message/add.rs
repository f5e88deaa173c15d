//! MESSAGE-13: what belongs to a message and comes later: a translation, a transcript, the preview of a link.

use proto::Refusal;
use proto::limits::DESCS;
use proto::records::{Desc, Message, MessageStatus};

use super::{Halt, Turn, cdr, change, given, row_of, sealed};
use crate::protocol::{ftp, history};
use crate::rows;

/// MESSAGE-13: parts are appended, or take the place of those with the same id.
pub(super) fn add(turn: &mut Turn<'_, '_>, message: Message) -> Result<(), Halt> {
    let id = message.id.ok_or(Refusal::InvalidData)?;
    if !(1..=DESCS).contains(&message.files.len()) {
        return Err(Refusal::InvalidData.into());
    }
    let gone = |stored: &Message| rows::is_pending(stored) || rows::is_skeleton(stored);
    let stored = turn.stored(id)?.filter(|stored| !gone(stored)).ok_or(Refusal::MessageNotFound)?;
    if !turn.who.is_service() {
        if !turn.wrote(&stored) {
            return Err(Refusal::PermissionDenied.into());
        }
        turn.conversation.may_post(turn.cx, &turn.own)?;
    }
    sealed::check(turn, &message)?;
    ftp::check(turn, &message)?;
    let files = joined(&stored.files, message.files)?;
    let shown = Message { status: Some(MessageStatus::Update), files, ..stored.clone() };
    if shown.files == stored.files {
        // As the first time: it is the notice of that.
        let shown = history::whole(turn.conversation, turn.cx, shown)?;
        turn.answer(vec![rows::encode(&shown)]);
        return Ok(());
    }
    let call = cdr::key(turn, id, &shown)?;
    let row = row_of(turn.chat, &Message { status: None, ..shown.clone() })?;

    ftp::leave(turn.cx, turn.fx, &turn.conversation.key, id, &stored)?;
    ftp::enter(turn.fx, &turn.conversation.key, id, &shown);
    cdr::enter(turn, id, &stored, call);
    let seq = change(turn.conversation, turn.cx, turn.fx, id, row, shown.status)?;
    let shown = history::whole(turn.conversation, turn.cx, shown)?;
    turn.conversation.post(turn.fx, &shown, seq, id, rows::encode(&shown), Some(turn.who));
    turn.answer(Vec::new());
    Ok(())
}

/// The parts of a message with what is added. Each new one belongs to a part, and only what was added before is replaced: what the
/// author wrote is changed by an edit, which is marked.
fn joined(parts: &[Desc], more: Vec<Desc>) -> Result<Vec<Desc>, Refusal> {
    let mut parts = parts.to_vec();
    for new in more {
        let parent = given(&new.parentid).ok_or(Refusal::InvalidData)?;
        let id = given(&new.id);
        if id == Some(parent) || !parts.iter().any(|part| given(&part.id) == Some(parent)) {
            return Err(Refusal::InvalidData);
        }
        match parts.iter_mut().find(|part| id.is_some() && given(&part.id) == id) {
            Some(part) if given(&part.parentid).is_none() => return Err(Refusal::InvalidData),
            Some(part) => *part = new,
            None => parts.push(new),
        }
    }
    match parts.len() > DESCS {
        true => Err(Refusal::InvalidData),
        false => Ok(parts),
    }
}
