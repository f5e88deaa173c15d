//! MESSAGE: what one writes to another. A message is written once, numbered, and due to every device of both sides until it has
//! acknowledged it.

use bytes::Bytes;
use proto::limits::{DESCS, MSG_ID_BYTES, PACKET_OVERHEAD_BYTES};
use proto::records::{Ack, Contact, ContactStatus, Container, Feed, Io, Mark, Message, MessageStatus, SeenBy, Several};
use proto::{Outcome, Refusal};

use super::history::Reach;
use super::rights::Right;
use super::{Halt, contact};
use crate::effects::{Seen, answer, contact_merge, notify, ses};
use crate::process::conversation::{Conversation, Side};
use crate::rows::{self, CHANGE, CHANGED, DUPLICATE, HIDDEN, MESSAGE, Reader, Sent};
use crate::{Chat, Cx, Fx, Who};

/// MESSAGE-1 to 17, by status.
pub(crate) fn call(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    message: Message,
) -> Result<(), Halt> {
    let own = conversation.own(cx, who, message.from.as_ref())?;
    if message.msg_id.as_ref().is_some_and(|id| id.len() > *MSG_ID_BYTES.end()) {
        return Err(Refusal::InvalidData.into());
    }
    match message.status.map(MessageStatus::modern) {
        None | Some(None) => send(conversation, chat, cx, fx, who, &own, message),
        Some(Some(MessageStatus::Edit)) => edit(conversation, chat, cx, fx, who, &own, message),
        Some(Some(MessageStatus::Delete)) => delete(conversation, cx, fx, who, &own, message),
        Some(Some(MessageStatus::Async | MessageStatus::Update | MessageStatus::Clear)) => {
            Err(Refusal::NotSupported.into())
        }
        // MESSAGE-17, and what comes only from servers (C-7)
        Some(Some(_)) => Err(Refusal::InvalidData.into()),
    }
}

/// MESSAGE-1: number it, keep it once, make it due to every device of both sides, acknowledge, show it.
fn send(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    if message.id.is_some() || !(1..=DESCS).contains(&message.files.len()) {
        return Err(Refusal::InvalidData.into());
    }
    if !message.r#type.is_empty() || message.link.is_some() {
        // MESSAGE-8, 9: not in this version; other marks are the server's.
        let known = message.r#type.iter().all(|mark| matches!(mark, Mark::Reply | Mark::Forward));
        return Err(if known { Refusal::NotSupported } else { Refusal::InvalidData }.into());
    }
    let acquainted = conversation.may_post(cx, own)?;
    let given = message.msg_id.clone().filter(|id| !id.is_empty());
    if let Some(msg_id) = &given
        && let Some(sent) = rows::read::<Sent>(cx.store, DUPLICATE, &duplicate(conversation, own, msg_id))?
    {
        return repeat(conversation, cx, fx, who, msg_id, sent.id);
    }

    let id = cx.id()?;
    let msg_id = given.clone().unwrap_or_else(|| format!("srv-{id}").into());
    let kept = Message {
        id: Some(id),
        container: Some(Container::Chain),
        feed_id: Some(Feed::from(&conversation.feed)),
        prev: conversation.last,
        msg_id: Some(msg_id),
        from: Some(own.who.to_bytes()),
        to: Some(conversation.to(own)),
        created: Some(cx.now.0.into()),
        files: message.files,
        ..Message::default()
    };
    let payload = rows::encode(&kept);
    if payload.len() > chat.settings.packet_max - PACKET_OVERHEAD_BYTES {
        return Err(Refusal::TooLarge.into());
    }

    if !acquainted {
        acquaint(conversation, cx, fx)?;
    }
    fx.put(MESSAGE, rows::numbered(&conversation.key, id), payload.clone());
    if let Some(msg_id) = &given {
        let sent = Sent { id, client: Bytes::copy_from_slice(who.session.as_bytes()) };
        fx.put(DUPLICATE, duplicate(conversation, own, msg_id), rows::encode(&sent));
    }
    conversation.last = Some(id);
    // The sender has read what it wrote.
    conversation.put_reader(fx, own, Reader { reader: id, ..own.reader });
    answer(fx, who, given.iter().map(accepted).collect());
    conversation.post(fx, &kept, id, id, payload, who);
    Ok(())
}

/// MESSAGE-2: from now on it survives a crash.
fn accepted(msg_id: &Bytes) -> Bytes {
    etf::encode(&Ack { id: Some(msg_id.clone()), ..Ack::default() })
}

fn duplicate(conversation: &Conversation, own: &Side, msg_id: &[u8]) -> Bytes {
    rows::duplicate_key(&conversation.key, own.who.as_str().as_bytes(), msg_id)
}

/// The same message again: the Ack, and the stored one for this client only; the first content wins.
fn repeat(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    msg_id: &Bytes,
    id: u64,
) -> Result<(), Halt> {
    let stored = cx.store.get(MESSAGE, &rows::numbered(&conversation.key, id))?;
    answer(fx, who, std::iter::once(accepted(msg_id)).chain(stored).collect());
    Ok(())
}

/// P2P_FROM=everyone: both sides get each other as contact `internal`, if absent.
fn acquaint(conversation: &mut Conversation, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Halt> {
    for side in conversation.sides().to_vec() {
        if side.relation.status.is_some() {
            continue;
        }
        let other = conversation.other(&side).who.clone();
        let mut relation = side.relation.clone();
        relation.status = Some(ContactStatus::Internal);
        (relation.created, relation.update) = (cx.now.0, cx.now.0);
        let news: Contact = contact::seen(cx, &side.who, &other, Some(&relation), None)?;
        let merge = contact_merge(&side.who, other.as_str().as_bytes());
        notify(fx, cx, side.who.phone(), &ses(cx, &side.who)?, &news, merge, Seen::ByNobody)?;
        if let Some(kept) = conversation.side(&side.who) {
            kept.relation = relation;
            let kept = kept.clone();
            conversation.put_relation(fx, &kept);
        }
    }
    Ok(())
}

/// MESSAGE-6: the author's second thoughts.
fn edit(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    let id = message.id.ok_or(Refusal::InvalidData)?;
    if !(1..=DESCS).contains(&message.files.len()) {
        return Err(Refusal::InvalidData.into());
    }
    let stored = rows::message(cx.store, &conversation.key, id)?.ok_or(Refusal::MessageNotFound)?;
    let may_edit = is_authors(&stored, own) || conversation.allows(own, Right::EditOthers);
    if !may_edit || stored.r#type.contains(&Mark::Sys) || stored.r#type.contains(&Mark::Forward) {
        return Err(Refusal::PermissionDenied.into());
    }
    conversation.may_post(cx, own)?;
    let acks: Vec<Bytes> = message.msg_id.iter().filter(|id| !id.is_empty()).map(accepted).collect();
    if stored.files == message.files {
        answer(fx, who, acks);
        return Ok(());
    }
    let mut kept = Message { files: message.files, ..stored };
    if !kept.r#type.contains(&Mark::Edited) {
        kept.r#type.push(Mark::Edited);
    }
    let row = rows::encode(&kept);
    if row.len() > chat.settings.packet_max - PACKET_OVERHEAD_BYTES {
        return Err(Refusal::TooLarge.into());
    }

    let seq = change(conversation, cx, fx, id, row)?;
    answer(fx, who, acks);
    let shown = Message { status: Some(MessageStatus::Edit), ..kept };
    conversation.post(fx, &shown, seq, id, rows::encode(&shown), who);
    Ok(())
}

fn is_authors(message: &Message, own: &Side) -> bool {
    message.from.as_deref() == Some(own.who.as_str().as_bytes())
}

/// Replaces a stored message and enters that in the feed's log: one entry a message, its latest.
fn change(conversation: &Conversation, cx: &Cx<'_>, fx: &mut Fx, id: u64, row: Bytes) -> Result<u64, Halt> {
    let seq = cx.id()?;
    let key = rows::numbered(&conversation.key, id);
    if let Some(earlier) = rows::read::<u64>(cx.store, CHANGED, &key)? {
        fx.delete(CHANGE, rows::numbered(&conversation.key, earlier));
    }
    fx.put(MESSAGE, key.clone(), row);
    fx.put(CHANGED, key, rows::encode(&seq));
    fx.put(CHANGE, rows::numbered(&conversation.key, seq), rows::encode(&id));
    Ok(seq)
}

/// MESSAGE-7: for everyone, or for me.
fn delete(
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
    if stored.status == Some(MessageStatus::Delete) {
        answer(fx, who, vec![deleted(request, id)]);
        return Ok(());
    }

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
    let seq = change(conversation, cx, fx, id, rows::encode(&stone))?;
    if conversation.last == Some(id) {
        conversation.last = super::history::last_kept(cx, &conversation.key, id - 1)?;
    }
    answer(fx, who, vec![deleted(request, id)]);
    let shown = Message { created: None, ..stone };
    conversation.post(fx, &shown, seq, id, rows::encode(&shown), who);
    Ok(())
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
    let gone = stored.status.is_some() || !Reach::of(cx, &conversation.feed, own)?.sees(cx, id)?;
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
