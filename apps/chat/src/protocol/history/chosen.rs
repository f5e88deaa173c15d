//! Messages that stand apart in a feed: by their numbers, the replies to one, those of a kind.

use proto::Refusal;
use proto::limits::HISTORY_REQUEST;
use proto::records::{History, HistoryItem, HistoryStatus, Message};

use super::{Reach, conclude, count, kinds, last_kept, next_kept};
use crate::Cx;
use crate::protocol::Halt;
use crate::protocol::message::reply;
use crate::protocol::turn::Turn;

/// Messages asked for by their numbers (HISTORY-2).
const IDS_MAX: usize = 100;

/// The numbers of messages that a request names, of those it names by number.
pub(super) fn named(asked: &History) -> Vec<u64> {
    let id = |item: &HistoryItem| match item {
        HistoryItem::Message(message) => message.id,
        HistoryItem::StickerPack(_) | HistoryItem::RoomStar(_) => None,
    };
    asked.data.iter().filter_map(id).collect()
}

/// HISTORY-2: exactly these, if they are visible.
pub(super) fn by_id(turn: &mut Turn<'_, '_>, asked: &History, mut ids: Vec<u64>) -> Result<(), Halt> {
    if asked.data.len() > IDS_MAX {
        return Err(Refusal::InvalidData.into());
    }
    ids.sort_unstable();
    ids.dedup();
    let found = pick(turn.cx, &turn.reach(), &ids)?;
    respond(turn, asked, found)
}

/// HISTORY-6: all that reply to one.
pub(super) fn replies(turn: &mut Turn<'_, '_>, asked: &History) -> Result<(), Halt> {
    let id = asked.entity_id.filter(|id| *id > 0).ok_or(Refusal::InvalidData)?;
    let reach = turn.reach();
    reach.get(turn.cx, id)?.ok_or(Refusal::MessageNotFound)?;
    let ids = reply::latest(turn.cx, &turn.conversation.key, id, HISTORY_REQUEST)?;
    let found = pick(turn.cx, &reach, &ids)?;
    respond(turn, asked, found)
}

/// HISTORY-10: as HISTORY-1, counting only those of the kind.
pub(super) fn by_kind(turn: &mut Turn<'_, '_>, asked: &History, kind: HistoryStatus) -> Result<(), Halt> {
    let (size, at) = (asked.size.unwrap_or(0), asked.entity_id.unwrap_or(0));
    let older = size >= 0;
    let at = if older && at == 0 { u64::MAX } else { at };
    let found = kinds::find(turn.cx, &turn.reach(), kind, at, count(size), older)?;
    respond(turn, asked, found)
}

/// Those of the ids that are visible, up to what one request takes.
fn pick(cx: &Cx<'_>, reach: &Reach, ids: &[u64]) -> Result<Vec<Message>, Halt> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for id in ids {
        if bytes < super::reach::REQUEST_BYTES
            && let Some(message) = reach.get(cx, *id)?
        {
            bytes += super::answer::size(&message);
            found.push(message);
        }
    }
    Ok(found)
}

/// As [`super::respond`]; each has its neighbours looked up, since what lies between them may be long.
fn respond(turn: &mut Turn<'_, '_>, asked: &History, mut found: Vec<Message>) -> Result<(), Halt> {
    let feed = &turn.conversation.key;
    for message in &mut found {
        let Some(id) = message.id else { continue };
        message.prev = last_kept(turn.cx, feed, id - 1)?;
        message.next = next_kept(turn.cx, feed, id + 1)?;
    }
    conclude(turn, asked, found)
}
