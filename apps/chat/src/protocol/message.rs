//! MESSAGE: what one writes to another. A message is written once, numbered, and due to every device of both sides until it has
//! acknowledged it.

mod add;
mod cdr;
mod delete;
mod edit;
mod forward;
mod pending;
pub(crate) mod reply;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::FeedId;
use proto::limits::{DESCS, MSG_ID_BYTES, PACKET_OVERHEAD_BYTES};
use proto::records::{Ack, Contact, ContactStatus, Container, Feed, Mark, Message, MessageLink, MessageStatus};

use super::history::{self, kinds};
use super::{Halt, contact, fleeting, push};
use crate::effects::{Seen, answer, contact_merge, notify, ses};
use crate::process::conversation::{Conversation, Parties, Side};
use crate::rows::{self, CHANGE, CHANGED, Change, DUPLICATE, MESSAGE, Reader, Sent};
use crate::{Chat, Cx, Fx, Who};

pub(crate) use delete::forget_later;
pub(crate) use pending::withdraw;

use delete::{delete, erase};
use edit::edit;

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
    let acks: Vec<Bytes> = message.msg_id.iter().filter(|id| !id.is_empty()).map(accepted).collect();
    if message.container == Some(Container::Cur) && message.r#type.contains(&Mark::Cursor) {
        // HISTORY-4
        return history::update(conversation, cx, fx, who, own, message.id, acks);
    }
    match message.status.and_then(MessageStatus::modern) {
        None | Some(MessageStatus::Async) => send(conversation, chat, cx, fx, who, &own, message),
        Some(MessageStatus::Edit) => edit(conversation, chat, cx, fx, who, &own, message),
        Some(MessageStatus::Delete) => delete(conversation, cx, fx, who, &own, message),
        Some(MessageStatus::Update) => update(conversation, chat, cx, fx, who, &own, message),
        // MESSAGE-14
        Some(MessageStatus::Clear) => history::delete(conversation, cx, fx, who, own, acks),
        // MESSAGE-17, and what comes only from servers (C-7)
        Some(
            MessageStatus::Client
            | MessageStatus::Upload
            | MessageStatus::Complete
            | MessageStatus::Deleted
            | MessageStatus::Sent
            | MessageStatus::Internal
            | MessageStatus::Event
            | MessageStatus::Muc
            | MessageStatus::Link,
        ) => Err(Refusal::InvalidData.into()),
    }
}

/// MESSAGE-1: number it, keep it once, make it due to every device of both sides, acknowledge, show it. MESSAGE-4: the same for one
/// that is announced.
fn send(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    let forwards = message.r#type[..] == [Mark::Forward];
    check_files(&message, forwards)?;
    if message.id.is_some() || message.link.is_some() != marks_link(&message.r#type, who)? {
        return Err(Refusal::InvalidData.into());
    }
    let call = cdr::call_id(&message)?;
    let acquainted = may_post(conversation, cx, who, own)?;
    let given = message.msg_id.clone().filter(|id| !id.is_empty());
    let keys = duplicate_keys(conversation, own, given.as_ref(), call.as_ref());
    for key in &keys {
        if let Some(sent) = rows::read::<Sent>(cx.store, DUPLICATE, key)? {
            return repeat(conversation, cx, fx, who, given.as_ref(), sent.id);
        }
    }
    let link = message.link.map(|link| about(conversation, cx, who, own, forwards, link)).transpose()?;

    let mentioned = match conversation.room() {
        Ok(room) => room.mentioned(cx, &message.mentioned)?,
        Err(_) => Vec::new(),
    };

    let id = cx.id()?;
    if !acquainted {
        check_room(conversation, cx)?;
    }
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
        r#type: message.r#type,
        link,
        status: message.status.and_then(MessageStatus::modern),
        mentioned: mentioned.iter().map(|(member, _)| *member).collect(),
        ..Message::default()
    };
    let payload = check_size(chat, &kept)?;

    if !acquainted {
        acquaint(conversation, cx, fx)?;
    }
    fx.put(MESSAGE, rows::numbered(&conversation.key, id), payload.clone());
    for key in keys {
        let sent = Sent { id, client: Bytes::copy_from_slice(who.session.as_bytes()) };
        fx.put(DUPLICATE, key, rows::encode(&sent));
    }
    kinds::enter(fx, &conversation.key, id, &kept);
    if fleeting::is_transient(conversation, chat) {
        fleeting::sent(conversation, fx, id, cx.now);
    }
    if rows::is_pending(&kept) {
        pending::announced(conversation, fx, id, cx.now.0);
    }
    if let Ok(room) = conversation.room() {
        room.put_mentions(fx, &mentioned, id);
    }
    conversation.last = Some(id);
    // The sender has read what it wrote.
    conversation.put_reader(fx, own, Reader { reader: id, ..own.reader });
    answer(fx, who, given.iter().map(accepted).collect());
    conversation.post(fx, &kept, id, id, payload.clone(), Some(who));
    wake(conversation, chat, cx, fx, own, &kept, payload)?;
    match kept.link {
        Some(MessageLink::Id(to)) => Ok(reply::entered(conversation, cx, fx, who, to, id)?),
        Some(MessageLink::Message(_)) | None => Ok(()),
    }
}

/// PUSH-1: the other of a pair, if it is away; in a room whoever is. What is announced and not there yet wakes nobody.
fn wake(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    own: &Side,
    kept: &Message,
    payload: Bytes,
) -> Result<(), Failure> {
    if rows::is_pending(kept) {
        return Ok(());
    }
    if let FeedId::Room(_) = &conversation.feed {
        conversation.rounds.posted(cx, fx, &conversation.feed, &own.who, &kept.mentioned, payload);
        return Ok(());
    }
    let other = conversation.other(own);
    if push::is_muted(cx, &other.relation.settings) {
        return Ok(());
    }
    let model = || match chat.settings.push_preview {
        true => etf::encode(kept),
        false => etf::encode(&Message { files: Vec::new(), ..kept.clone() }),
    };
    push::wake(cx, fx, &other.who, &own.who, &conversation.key, push::Kind::Message, model)
}

/// 1 to 64 parts; none only where another message is passed on (MESSAGE-9).
fn check_files(message: &Message, forwards: bool) -> Result<(), Refusal> {
    let least = usize::from(!forwards);
    match (least..=DESCS).contains(&message.files.len()) {
        true => Ok(()),
        false => Err(Refusal::InvalidData),
    }
}

/// MESSAGE, *Right*; MESSAGE-16: services need no friendship and no right of a room, but a ban stands. False: those who are no contacts
/// of each other yet become so, by which their devices find the feed.
fn may_post(conversation: &Conversation, cx: &Cx<'_>, who: &Who, own: &Side) -> Result<bool, Halt> {
    match conversation.may_post(cx, own) {
        Err(Halt::Refused(Refusal::PermissionDenied)) if who.is_service() => match &conversation.parties {
            Parties::Pair(_) if own.relation.status != Some(ContactStatus::Ban) => Ok(false),
            Parties::Room(_) if own.membership.is_present() => Ok(true),
            Parties::Pair(_) | Parties::Room(_) => Err(Refusal::PermissionDenied.into()),
        },
        may => may,
    }
}

/// Whether the marks that a sender may set name another message: a reply and a forward do, one at a time. `sys` is for services.
fn marks_link(marks: &[Mark], who: &Who) -> Result<bool, Refusal> {
    match marks {
        [] => Ok(false),
        [Mark::Sys] if who.is_service() => Ok(false),
        [Mark::Reply | Mark::Forward] => Ok(true),
        _ => Err(Refusal::InvalidData),
    }
}

/// MESSAGE-8, 9: the other message, as it is kept with this one.
fn about(
    conversation: &Conversation,
    cx: &Cx<'_>,
    who: &Who,
    own: &Side,
    forwards: bool,
    link: MessageLink,
) -> Result<MessageLink, Halt> {
    Ok(match forwards {
        true => MessageLink::Message(Box::new(forward::original(conversation, cx, who, own, link)?)),
        false => MessageLink::Id(reply::target(conversation, cx, own, link)?),
    })
}

/// The content fits into a packet, with room for what else is in it. The row that it makes.
fn check_size(chat: &Chat, message: &Message) -> Result<Bytes, Refusal> {
    let row = rows::encode(message);
    match row.len() > chat.settings.packet_max - PACKET_OVERHEAD_BYTES {
        true => Err(Refusal::TooLarge),
        false => Ok(row),
    }
}

/// MESSAGE-2: from now on it survives a crash.
fn accepted(msg_id: &Bytes) -> Bytes {
    etf::encode(&Ack { id: Some(msg_id.clone()), ..Ack::default() })
}

fn duplicate(conversation: &Conversation, own: &Side, msg_id: &[u8]) -> Bytes {
    rows::duplicate_key(&conversation.key, own.who.as_str().as_bytes(), msg_id)
}

/// Under what a message is known when it comes again: its author's msg_id, and the call that it records (CDR-1).
fn duplicate_keys(conversation: &Conversation, own: &Side, msg_id: Option<&Bytes>, call: Option<&Bytes>) -> Vec<Bytes> {
    let by_id = msg_id.map(|msg_id| duplicate(conversation, own, msg_id));
    let by_call = call.map(|call| rows::duplicate_key(&conversation.key, cdr::AUTHOR, call));
    by_id.into_iter().chain(by_call).collect()
}

/// The same message again: the Ack, and the stored one for this client only; the first content wins.
fn repeat(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    msg_id: Option<&Bytes>,
    id: u64,
) -> Result<(), Halt> {
    let stored = cx.store.get(MESSAGE, &rows::numbered(&conversation.key, id))?;
    answer(fx, who, msg_id.map(accepted).into_iter().chain(stored).collect());
    Ok(())
}

/// Section 11: a first message makes contacts, for which both books have room, or which they hold already.
fn check_room(conversation: &Conversation, cx: &Cx<'_>) -> Result<(), Halt> {
    for side in conversation.sides().iter().filter(|side| side.relation.status.is_none()) {
        let other = conversation.other(side).who.to_bytes();
        let is_contact = cx.store.get(rows::BOOK, &rows::pair_key(&side.who, &other))?.is_some();
        if !is_contact && contact::count(cx, &side.who)?.is_full() {
            return Err(Refusal::Limit.into());
        }
    }
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

/// MESSAGE-5 for what is pending, else MESSAGE-13.
fn update(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    message: Message,
) -> Result<(), Halt> {
    match pending::find(conversation, cx, own, &message)? {
        Some(stored) => {
            may_post(conversation, cx, who, own)?;
            pending::complete(conversation, chat, cx, fx, who, message, stored)
        }
        None if message.status == Some(MessageStatus::Complete) => {
            pending::completed(conversation, cx, fx, who, own, &message)
        }
        None => add::add(conversation, chat, cx, fx, who, own, message),
    }
}

fn is_authors(message: &Message, own: &Side) -> bool {
    message.from.as_deref() == Some(own.who.as_str().as_bytes())
}

/// Replaces a stored message and enters that in the feed's log: one entry a message, its latest, and how it is shown to devices that
/// have had the message.
fn change(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    id: u64,
    row: Bytes,
    status: Option<MessageStatus>,
) -> Result<u64, Failure> {
    let seq = cx.id()?;
    let key = rows::numbered(&conversation.key, id);
    if let Some(earlier) = rows::read::<u64>(cx.store, CHANGED, &key)? {
        fx.delete(CHANGE, rows::numbered(&conversation.key, earlier));
    }
    fx.put(MESSAGE, key.clone(), row);
    fx.put(CHANGED, key, rows::encode(&seq));
    fx.put(CHANGE, rows::numbered(&conversation.key, seq), rows::encode(&Change { id, status }));
    Ok(seq)
}
