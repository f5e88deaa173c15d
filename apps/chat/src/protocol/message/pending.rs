//! MESSAGE-4, 5: a message that is announced before its content is there.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::records::{Mark, Message, MessageStatus};

use super::delete::erase;
use super::{Halt, Turn, acks, cdr, change, check_files, given, kinds, may_post, row_of, sealed, send};
use crate::process::conversation::Conversation;
use crate::protocol::{ftp, later};
use crate::rows::{self, Chore, DUPLICATE, Later, Sent};
use crate::{Cx, Fx};

/// MESSAGE-4: not completed for so long, it is withdrawn.
const PENDING_MS: u64 = 24 * 3600 * 1000;

/// MESSAGE-4: it was announced.
pub(super) fn announced(conversation: &Conversation, fx: &mut Fx, id: u64, now: u64) {
    let later = Later { chore: Chore::Withdraw, keys: Vec::new() };
    later::enter(fx, &conversation.key, now + PENDING_MS, id, &later);
}

/// MESSAGE-5: the announced message that this one completes, if it does.
pub(super) fn find(turn: &Turn<'_, '_>, message: &Message) -> Result<Option<Message>, Failure> {
    Ok(named(turn, message)?.filter(|stored| rows::is_pending(stored) && turn.is_author(stored)))
}

/// By number, or by the client's own id.
fn named(turn: &Turn<'_, '_>, message: &Message) -> Result<Option<Message>, Failure> {
    let msg_id = given(&message.msg_id);
    let id = match (message.id, msg_id) {
        (Some(id), _) => Some(id),
        (None, Some(msg_id)) => {
            rows::read(turn.cx.store, DUPLICATE, &duplicate(turn, msg_id))?.map(|sent: Sent| sent.id)
        }
        (None, None) => None,
    };
    let Some(id) = id else { return Ok(None) };
    Ok(turn.stored(id)?.filter(|stored| msg_id.is_none() || stored.msg_id.as_ref() == msg_id))
}

/// Where the number of the message is kept that this party has sent under a msg_id.
pub(super) fn duplicate(turn: &Turn<'_, '_>, msg_id: &[u8]) -> Bytes {
    rows::duplicate_key(&turn.conversation.key, turn.own.who.as_str().as_bytes(), msg_id)
}

/// MESSAGE-5: its content is there, and it is a message like any other, in the place where it was announced.
pub(super) fn complete(turn: &mut Turn<'_, '_>, message: Message, announced: Message) -> Result<(), Halt> {
    may_post(turn)?;
    check_files(&message, announced.r#type.contains(&Mark::Forward))?;
    sealed::check(turn, &message)?;
    ftp::check(turn, &message)?;
    let id = announced.id.ok_or(Refusal::MessageNotFound)?;
    let call = cdr::key(turn, id, &message)?;
    let since = announced.created.map_or(0, |created| created.0);
    // D-21: `complete` is acknowledged, `update` is not.
    let acks = if message.status == Some(MessageStatus::Complete) { acks(&message) } else { Vec::new() };
    let kept = Message { files: message.files, created: Some(turn.cx.now.0.into()), status: None, ..announced.clone() };
    let row = row_of(turn.chat, &kept)?;

    later::cancel(turn.fx, &turn.conversation.key, since + PENDING_MS, id, Chore::Withdraw);
    kinds::enter(turn.fx, &turn.conversation.key, id, &kept);
    cdr::enter(turn, id, &announced, call);
    ftp::leave(turn.cx, turn.fx, &turn.conversation.key, id, &announced)?;
    ftp::enter(turn.fx, &turn.conversation.key, id, &kept);
    let seq = change(turn.conversation, turn.cx, turn.fx, id, row.clone(), None)?;
    turn.answer(acks);
    turn.conversation.post(turn.fx, &kept, seq, id, row.clone(), Some(turn.who));
    // PUSH-1: what was announced woke nobody.
    Ok(send::wake(turn, &kept, row)?)
}

/// MESSAGE-5: `complete` for what is no longer pending: the same again is acknowledged, anything else is not found.
pub(super) fn completed(turn: &mut Turn<'_, '_>, message: &Message) -> Result<(), Halt> {
    let stored = named(turn, message)?.ok_or(Refusal::MessageNotFound)?;
    if !turn.is_author(&stored) || stored.files != message.files {
        return Err(Refusal::MessageNotFound.into());
    }
    turn.answer(acks(message));
    Ok(())
}

/// MESSAGE-5: the same `update` again (G-7), of a message whose content is there.
pub(super) fn repeated(turn: &Turn<'_, '_>, message: &Message) -> Result<Option<Message>, Failure> {
    let is_it = |stored: &Message| !message.files.is_empty() && stored.files == message.files && turn.is_author(stored);
    Ok(named(turn, message)?.filter(is_it))
}

/// MESSAGE-4: its day is over.
pub(crate) fn withdraw(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64) -> Result<bool, Failure> {
    match rows::message(cx.store, &conversation.key, id)?.filter(rows::is_pending) {
        Some(stored) => erase(conversation, cx, fx, id, stored, None).map(|()| true),
        None => Ok(false),
    }
}
