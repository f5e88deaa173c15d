//! HISTORY-3, 4: how far a roster has read, and who is told.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::PhoneId;
use proto::records::{
    Contact, ContactReader, ContactStatus, Feed, History, HistoryStatus, MessageLink, Room, RoomStatus,
};

use crate::effects::{Seen, answer_also, contact_merge, notify_of, ses};
use crate::process::conversation::{Conversation, Parties};
use crate::protocol::turn::Turn;
use crate::protocol::{Halt, contact, fleeting, presence, room};
use crate::rows::Reader;
use crate::{Also, Fx};

/// HISTORY-3: the reader moves forward, never back; what was sent of the feed up to it counts as received by this device. The position
/// may come as a message of an old client (HISTORY-4), which has `acks`.
pub(crate) fn update(turn: &mut Turn<'_, '_>, position: Option<u64>, acks: Vec<Bytes>) -> Result<(), Halt> {
    let before = turn.own.reader;
    let last = turn.conversation.last.unwrap_or(0).min(turn.own.sees.1);
    let asked = position.filter(|at| *at > 0).unwrap_or(last);
    let reader = before.reader.max(asked.min(last));
    let (news, merge) = reading(turn, reader)?;

    let Turn { conversation, cx, fx, who, own, .. } = turn;
    let also = Also::Read { key: conversation.key.clone(), id: reader };
    if reader == before.reader {
        answer_also(fx, who, acks.into_iter().chain([news]).collect(), also);
        return Ok(());
    }
    conversation.put_reader(fx, own, Reader { reader, ..before });
    if let Ok(room) = conversation.room() {
        room.forget_mentions(cx, fx, &own.who, reader)?;
    }
    answer_also(fx, who, acks, also);
    notify_of(fx, cx, own.who.phone(), &ses(cx, &own.who)?, news, merge, Seen::after(who), 0)?;
    updated(turn, reader)
}

/// What the reader's own devices are told: how far it and the others have read, what is left; and the key that makes one of several.
fn reading(turn: &Turn<'_, '_>, reader: u64) -> Result<(Bytes, Option<Bytes>), Failure> {
    let Turn { conversation, cx, own, .. } = turn;
    match &conversation.parties {
        Parties::Pair(_) => {
            let (last, unread) = turn.reach().standing(cx, &own.who, reader)?;
            let other = conversation.other(own);
            let shown = other.who.phone() == own.who.phone() || presence::shows_reading(cx, other.who.phone())?;
            let news = Contact {
                phone_id: Some(other.who.to_bytes()),
                reader: Some(ContactReader::Both(vec![reader, if shown { other.reader.reader } else { 0 }])),
                nread: Some(unread),
                last_msg: last.map(|last| match conversation.fleeting.is_on {
                    true => Box::new(fleeting::bare(last)),
                    false => contact::brief(last),
                }),
                status: Some(ContactStatus::LastMsg),
                ..Contact::default()
            };
            Ok((etf::encode(&news), contact_merge(&own.who, other.who.as_str().as_bytes())))
        }
        Parties::Room(room) => {
            let personal = room::show::personal(cx, room, own, reader)?;
            let news = Room {
                id: Some(room.id.to_bytes()),
                unread: personal.unread,
                mentions: personal.mentions,
                readers: personal.readers,
                last_msg: personal.last_msg.map(|last| match (last, conversation.fleeting.is_on) {
                    (MessageLink::Message(last), true) => MessageLink::Message(Box::new(fleeting::bare(*last))),
                    (last, _) => last,
                }),
                status: Some(RoomStatus::LastMsg),
                ..Room::default()
            };
            Ok((etf::encode(&news), room::show::reading_merge(&own.who, room)))
        }
    }
}

/// HISTORY-4: the others learn how far it is read, unless the reader's privacy keeps that. In a room only of the one who has read
/// farthest, at most once a second; in a channel owner and admins alone.
fn updated(turn: &mut Turn<'_, '_>, reader: u64) -> Result<(), Halt> {
    let Turn { conversation, cx, fx, who, own, .. } = turn;
    if !presence::shows_reading(cx, own.who.phone())? {
        return Ok(());
    }
    if let Parties::Room(room) = &mut conversation.parties
        && !room.farthest.is_to_tell(cx, fx, own, reader)
    {
        return Ok(());
    }
    show_reader(conversation, fx, &own.who, reader, Some(who.connection));
    Ok(())
}

pub(crate) fn show_reader(conversation: &Conversation, fx: &mut Fx, who: &PhoneId, reader: u64, except: Option<u64>) {
    let news = etf::encode(&History {
        roster_id: Some(who.to_bytes()),
        feed: Some(Feed::from(&conversation.feed).into()),
        entity_id: Some(reader),
        status: Some(HistoryStatus::Updated),
        ..History::default()
    });
    conversation.show_staff(fx, news, except);
}
