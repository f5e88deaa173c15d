//! HISTORY-14: how what was found is answered: with neighbours, readers and replies, in records that fit.

use bytes::Bytes;
use n2o::Failure;
use proto::limits::{HISTORY_ANSWER, MESSAGE_IDS};
use proto::records::{History, HistoryFeed, HistoryItem, Mark, Message, SeenBy};

use super::chain::link;
use crate::Cx;
use crate::process::conversation::{Conversation, Parties, Side};
use crate::process::room::Room;
use crate::protocol::message::reply;
use crate::protocol::turn::Turn;
use crate::protocol::{Halt, presence};

/// An answer's messages at most, bytes (HISTORY-14).
const ANSWER_BYTES: usize = 256 * 1024;
/// Readers of a room that an answer looks at: of larger rooms those who have read farthest.
const READERS_MAX: usize = 200;
/// Readers named with a message of a room (MESSAGE-11).
const SEENBY_MAX: usize = proto::limits::NOTICE_MEMBERS;

/// HISTORY-14: rising, with neighbours filled in as the chain is now.
pub(super) fn respond(turn: &mut Turn<'_, '_>, asked: &History, mut found: Vec<Message>) -> Result<(), Halt> {
    link(turn.cx, &turn.conversation.key, &mut found)?;
    conclude(turn, asked, found)
}

/// HISTORY-14: with readers and replies filled in, cut into records; each says how many are still to come.
pub(super) fn conclude(turn: &mut Turn<'_, '_>, asked: &History, mut found: Vec<Message>) -> Result<(), Halt> {
    let Turn { conversation, cx, .. } = turn;
    let readers = conversation.shows_readers(Some(&turn.own));
    fill(conversation, cx, &mut found, readers)?;
    let mut left = found.len();
    let mut records = Vec::new();
    let mut rest = found.into_iter().peekable();
    loop {
        let (mut data, mut bytes) = (Vec::new(), 0);
        while data.len() < HISTORY_ANSWER
            && let Some(message) = rest.next_if(|next| data.is_empty() || bytes + size(next) <= ANSWER_BYTES)
        {
            bytes += size(&message);
            data.push(HistoryItem::Message(Box::new(message)));
        }
        left -= data.len();
        records.push(etf::encode(&History {
            roster_id: asked.roster_id.clone(),
            feed: Some(HistoryFeed::Feed((&conversation.feed).into())),
            size: Some(left as i64),
            entity_id: asked.entity_id,
            data,
            status: asked.status,
        }));
        if left == 0 {
            break;
        }
    }
    turn.answer(records);
    Ok(())
}

/// A message as it is shown when it was changed: all of it (MESSAGE-6), so that whoever keeps a copy may replace it.
pub(crate) fn whole(conversation: &Conversation, cx: &Cx<'_>, message: Message) -> Result<Message, Failure> {
    let mut found = [message];
    link(cx, &conversation.key, &mut found)?;
    fill(conversation, cx, &mut found, conversation.shows_readers(None))?;
    let [message] = found;
    Ok(message)
}

/// Who has read them, if that may be known, and what replies there are.
fn fill(conversation: &Conversation, cx: &Cx<'_>, found: &mut [Message], readers: bool) -> Result<(), Failure> {
    let range = found.first().and_then(|first| first.id).zip(found.last().and_then(|last| last.id));
    let replied = range.map(|(first, last)| reply::any(cx, &conversation.key, first, last)).transpose()?;
    match &conversation.parties {
        Parties::Pair(sides) => {
            for message in found.iter_mut() {
                mark_read(sides, cx, message)?;
            }
        }
        Parties::Room(room) if readers => mark_read_by(room, cx, found)?,
        Parties::Room(_) => {}
    }
    for message in found.iter_mut() {
        if let (Some(true), Some(id)) = (replied, message.id) {
            message.repliedby = reply::latest(cx, &conversation.key, id, MESSAGE_IDS)?;
        }
    }
    Ok(())
}

/// About what a message takes in an answer, bytes: its contents, and a fixed sum for the rest.
pub(super) fn size(message: &Message) -> usize {
    let parts =
        message.files.iter().map(|part| 256 + part.payload.as_ref().map_or(0, Bytes::len) + 128 * part.data.len());
    512 + parts.sum::<usize>()
}

/// MESSAGE-11: who has read it.
fn mark_read(sides: &[Side], cx: &Cx<'_>, message: &mut Message) -> Result<(), Failure> {
    for side in sides {
        let own = message.from.as_deref() == Some(side.who.as_str().as_bytes());
        if !own && message.id <= Some(side.reader.reader) && presence::shows_reading(cx, side.who.phone())? {
            message.seenby.push(SeenBy::Phone(side.who.to_bytes()));
        }
    }
    if !message.seenby.is_empty() {
        message.r#type.push(Mark::Read);
    }
    Ok(())
}

/// The same in a room, of those who have read farthest: by their Member ids, ascending.
fn mark_read_by(room: &Room, cx: &Cx<'_>, found: &mut [Message]) -> Result<(), Failure> {
    let Some(first) = found.first().and_then(|message| message.id) else { return Ok(()) };
    let mut readers = Vec::new();
    for (reader, member, roster) in room.readers(cx, first, READERS_MAX)? {
        if presence::shows_reading(cx, roster.phone())? {
            readers.push((member, reader, roster.to_bytes()));
        }
    }
    readers.sort_unstable();
    for message in found {
        let has = readers
            .iter()
            .filter(|(_, reader, roster)| message.id <= Some(*reader) && message.from.as_ref() != Some(roster));
        message.seenby = has.take(SEENBY_MAX).map(|(member, ..)| SeenBy::Id(*member)).collect();
        if !message.seenby.is_empty() {
            message.r#type.push(Mark::Read);
        }
    }
    Ok(())
}
