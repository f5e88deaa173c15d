//! MESSAGE-1, 2: a new message.

use bytes::Bytes;
use n2o::Failure;
use proto::Refusal;
use proto::ids::FeedId;
use proto::records::{Contact, ContactStatus, Container, Feed, Mark, Message, MessageLink, MessageStatus};

use super::{
    Halt, Turn, acks, cdr, check_files, forward, given, kinds, may_post, mentioned, pending, reply, row_of, sealed,
};
use crate::Who;
use crate::effects::{Seen, contact_merge, notify, ses};
use crate::protocol::{contact, fleeting, ftp, push};
use crate::rows::{self, BOOK, DUPLICATE, Entry, MESSAGE, Reader, Sent};

/// MESSAGE-1: number it, keep it once, make it due to every device of both sides, acknowledge, show it. MESSAGE-4: the same for one
/// that is announced.
pub(super) fn send(turn: &mut Turn<'_, '_>, message: Message) -> Result<(), Halt> {
    let forwards = message.r#type[..] == [Mark::Forward];
    check_files(&message, forwards)?;
    if message.id.is_some() || message.link.is_some() != marks_link(&message.r#type, turn.who)? {
        return Err(Refusal::InvalidData.into());
    }
    let call = cdr::call_id(&message)?;
    let acquainted = may_post(turn)?;
    let acks = acks(&message);
    let keys = duplicate_keys(turn, &message, call.as_ref());
    for key in &keys {
        if let Some(sent) = rows::read::<Sent>(turn.cx.store, DUPLICATE, key)? {
            return repeat(turn, acks, sent.id);
        }
    }
    let mentioned = mentioned(turn, &message)?;
    let link = message.link.map(|link| about(turn, forwards, link)).transpose()?;
    let message = Message { link, ..message };
    sealed::check(turn, &message)?;
    ftp::check(turn, &message)?;
    let id = turn.cx.id()?;
    if !acquainted {
        check_room(turn)?;
    }
    let kept = Message {
        id: Some(id),
        container: Some(Container::Chain),
        feed_id: Some(Feed::from(&turn.conversation.feed)),
        prev: turn.conversation.last,
        msg_id: Some(given(&message.msg_id).cloned().unwrap_or_else(|| format!("srv-{id}").into())),
        from: Some(turn.own.who.to_bytes()),
        to: Some(turn.conversation.to(&turn.own)),
        created: Some(turn.cx.now.0.into()),
        files: message.files,
        r#type: message.r#type,
        link: message.link,
        status: message.status.and_then(MessageStatus::modern),
        mentioned: mentioned.iter().map(|(member, _)| *member).collect(),
        ..Message::default()
    };
    let row = row_of(turn.chat, &kept)?;

    if !acquainted {
        acquaint(turn)?;
    }
    keep(turn, id, &kept, row.clone(), keys);
    if let Ok(room) = turn.conversation.room() {
        room.put_mentions(turn.fx, &mentioned, id);
    }
    // The sender has read what it wrote.
    turn.conversation.put_reader(turn.fx, &turn.own, Reader { reader: id, ..turn.own.reader });
    turn.answer(acks);
    turn.conversation.post(turn.fx, &kept, id, id, row.clone(), Some(turn.who));
    wake(turn, &kept, row)?;
    match kept.link {
        Some(MessageLink::Id(to)) => Ok(reply::entered(turn, to, id)?),
        Some(MessageLink::Message(_)) | None => Ok(()),
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

/// Under what a message is known when it comes again: its author's msg_id, and the call that it records (CDR-1).
fn duplicate_keys(turn: &Turn<'_, '_>, message: &Message, call: Option<&Bytes>) -> Vec<Bytes> {
    let by_id = given(&message.msg_id).map(|msg_id| pending::duplicate(turn, msg_id));
    let by_call = call.map(|call| cdr::place(&turn.conversation.key, call));
    by_id.into_iter().chain(by_call).collect()
}

/// The same message again: the Ack, and the stored one for this client only; the first content wins.
fn repeat(turn: &mut Turn<'_, '_>, acks: Vec<Bytes>, id: u64) -> Result<(), Halt> {
    let stored = turn.cx.store.get(MESSAGE, &rows::numbered(&turn.conversation.key, id))?;
    turn.answer(acks.into_iter().chain(stored).collect());
    Ok(())
}

/// MESSAGE-8, 9: the other message, as it is kept with this one.
fn about(turn: &Turn<'_, '_>, forwards: bool, link: MessageLink) -> Result<MessageLink, Halt> {
    Ok(match forwards {
        true => MessageLink::Message(Box::new(forward::original(turn, link)?)),
        false => MessageLink::Id(reply::target(turn, link)?),
    })
}

/// Section 11: a first message makes contacts, for which both books have room, or which they hold already.
fn check_room(turn: &mut Turn<'_, '_>) -> Result<(), Halt> {
    let Turn { conversation, cx, fx, .. } = turn;
    for side in conversation.sides().iter().filter(|side| side.relation.status.is_none()) {
        let other = conversation.other(side).who.to_bytes();
        let is_contact = cx.store.get(BOOK, &rows::pair_key(&side.who, &other))?.is_some();
        if !is_contact && !contact::has_place(cx, fx, &side.who, 1)? {
            return Err(Refusal::Limit.into());
        }
    }
    Ok(())
}

/// P2P_FROM=everyone: both sides get each other as contact `internal`, if absent.
fn acquaint(turn: &mut Turn<'_, '_>) -> Result<(), Halt> {
    let Turn { conversation, cx, fx, .. } = turn;
    for side in conversation.sides().to_vec() {
        if side.relation.status.is_some() {
            continue;
        }
        let other = conversation.other(&side).who.clone();
        let mut relation = side.relation.clone();
        relation.status = Some(ContactStatus::Internal);
        (relation.created, relation.update) = (cx.now.0, cx.now.0);
        let entry: Option<Entry> = rows::read(cx.store, BOOK, &rows::pair_key(&side.who, other.as_str().as_bytes()))?;
        let news: Contact = contact::seen(cx, &side.who, &other, Some(&relation), entry.as_ref())?;
        let merge = contact_merge(&side.who, other.as_str().as_bytes());
        notify(fx, cx, side.who.phone(), &ses(cx, &side.who)?, &news, merge, Seen::ByNobody)?;
        conversation.put_relation(cx, fx, &side.who, relation)?;
    }
    Ok(())
}

/// The message is in its feed, its repeats are known, and what is to be done with it later is entered.
fn keep(turn: &mut Turn<'_, '_>, id: u64, kept: &Message, row: Bytes, keys: Vec<Bytes>) {
    let Turn { conversation, chat, cx, fx, who, .. } = turn;
    fx.put(MESSAGE, rows::numbered(&conversation.key, id), row);
    for key in keys {
        let sent = Sent { id, client: Bytes::copy_from_slice(who.session.as_bytes()) };
        fx.put(DUPLICATE, key, rows::encode(&sent));
    }
    kinds::enter(fx, &conversation.key, id, kept);
    ftp::enter(fx, &conversation.key, id, kept);
    if fleeting::is_transient(conversation, chat) {
        fleeting::sent(conversation, fx, id, cx.now);
    }
    if rows::is_pending(kept) {
        pending::announced(conversation, fx, id, cx.now.0);
    }
    conversation.last = Some(id);
}

/// PUSH-1: the other of a pair, if it is away; in a room whoever is. What is announced and not there yet wakes nobody.
pub(super) fn wake(turn: &mut Turn<'_, '_>, kept: &Message, row: Bytes) -> Result<(), Failure> {
    let Turn { conversation, chat, cx, fx, own, .. } = turn;
    if rows::is_pending(kept) {
        return Ok(());
    }
    if let FeedId::Room(_) = &conversation.feed {
        conversation.rounds.posted(cx, fx, &conversation.feed, &own.who, kept, row);
        return Ok(());
    }
    let other = conversation.other(own);
    if push::is_muted(cx, &other.relation.settings) {
        return Ok(());
    }
    let model = || push::shown(kept, chat.settings.push_preview);
    push::wake(cx, fx, &other.who, &own.who, &conversation.key, push::Kind::Message, model)
}
