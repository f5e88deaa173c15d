//! HISTORY: what a roster may see of a feed, in order, and how far it has read.

mod chosen;
pub(crate) mod kinds;

use bytes::Bytes;
use n2o::Failure;
use proto::Outcome;
use proto::Refusal;
use proto::ids::{FeedId, PhoneId};
use proto::limits::{HISTORY_ANSWER, HISTORY_REQUEST, MESSAGE_IDS, UNREAD};
use proto::records::{
    Contact, ContactReader, ContactStatus, Feed, History, HistoryFeed, HistoryItem, HistoryStatus, Io, Mark, Message,
    MessageLink, Room, RoomStatus, SeenBy,
};

use super::message::reply;
use super::{Halt, contact, fleeting, presence, room};
use crate::effects::{Seen, answer, answer_also, contact_merge, notify, notify_of, ses};
use crate::process::conversation::{Conversation, Parties, Side};
use crate::process::room::Room as Hall;
use crate::rows::{self, HIDDEN, MESSAGE, Reader};
use crate::{Also, Cx, Fx, Who};

/// An answer's messages at most, bytes (HISTORY-14).
const ANSWER_BYTES: usize = 256 * 1024;
/// Rows taken from the store at a time.
const CHUNK: usize = 32;
/// Rows that a count of unread messages looks at; almost all of them count.
const LOOK_MAX: usize = 2 * UNREAD as usize;
/// Stored bytes that it reads; of a feed with messages so large it counts a part.
const LOOK_BYTES: usize = 32 << 20;
/// Readers of a room that an answer looks at: of larger rooms those who have read farthest.
const READERS_MAX: usize = 200;
/// Readers named with a message of a room (MESSAGE-11).
const SEENBY_MAX: usize = proto::limits::NOTICE_MEMBERS;
/// Stored bytes that one request takes from the store at most; a request for more of that size is answered in part.
const REQUEST_BYTES: usize = 8 << 20;

/// HISTORY-1 to 13.
pub(crate) fn call(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    request: History,
) -> Result<(), Halt> {
    let own = conversation.own(cx, who, request.roster_id.as_ref())?;
    match request.status {
        Some(HistoryStatus::Get) => get(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::Update) => update(conversation, cx, fx, who, own, request.entity_id, Vec::new()),
        Some(HistoryStatus::Delete) => delete(conversation, cx, fx, who, own, Vec::new()),
        Some(HistoryStatus::DoubleGet) => double_get(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::LastLoaded) => last_loaded(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::LastMsg) => last_msg(conversation, cx, fx, who, &own, &request),
        Some(HistoryStatus::GetReply) => chosen::replies(conversation, cx, fx, who, &own, &request),
        Some(
            kind @ (HistoryStatus::Image
            | HistoryStatus::Video
            | HistoryStatus::File
            | HistoryStatus::Link
            | HistoryStatus::Audio
            | HistoryStatus::Contact
            | HistoryStatus::Location
            | HistoryStatus::Text),
        ) => chosen::by_kind(conversation, cx, fx, who, &own, &request, kind),
        // HISTORY-13
        Some(HistoryStatus::Updated) | None => Err(Refusal::InvalidData.into()),
    }
}

/// HISTORY-1: so many before the position, or, for a negative size, after it.
fn get(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let ids = chosen::named(request);
    if !ids.is_empty() {
        return chosen::by_id(conversation, cx, fx, who, own, request, ids);
    }
    let reach = Reach::of(cx, &conversation.feed, own)?;
    let (size, at) = (request.size.unwrap_or(0), request.entity_id.unwrap_or(0));
    let count = count(size);
    let found = match (size >= 0, at) {
        (true, 0) => reach.before(cx, u64::MAX, count)?,
        (true, at) => reach.before(cx, at, count)?,
        (false, at) => reach.after(cx, at, count)?,
    };
    respond(conversation, cx, fx, who, request, found)
}

/// How many messages a size asks for.
fn count(size: i64) -> usize {
    match size.unsigned_abs() as usize {
        0 => HISTORY_REQUEST,
        count => count.min(HISTORY_REQUEST),
    }
}

/// HISTORY-3: the reader moves forward, never back; what was sent of the feed up to it counts as received by this device. The position
/// may come as a message of an old client (HISTORY-4), which has `acks`.
pub(crate) fn update(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: Side,
    position: Option<u64>,
    acks: Vec<Bytes>,
) -> Result<(), Halt> {
    let last = conversation.last.unwrap_or(0).min(own.sees.1);
    let asked = position.filter(|at| *at > 0).unwrap_or(last);
    let reader = own.reader.reader.max(asked.min(last));
    let moved = reader > own.reader.reader;
    let (news, merge) = reading(conversation, cx, &own, reader)?;

    let also = Also::Read { key: conversation.key.clone(), id: reader };
    if !moved {
        answer_also(fx, who, acks.into_iter().chain([news]).collect(), also);
        return Ok(());
    }
    conversation.put_reader(fx, &own, Reader { reader, ..own.reader });
    if let Ok(room) = conversation.room() {
        room.forget_mentions(cx, fx, &own.who, reader)?;
    }
    answer_also(fx, who, acks, also);
    notify_of(fx, cx, own.who.phone(), &ses(cx, &own.who)?, news, merge, Seen::after(who), 0)?;
    updated(conversation, cx, fx, who, &own, reader)
}

/// What the reader's own devices are told: how far it and the others have read, what is left; and the key that makes one of several.
fn reading(
    conversation: &Conversation,
    cx: &Cx<'_>,
    own: &Side,
    reader: u64,
) -> Result<(Bytes, Option<Bytes>), Failure> {
    match &conversation.parties {
        Parties::Pair(_) => {
            let reach = Reach::of(cx, &conversation.feed, own)?;
            let other = conversation.other(own);
            let news = Contact {
                phone_id: Some(other.who.to_bytes()),
                reader: Some(ContactReader::Both(vec![reader, other.reader.reader])),
                nread: Some(reach.unread(cx, &own.who, reader)?),
                last_msg: reach.last(cx)?.map(|last| match conversation.fleeting.is_on {
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
/// farthest, at most once a second.
fn updated(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    reader: u64,
) -> Result<(), Halt> {
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
    conversation.show(fx, news, except);
}

/// HISTORY-5: nothing up to here is shown to this roster any more. It may come as a message (MESSAGE-14), which has `acks`.
pub(crate) fn delete(
    conversation: &mut Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: Side,
    acks: Vec<Bytes>,
) -> Result<(), Halt> {
    let mark = conversation.last.unwrap_or(0).min(own.sees.1);
    let acks = acks.into_iter().chain([etf::encode(&Io::ok(Outcome::Cleared))]).collect();
    if own.reader.clear >= mark {
        answer(fx, who, acks);
        return Ok(());
    }
    let reader = Reader { reader: own.reader.reader.max(mark), clear: own.reader.clear.max(mark) };
    conversation.put_reader(fx, &own, reader);
    let news = History {
        roster_id: Some(own.who.to_bytes()),
        feed: Some(Feed::from(&conversation.feed).into()),
        entity_id: Some(mark),
        status: Some(HistoryStatus::Delete),
        ..History::default()
    };
    answer(fx, who, acks);
    notify(fx, cx, own.who.phone(), &ses(cx, &own.who)?, &news, None, Seen::after(who))?;
    Ok(())
}

/// HISTORY-7: around a position, or between two messages.
fn double_get(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let reach = Reach::of(cx, &conversation.feed, own)?;
    if let [one, other] = chosen::named(request)[..] {
        let (first, last) = (one.min(other), one.max(other));
        let mut found = reach.after(cx, first.saturating_sub(1), HISTORY_REQUEST)?;
        found.retain(|message| message.id <= Some(last));
        return respond(conversation, cx, fx, who, request, found);
    }
    let at = request.entity_id.filter(|at| *at > 0).ok_or(Refusal::InvalidData)?;
    let size = request
        .size
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
        .ok_or(Refusal::InvalidData)?;
    let count = size.min(HISTORY_REQUEST / 2);
    let mut found = reach.before(cx, at, count)?;
    let mut rest = reach.after(cx, at - 1, count + 1)?;
    if rest.first().is_none_or(|first| first.id != Some(at)) {
        rest.truncate(count);
    }
    found.append(&mut rest);
    respond(conversation, cx, fx, who, request, found)
}

/// HISTORY-8: everything after what the client holds.
fn last_loaded(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let reach = Reach::of(cx, &conversation.feed, own)?;
    let found = reach.after(cx, request.entity_id.unwrap_or(0), HISTORY_REQUEST)?;
    respond(conversation, cx, fx, who, request, found)
}

/// HISTORY-9.
fn last_msg(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Side,
    request: &History,
) -> Result<(), Halt> {
    let found = Reach::of(cx, &conversation.feed, own)?.last(cx)?.into_iter().collect();
    respond(conversation, cx, fx, who, request, found)
}

/// HISTORY-14: rising, with neighbours filled in as the chain is now.
fn respond(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    request: &History,
    mut found: Vec<Message>,
) -> Result<(), Halt> {
    link(cx, &conversation.key, &mut found)?;
    conclude(conversation, cx, fx, who, request, found)
}

/// HISTORY-14: with readers and replies filled in, cut into records; each says how many are still to come.
fn conclude(
    conversation: &Conversation,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    request: &History,
    mut found: Vec<Message>,
) -> Result<(), Halt> {
    let range = found.first().and_then(|first| first.id).zip(found.last().and_then(|last| last.id));
    let replied = range.map(|(first, last)| reply::any(cx, &conversation.key, first, last)).transpose()?;
    match &conversation.parties {
        Parties::Pair(sides) => {
            for message in &mut found {
                mark_read(sides, cx, message)?;
            }
        }
        Parties::Room(room) => mark_read_by(room, cx, &mut found)?,
    }
    for message in &mut found {
        if let (Some(true), Some(id)) = (replied, message.id) {
            message.repliedby = reply::latest(cx, &conversation.key, id, MESSAGE_IDS)?;
        }
    }
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
            roster_id: request.roster_id.clone(),
            feed: Some(HistoryFeed::Feed((&conversation.feed).into())),
            size: Some(left as i64),
            entity_id: request.entity_id,
            data,
            status: request.status,
        }));
        if left == 0 {
            break;
        }
    }
    answer(fx, who, records);
    Ok(())
}

/// About what a message takes in an answer, bytes: its contents, and a fixed sum for the rest.
fn size(message: &Message) -> usize {
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
fn mark_read_by(room: &Hall, cx: &Cx<'_>, found: &mut [Message]) -> Result<(), Failure> {
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

/// `prev` and `next` as the chain is now, deleted messages skipped (PM-7).
fn link(cx: &Cx<'_>, feed: &[u8], found: &mut [Message]) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (found.first().and_then(|m| m.id), found.last().and_then(|m| m.id)) else {
        return Ok(());
    };
    let mut chain: Vec<u64> = last_kept(cx, feed, first - 1)?.into_iter().collect();
    let mut from = first;
    while from <= last {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, from, last).limit(CHUNK))?;
        let Some((end, _)) = rows.last() else { break };
        from = rows::number(end).unwrap_or(last) + 1;
        for (key, row) in &rows {
            chain.extend(kept(row)?.and(rows::number(key)));
        }
    }
    chain.extend(next_kept(cx, feed, last + 1)?);
    for message in found {
        let Some(at) = message.id.and_then(|id| chain.binary_search(&id).ok()) else {
            continue;
        };
        message.prev = at.checked_sub(1).and_then(|at| chain.get(at)).copied();
        message.next = chain.get(at + 1).copied();
    }
    Ok(())
}

/// A stored message that is not deleted.
fn kept(row: &[u8]) -> Result<Option<Message>, Failure> {
    let message: Message = rows::decode(row)?;
    Ok(Some(message).filter(rows::is_kept))
}

/// Id of the last message not above `to` that is not deleted.
pub(crate) fn last_kept(cx: &Cx<'_>, feed: &[u8], mut to: u64) -> Result<Option<u64>, Failure> {
    loop {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, 0, to).backward().limit(2))?;
        for (key, row) in &rows {
            if kept(row)?.is_some() {
                return Ok(rows::number(key));
            }
        }
        match rows.last().and_then(|(key, _)| rows::number(key)) {
            Some(lowest) if lowest > 0 => to = lowest - 1,
            _ => return Ok(None),
        }
    }
}

fn next_kept(cx: &Cx<'_>, feed: &[u8], mut from: u64) -> Result<Option<u64>, Failure> {
    loop {
        let rows = cx.store.scan(MESSAGE, &rows::numbers(feed, from, u64::MAX).limit(2))?;
        for (key, row) in &rows {
            if kept(row)?.is_some() {
                return Ok(rows::number(key));
            }
        }
        match rows.last().and_then(|(key, _)| rows::number(key)) {
            Some(highest) => from = highest + 1,
            None => return Ok(None),
        }
    }
}

/// Messages on their way into an answer.
struct Found {
    messages: Vec<Message>,
    count: usize,
    bytes: usize,
}

impl Found {
    fn new(count: usize) -> Found {
        Found { messages: Vec::new(), count, bytes: 0 }
    }

    fn wants_more(&self) -> bool {
        self.messages.len() < self.count && self.bytes < REQUEST_BYTES
    }
}

/// HISTORY-14: what a roster sees of a feed.
pub(crate) struct Reach {
    feed: Bytes,
    /// Ids up to here were cleared (HISTORY-5), or lie before the joining of a room.
    clear: u64,
    /// Ids beyond this came when the roster had left.
    upto: u64,
    /// Prefix of the hidden rows, where there are any (MESSAGE-7).
    hidden: Option<Bytes>,
}

impl Reach {
    pub(crate) fn of(cx: &Cx<'_>, feed: &FeedId, own: &Side) -> Result<Reach, Failure> {
        let (after, upto) = own.sees;
        let all = Reach::all(cx, feed, &own.who, own.reader)?;
        Ok(Reach { clear: all.clear.max(after), upto, ..all })
    }

    /// Of a private feed, which has no joining and no leaving.
    pub(crate) fn all(cx: &Cx<'_>, feed: &FeedId, own: &PhoneId, reader: Reader) -> Result<Reach, Failure> {
        let prefix = rows::reader_key(feed, own);
        let some = cx.store.scan(HIDDEN, &rows::numbers(&prefix, 0, u64::MAX).limit(1))?;
        let hidden = (!some.is_empty()).then_some(prefix);
        Ok(Reach { feed: feed.key(), clear: reader.clear, upto: u64::MAX, hidden })
    }

    /// The `count` visible messages nearest below `at`, rising.
    pub(crate) fn before(&self, cx: &Cx<'_>, at: u64, count: usize) -> Result<Vec<Message>, Failure> {
        let (mut found, mut to) = (Found::new(count), at.saturating_sub(1).min(self.upto));
        while found.wants_more() && to > self.clear {
            let span = rows::numbers(&self.feed, self.clear + 1, to).backward().limit(CHUNK.min(2 * count));
            let Some(lowest) = self.take(cx, span, &mut found)? else {
                break;
            };
            to = lowest.saturating_sub(1);
        }
        found.messages.reverse();
        Ok(found.messages)
    }

    /// The `count` visible messages nearest above `at`, rising.
    pub(crate) fn after(&self, cx: &Cx<'_>, at: u64, count: usize) -> Result<Vec<Message>, Failure> {
        let (mut found, mut from) = (Found::new(count), at.max(self.clear).saturating_add(1));
        while found.wants_more() {
            let span = rows::numbers(&self.feed, from, self.upto).limit(CHUNK.min(2 * count));
            let Some(highest) = self.take(cx, span, &mut found)? else {
                break;
            };
            from = highest + 1;
        }
        Ok(found.messages)
    }

    /// Adds the visible messages of `span`; returns the number of its last row, none when it is empty.
    fn take(&self, cx: &Cx<'_>, span: kvs::Span, found: &mut Found) -> Result<Option<u64>, Failure> {
        let mut last = None;
        for (key, row) in cx.store.scan(MESSAGE, &span)? {
            last = rows::number(&key);
            if found.wants_more()
                && let Some(message) = kept(&row)?
                && !self.hides(cx, last)?
            {
                found.bytes += row.len();
                found.messages.push(message);
            }
        }
        Ok(last)
    }

    fn hides(&self, cx: &Cx<'_>, id: Option<u64>) -> Result<bool, Failure> {
        match (&self.hidden, id) {
            (Some(prefix), Some(id)) => Ok(cx.store.get(HIDDEN, &rows::numbered(prefix, id))?.is_some()),
            (None, _) | (_, None) => Ok(false),
        }
    }

    /// The last visible message (HISTORY-9).
    pub(crate) fn last(&self, cx: &Cx<'_>) -> Result<Option<Message>, Failure> {
        Ok(self.before(cx, u64::MAX, 1)?.pop())
    }

    /// The message with this number, if the roster sees it.
    pub(crate) fn get(&self, cx: &Cx<'_>, id: u64) -> Result<Option<Message>, Failure> {
        match self.sees(cx, id)? {
            true => rows::message(cx.store, &self.feed, id),
            false => Ok(None),
        }
    }

    /// Visible messages of others beyond the own reader, at most [`UNREAD`]; what the server says of a room, and what is pending, is not
    /// counted.
    pub(crate) fn unread(&self, cx: &Cx<'_>, own: &PhoneId, reader: u64) -> Result<u64, Failure> {
        let (own, mut count, mut from) = (own.to_bytes(), 0, reader.max(self.clear) + 1);
        let (mut looked, mut bytes) = (0, 0);
        while looked < LOOK_MAX && bytes < LOOK_BYTES {
            let rows = cx.store.scan(MESSAGE, &rows::numbers(&self.feed, from, self.upto).limit(CHUNK))?;
            let Some(last) = rows.last().and_then(|(key, _)| rows::number(key)) else { break };
            (looked, from) = (looked + rows.len(), last + 1);
            bytes += rows.iter().map(|(_, row)| row.len()).sum::<usize>();
            for (key, row) in rows {
                let counts = |message: &Message| {
                    !rows::is_pending(message)
                        && !message.r#type.contains(&Mark::Sys)
                        && message.from.as_ref() != Some(&own)
                };
                if kept(&row)?.filter(counts).is_some() && !self.hides(cx, rows::number(&key))? {
                    count += 1;
                    if count == UNREAD {
                        return Ok(count);
                    }
                }
            }
        }
        Ok(count)
    }

    /// Whether the roster sees this message.
    pub(crate) fn sees(&self, cx: &Cx<'_>, id: u64) -> Result<bool, Failure> {
        Ok(id > self.clear && id <= self.upto && !self.hides(cx, Some(id))?)
    }
}
