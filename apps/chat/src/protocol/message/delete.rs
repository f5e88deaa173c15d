//! MESSAGE-7: what was said is taken back, for everyone or for one; and what is remembered of it (DLV-5).

use bytes::Bytes;
use n2o::Failure;
use proto::records::{Io, Message, MessageStatus, SeenBy, Several};
use proto::{Outcome, Refusal};

use super::{Halt, accepted, cdr, change, is_authors, kinds, reply};
use crate::effects::{Seen, answer, notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::protocol::history::{self, Reach};
use crate::protocol::rights::Right;
use crate::protocol::{favorite, later};
use crate::rows::{self, Chore, HIDDEN, Later, MESSAGE};
use crate::{Cx, Fx, Who};

/// Repeats of a message that is gone are known for so long (DLV-5).
const DUPLICATE_MS: u64 = 30 * 24 * 3600 * 1000;

/// MESSAGE-7: for everyone, or for me.
pub(super) fn delete(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    let id = message.id.ok_or(Refusal::InvalidData)?;
    let stored: Message =
        rows::read(cx.store, MESSAGE, &rows::numbered(&conversation.key, id))?.ok_or(Refusal::MessageNotFound)?;
    match &message.seenby[..] {
        [] => delete_for_everyone(conversation, cx, fx, who, own, &message, stored),
        [SeenBy::Phone(me)] if me[..] == *own.who.as_str().as_bytes() => {
            delete_for_me(conversation, cx, fx, who, own, &message, stored)
        }
        _ => Err(Refusal::PermissionDenied.into()),
    }
}

/// The content goes at once from everywhere; a stone stays, so that repeats succeed.
fn delete_for_everyone(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &Message,
    stored: Message,
) -> Result<(), Halt> {
    if !is_authors(&stored, own) && !conversation.allows(own, Right::DeleteOthers) {
        return Err(Refusal::PermissionDenied.into());
    }
    let id = stored.id.ok_or(Refusal::MessageNotFound)?;
    answer(fx, who, vec![deleted(request, id)]);
    match rows::is_kept(&stored) {
        true => Ok(erase(conversation, cx, fx, id, stored, Some(who))?),
        false => Ok(()),
    }
}

/// The content of a message goes, and whatever names it; all are told. A pending one goes when its day is over, caused by nobody.
pub(super) fn erase(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    id: u64,
    stored: Message,
    who: Option<&Who>,
) -> Result<(), Failure> {
    kinds::leave(fx, &conversation.key, id, &stored);
    reply::withdrawn(fx, &conversation.key, &stored);
    forget_later(conversation, fx, id, cx.now.0, &stored);
    let stone = Message {
        id: Some(id),
        feed_id: stored.feed_id,
        msg_id: stored.msg_id,
        from: stored.from,
        to: stored.to,
        created: stored.created,
        status: Some(MessageStatus::Delete),
        ..Message::default()
    };
    let seq = change(conversation, cx, fx, id, rows::encode(&stone), stone.status)?;
    favorite::erase(conversation, cx, fx, id)?;
    if conversation.last == Some(id) {
        conversation.last = history::last_kept(cx, &conversation.key, id - 1)?;
    }
    let shown = Message { created: None, ..stone };
    conversation.post(fx, &shown, seq, id, rows::encode(&shown), who);
    Ok(())
}

/// DLV-5: the message is gone at this time; for 30 days more its repeats are known.
pub(crate) fn forget_later(conversation: &Conversation, fx: &mut Fx, id: u64, gone: u64, stored: &Message) {
    let author = stored.from.as_deref().unwrap_or_default();
    let by_id = stored.msg_id.as_ref().map(|msg_id| rows::duplicate_key(&conversation.key, author, msg_id));
    let by_call = cdr::call_id(stored).ok().flatten();
    let by_call = by_call.map(|call| rows::duplicate_key(&conversation.key, cdr::AUTHOR, &call));
    let keys = by_id.into_iter().chain(by_call).collect();
    later::enter(fx, &conversation.key, gone + DUPLICATE_MS, id, &Later { chore: Chore::Forget, keys });
}

/// Ack when the request has a msg_id, else `ok(deleted, I)`.
fn deleted(request: &Message, id: u64) -> Bytes {
    match request.msg_id.as_ref().filter(|msg_id| !msg_id.is_empty()) {
        Some(msg_id) => accepted(msg_id),
        None => etf::encode(&Io::ok_src(Outcome::Deleted, etf::Term::int(id as i64))),
    }
}

/// Hidden for this roster; the others keep it.
fn delete_for_me(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &Message,
    stored: Message,
) -> Result<(), Halt> {
    let id = stored.id.ok_or(Refusal::MessageNotFound)?;
    let gone = !rows::is_kept(&stored) || !Reach::of(cx, &conversation.feed, own)?.sees(cx, id)?;
    answer(fx, who, vec![deleted(request, id)]);
    if gone {
        return Ok(());
    }
    fx.put(HIDDEN, rows::hidden_key(&conversation.feed, &own.who, id), Bytes::new());
    let news = Message {
        id: Some(id),
        msg_id: stored.msg_id,
        feed_id: stored.feed_id,
        from: stored.from,
        to: stored.to,
        seenby: Several(vec![SeenBy::Phone(own.who.to_bytes())]),
        status: Some(MessageStatus::Delete),
        ..Message::default()
    };
    notify(fx, cx, own.who.phone(), &ses(cx, &own.who)?, &news, None, Seen::after(who))?;
    Ok(())
}
