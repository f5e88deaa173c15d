//! MESSAGE: what one writes to another. A message is written once, numbered, and due to every device of both sides until it has
//! acknowledged it.

mod send;
mod pending;
mod edit;
mod delete;
pub(crate) mod reply;
mod forward;
pub(crate) mod seek;
mod add;
mod cdr;
mod sealed;

use std::collections::HashSet;

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::PhoneId;
use proto::limits::{DESCS, MSG_ID_BYTES, PACKET_OVERHEAD_BYTES};
use proto::records::{Ack, ContactStatus, Container, Mark, Message, MessageStatus};

use super::Halt;
use super::history::{self, kinds};
use super::turn::Turn;
use crate::process::conversation::{Conversation, Parties};
use crate::rows::{self, CHANGE, CHANGED, Change, MESSAGE};
use crate::{Chat, Cx, Fx, Who};

pub(crate) use delete::{forget_later, relink};
pub(crate) use pending::withdraw;
pub(crate) use sealed::SIGNATURE;

/// MESSAGE-1 to 17, by status.
pub(crate) fn call(
    conversation: &mut Conversation,
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    message: Message,
) -> Result<(), Halt> {
    let mut turn = Turn::begin(conversation, chat, cx, fx, who, message.from.as_ref())?;
    if message.msg_id.as_ref().is_some_and(|id| id.len() > *MSG_ID_BYTES.end()) {
        return Err(Refusal::InvalidData.into());
    }
    if message.container == Some(Container::Cur) && message.r#type.contains(&Mark::Cursor) {
        // HISTORY-4
        return history::update(&mut turn, message.id, acks(&message));
    }
    match message.status.and_then(MessageStatus::modern) {
        None | Some(MessageStatus::Async) => send::send(&mut turn, message),
        Some(MessageStatus::Edit) => edit::edit(&mut turn, message),
        Some(MessageStatus::Delete) => delete::delete(&mut turn, &message),
        Some(MessageStatus::Update) => update(&mut turn, message),
        // MESSAGE-14
        Some(MessageStatus::Clear) => history::delete(&mut turn, acks(&message)),
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

/// MESSAGE-5 for what is pending, or was, else MESSAGE-13.
fn update(turn: &mut Turn<'_, '_>, message: Message) -> Result<(), Halt> {
    match pending::find(turn, &message)? {
        Some(announced) => pending::complete(turn, message, announced),
        None if message.status == Some(MessageStatus::Complete) => pending::completed(turn, &message),
        None => match pending::repeated(turn, &message)? {
            Some(stored) => {
                turn.answer(vec![rows::encode(&stored)]);
                Ok(())
            }
            None => add::add(turn, message),
        },
    }
}

/// MESSAGE-2: from now on it survives a crash. Nobody waits to hear it of a message without msg_id.
fn acks(message: &Message) -> Vec<Bytes> {
    let ack = |id: &Bytes| etf::encode(&Ack { id: Some(id.clone()), ..Ack::default() });
    given(&message.msg_id).map(ack).into_iter().collect()
}

/// An id that the client has given.
fn given(id: &Option<Bytes>) -> Option<&Bytes> {
    id.as_ref().filter(|id| !id.is_empty())
}

/// MESSAGE, *Right*; MESSAGE-16: services need no friendship and no right of a room, but a ban stands. False: those who are no contacts
/// of each other yet become so, by which their devices find the feed.
fn may_post(turn: &Turn<'_, '_>) -> Result<bool, Halt> {
    let own = &turn.own;
    match turn.conversation.may_post(turn.cx, own) {
        Err(Halt::Refused(Refusal::PermissionDenied)) if turn.who.is_service() => match &turn.conversation.parties {
            Parties::Pair(_) if own.relation.status != Some(ContactStatus::Ban) => Ok(false),
            Parties::Room(_) if own.membership.is_present() => Ok(true),
            Parties::Pair(_) | Parties::Room(_) => Err(Refusal::PermissionDenied.into()),
        },
        may => may,
    }
}

/// 1 to 64 parts; none only where another message is passed on (MESSAGE-9). Each has an id of its own, by which others name it: a signature
/// of one must not be taken for another's (SEC-8).
fn check_files(message: &Message, forwards: bool) -> Result<(), Refusal> {
    let least = usize::from(!forwards);
    let mut met = HashSet::new();
    let is_each_once = message.files.iter().filter_map(|part| given(&part.id)).all(|id| met.insert(id));
    match (least..=DESCS).contains(&message.files.len()) && is_each_once {
        true => Ok(()),
        false => Err(Refusal::InvalidData),
    }
}

/// MESSAGE-10: the members of the room that a message mentions; nobody is mentioned between two.
fn mentioned(turn: &Turn<'_, '_>, message: &Message) -> Result<Vec<(u64, PhoneId)>, Failure> {
    match turn.conversation.room() {
        Ok(room) => room.mentioned(turn.cx, &message.mentioned),
        Err(_) => Ok(Vec::new()),
    }
}

/// The row that a message makes: its content fits into a packet, with room for what else is in it.
fn row_of(chat: &Chat, message: &Message) -> Result<Bytes, Refusal> {
    let row = rows::encode(message);
    match row.len() > chat.settings.packet_max - PACKET_OVERHEAD_BYTES {
        true => Err(Refusal::TooLarge),
        false => Ok(row),
    }
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
