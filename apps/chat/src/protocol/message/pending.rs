//! MESSAGE-4, 5: a message that is announced before its content is there.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::records::{Mark, Message, MessageStatus};

use super::{Halt, accepted, change, check_files, check_size, duplicate, erase, is_authors};
use crate::effects::answer;
use crate::process::conversation::{Conversation, Side};
use crate::protocol::{history, later};
use crate::rows::{self, Chore, DUPLICATE, Later, Sent};
use crate::{Chat, Cx, Fx, Who};

/// MESSAGE-4: not completed for so long, it is withdrawn.
const PENDING_MS: u64 = 24 * 3600 * 1000;

/// MESSAGE-4: it was announced.
pub(super) fn announced(conversation: &Conversation, fx: &mut Fx, id: u64, now: u64) {
    let later = Later { chore: Chore::Withdraw, keys: Vec::new() };
    later::enter(fx, &conversation.key, now + PENDING_MS, id, &later);
}

/// MESSAGE-5: the announced message that this one completes, if it does.
pub(super) fn find(
    conversation: &Conversation,
    cx: &Cx<'_>,
    own: &Side,
    message: &Message,
) -> Result<Option<Message>, Failure> {
    let Some(stored) = named(conversation, cx, own, message)? else { return Ok(None) };
    Ok(Some(stored).filter(|stored| rows::is_pending(stored) && is_authors(stored, own)))
}

/// By number, or by the client's own id.
fn named(conversation: &Conversation, cx: &Cx<'_>, own: &Side, message: &Message) -> Result<Option<Message>, Failure> {
    let msg_id = message.msg_id.as_ref().filter(|msg_id| !msg_id.is_empty());
    let id = match (message.id, msg_id) {
        (Some(id), _) => Some(id),
        (None, Some(msg_id)) => {
            rows::read(cx.store, DUPLICATE, &duplicate(conversation, own, msg_id))?.map(|sent: Sent| sent.id)
        }
        (None, None) => None,
    };
    let Some(id) = id else { return Ok(None) };
    let stored = rows::message(cx.store, &conversation.key, id)?;
    Ok(stored.filter(|stored| msg_id.is_none() || stored.msg_id.as_ref() == msg_id))
}

/// MESSAGE-5: its content is there, and it is a message like any other, in the place where it was announced.
pub(super) fn complete(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    message: Message,
    stored: Message,
) -> Result<(), Halt> {
    check_files(&message, stored.r#type.contains(&Mark::Forward))?;
    let id = stored.id.ok_or(Refusal::MessageNotFound)?;
    let announced = stored.created.map_or(0, |created| created.0);
    let acks = acks(&message);
    let kept = Message { files: message.files, created: Some(cx.now.0.into()), status: None, ..stored };
    let row = check_size(chat, &kept)?;

    later::cancel(fx, &conversation.key, announced + PENDING_MS, id, Chore::Withdraw);
    history::kinds::enter(fx, &conversation.key, id, &kept);
    let seq = change(conversation, cx, fx, id, row.clone(), None)?;
    answer(fx, who, acks);
    conversation.post(fx, &kept, seq, id, row, Some(who));
    Ok(())
}

/// D-21: `complete` is acknowledged, `update` is not.
fn acks(message: &Message) -> Vec<Bytes> {
    let acked = message.status == Some(MessageStatus::Complete);
    message.msg_id.iter().filter(|msg_id| acked && !msg_id.is_empty()).map(accepted).collect()
}

/// MESSAGE-5: `complete` for what is no longer pending: the same again is acknowledged, anything else is not found.
pub(super) fn completed(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: &Message,
) -> Result<(), Halt> {
    let stored = named(conversation, cx, own, message)?.ok_or(Refusal::MessageNotFound)?;
    if !is_authors(&stored, own) || stored.files != message.files {
        return Err(Refusal::MessageNotFound.into());
    }
    answer(fx, who, acks(message));
    Ok(())
}

/// MESSAGE-4: its day is over.
pub(crate) fn withdraw(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64) -> Result<bool, Failure> {
    match rows::message(cx.store, &conversation.key, id)?.filter(rows::is_pending) {
        Some(stored) => erase(conversation, cx, fx, id, stored, None).map(|()| true),
        None => Ok(false),
    }
}
