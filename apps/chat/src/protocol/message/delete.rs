//! MESSAGE-7: what was said is taken back, for everyone or for one; and what is remembered of it (DLV-5).

use bytes::Bytes;
use n2o::Failure;
use proto::records::{Io, Message, MessageStatus, SeenBy, Several};
use proto::{Outcome, Refusal};

use super::{Halt, Turn, acks, cdr, change, history, kinds, reply};
use crate::effects::{Seen, notify, ses};
use crate::process::conversation::Conversation;
use crate::protocol::rights::Right;
use crate::protocol::{favorite, ftp, later};
use crate::rows::{self, Chore, HIDDEN, Later, MESSAGE};
use crate::{Cx, Fx, Who};

/// Repeats of a message that is gone are known for so long (DLV-5).
const DUPLICATE_MS: u64 = 30 * 24 * 3600 * 1000;

/// Behind a message that goes the next one is looked for among so many.
const BESIDE: usize = 32;
const BESIDE_BYTES: usize = 1 << 20;

/// MESSAGE-7: for everyone, or for me.
pub(super) fn delete(turn: &mut Turn<'_, '_>, asked: &Message) -> Result<(), Halt> {
    let id = asked.id.ok_or(Refusal::InvalidData)?;
    // Perhaps the stone of one that was deleted before.
    let key = rows::numbered(&turn.conversation.key, id);
    let stored: Message = rows::read(turn.cx.store, MESSAGE, &key)?.ok_or(Refusal::MessageNotFound)?;
    let answer = match acks(asked) {
        acks if acks.is_empty() => vec![etf::encode(&Io::ok_src(Outcome::Deleted, etf::Term::int(id as i64)))],
        acks => acks,
    };
    match &asked.seenby[..] {
        [] => delete_for_everyone(turn, answer, id, stored),
        [SeenBy::Phone(me)] if me[..] == *turn.own.who.as_str().as_bytes() => delete_for_me(turn, answer, id, stored),
        _ => Err(Refusal::PermissionDenied.into()),
    }
}

/// The content goes at once from everywhere; a stone stays, so that repeats succeed.
fn delete_for_everyone(turn: &mut Turn<'_, '_>, answer: Vec<Bytes>, id: u64, stored: Message) -> Result<(), Halt> {
    if !turn.wrote(&stored) && !turn.conversation.allows(&turn.own, Right::DeleteOthers) {
        return Err(Refusal::PermissionDenied.into());
    }
    turn.answer(answer);
    match rows::is_kept(&stored) {
        true => {
            erase(turn.conversation, turn.cx, turn.fx, id, stored, Some(turn.who))?;
            Ok(relink(turn.conversation, turn.cx, turn.fx, &[id])?)
        }
        false => Ok(()),
    }
}

/// What follows messages that go in this step follows the one before them (PM-7).
pub(crate) fn relink(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, gone: &[u64]) -> Result<(), Failure> {
    let stored = |id: u64| rows::message(cx.store, &conversation.key, id);
    for id in gone {
        // What was deleted before is in the chain no more.
        let Some(message) = stored(*id)? else { continue };
        // Of several beside each other, behind the last.
        let Some((key, next)) = follower(conversation, cx, *id)?.filter(|(key, _)| !is_among(gone, key)) else {
            continue;
        };
        let mut prev = message.prev;
        while let Some(before) = prev.filter(|prev| gone.contains(prev)) {
            prev = stored(before)?.and_then(|message| message.prev);
        }
        fx.put(MESSAGE, key, rows::encode(&Message { prev, ..next }));
    }
    Ok(())
}

fn is_among(ids: &[u64], key: &[u8]) -> bool {
    rows::number(key).is_some_and(|id| ids.contains(&id))
}

/// The message that names this one as the one before it. Where many in between are gone it is found only if it is the last of all, which
/// is shown as it is stored: what is read of the history is linked anew.
fn follower(conversation: &Conversation, cx: &Cx<'_>, id: u64) -> Result<Option<(Bytes, Message)>, Failure> {
    let span = rows::numbers(&conversation.key, id + 1, u64::MAX).bytes(BESIDE_BYTES);
    for most in [1, BESIDE] {
        for (key, row) in cx.store.scan(MESSAGE, &span.clone().limit(most))? {
            let stored: Message = rows::decode(&row)?;
            if rows::is_kept(&stored) {
                return Ok(Some((key, stored)));
            }
        }
    }
    let Some(last) = conversation.last.filter(|last| *last > id) else { return Ok(None) };
    let found = rows::message(cx.store, &conversation.key, last)?.filter(|stored| stored.prev == Some(id));
    Ok(found.map(|stored| (rows::numbered(&conversation.key, last), stored)))
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
    ftp::leave(cx, fx, &conversation.key, id, &stored)?;
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
    let by_call = by_call.map(|call| cdr::place(&conversation.key, &call));
    let keys = by_id.into_iter().chain(by_call).collect();
    later::enter(fx, &conversation.key, gone + DUPLICATE_MS, id, &Later { chore: Chore::Forget, keys });
}

/// Hidden for this roster, which saw it; the others keep it.
fn delete_for_me(turn: &mut Turn<'_, '_>, answer: Vec<Bytes>, id: u64, stored: Message) -> Result<(), Halt> {
    if !turn.reach().holds(id) {
        return Err(Refusal::MessageNotFound.into());
    }
    let gone = !rows::is_kept(&stored) || !turn.reach().sees(turn.cx, id)?;
    turn.answer(answer);
    if gone {
        return Ok(());
    }
    let Turn { conversation, cx, fx, who, own, .. } = turn;
    fx.put(HIDDEN, rows::hidden_key(&conversation.feed, &own.who, id), Bytes::new());
    conversation.hide(fx, own);
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
