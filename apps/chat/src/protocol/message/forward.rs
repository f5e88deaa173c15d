//! MESSAGE-9: a message passed on. It carries the original, so that its receivers need no right to the feed that it is from (D-49).

use kvs::{Entry, Span};
use n2o::Failure;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId, RoomId};
use proto::records::{Container, Mark, Message, MessageLink, Several};

use super::{Halt, Turn};
use crate::process::room::Room;
use crate::protocol::history::Reach;
use crate::rows::{self, IN_ROOM, MESSAGE, READER, RELATION};
use crate::{Account, Cx};

/// Contacts of one roster whose feeds are looked through, and rooms.
const FEEDS_MAX: usize = 2 * proto::limits::CONTACTS;

/// MESSAGE-9: what is forwarded, reduced to one level.
pub(super) fn original(turn: &Turn<'_, '_>, link: MessageLink) -> Result<Message, Halt> {
    match link {
        MessageLink::Message(message) => Ok(reduced(*message).ok_or(Refusal::InvalidData)?),
        MessageLink::Id(id) => Ok(visible(turn, id)?.and_then(reduced).ok_or(Refusal::MessageNotFound)?),
    }
}

/// One level: of what was forwarded before, only that is carried on. None if there is no content.
fn reduced(mut message: Message) -> Option<Message> {
    if let (true, Some(MessageLink::Message(inner))) = (message.files.is_empty(), message.link.take()) {
        message = *inner;
    }
    if message.files.is_empty() {
        return None;
    }
    let marks = message.r#type.iter().copied().filter(|mark| *mark != Mark::Read).collect();
    Some(Message {
        container: Some(Container::Chain),
        prev: None,
        next: None,
        r#type: Several(marks),
        link: None,
        seenby: Several::default(),
        repliedby: Vec::new(),
        mentioned: Vec::new(),
        status: None,
        ..message
    })
}

/// The message with this number, wherever the sender sees it: in this feed, or in another of its account. Everybody may read the store;
/// what it sees is decided as its history would (HISTORY-14).
fn visible(turn: &Turn<'_, '_>, id: u64) -> Result<Option<Message>, Failure> {
    let here = turn.reach().get(turn.cx, id)?;
    let found = match (here, &turn.who.account) {
        (Some(message), _) => Some(message),
        (None, Some(account)) => elsewhere(turn.cx, account, id)?,
        (None, None) => None,
    };
    Ok(found.filter(|message| !rows::is_pending(message)))
}

fn elsewhere(cx: &Cx<'_>, account: &Account, id: u64) -> Result<Option<Message>, Failure> {
    let has = |feed: &FeedId| cx.store.get(MESSAGE, &rows::numbered(&feed.key(), id)).map(|row| row.is_some());
    for roster in &account.rosters {
        let own = account.phone.roster(*roster);
        for peer in peers(cx, &own)? {
            let feed = FeedId::p2p(own.clone(), peer);
            if has(&feed)? {
                let reader = rows::read(cx.store, READER, &rows::reader_key(&feed, &own))?.unwrap_or_default();
                return Reach::all(&feed, &own, reader).get(cx, id);
            }
        }
        for room in rooms(cx, &own)? {
            let feed = FeedId::Room(room.clone());
            if has(&feed)?
                && let room = Room::load(cx, &room)?
                && room.row().is_ok()
                && let Some(side) = room.side(cx, &own)?
                && let Some(message) = Reach::of(&feed, &side).get(cx, id)?
            {
                return Ok(Some(message));
            }
        }
    }
    Ok(None)
}

/// Everybody that a roster ever had to do with, and itself.
fn peers(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<PhoneId>, Failure> {
    let prefix = rows::pair_key(own, b"");
    let rows = cx.store.scan(RELATION, &Span::prefix(prefix.clone()).limit(FEEDS_MAX))?;
    let peer = |(key, _): &Entry| PhoneId::parse(key.get(prefix.len()..).unwrap_or_default()).ok();
    Ok(rows.iter().filter_map(peer).chain([own.clone()]).collect())
}

/// The rooms that a roster is or was in.
fn rooms(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<RoomId>, Failure> {
    let prefix = rows::path(&[own.as_str().as_bytes(), b""]);
    let rows = cx.store.scan(IN_ROOM, &Span::prefix(prefix.clone()).limit(FEEDS_MAX))?;
    let room = |(key, _): &Entry| RoomId::parse(key.get(prefix.len()..).unwrap_or_default()).ok();
    Ok(rows.iter().filter_map(room).collect())
}
