//! What is due, read from the store: letters of a feed with their changes, and an account's notices (DLV-1, DLV-7, DLV-9).

use std::collections::HashMap;

use bytes::Bytes;
use mail::Cursor;
use n2o::Failure;
use proto::ids::{FeedId, Phone};
use proto::records::{Feed, History, HistoryStatus, Message};

use super::queue::{AHEAD_BYTES, Line, Notices};
use crate::Cx;
use crate::protocol::history::{self, Gone};
use crate::rows::{self, CHANGE, CHANGED, Change, DUPLICATE, Kept, MESSAGE, NEWS, NOTICE, News};

/// Entries read ahead of a stream at a time.
const AHEAD: usize = 32;
/// Notices looked at together, so that newer ones replace older ones.
const NOTICES_AHEAD: usize = 1024;
const NOTICES_BYTES: usize = 1 << 20;

/// One entry of a stream, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) seq: u64,
    /// Number of the message; of a notice its own.
    pub(super) id: u64,
    pub(super) item: Item,
    /// Later entries that this item stands for as well.
    pub(super) covers: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    /// The `echo` of what this device sent is acknowledged by the transport (DLV-3); a `receipt` is owed to its author (MESSAGE-12).
    Letter { payload: Bytes, print: Option<u64>, echo: bool, receipt: bool },
    /// The number of the last part was `drawn` then, in milliseconds.
    Notice { topic: Bytes, payload: Bytes, drawn: u64 },
    /// A notice to all members of a room.
    News { payload: Bytes },
    /// In place of messages that were dropped: where HISTORY-8 has them (DLV-10).
    CatchUp { payload: Bytes },
    /// Nothing to send: acknowledged before, or covered.
    Passed,
    /// Part of an earlier notice of the same item (DLV-9).
    Merged,
}

/// Number of the first entry of a private feed that the cursor does not cover, roughly: there may be none behind it.
pub(super) fn first_letter(cx: &Cx<'_>, feed: &[u8], before: &Cursor) -> Result<Option<u64>, Failure> {
    let span = rows::numbers(feed, before.upto + 1, u64::MAX);
    Ok([first_row(cx, MESSAGE, &span)?, first_row(cx, CHANGE, &span)?].into_iter().flatten().min())
}

pub(super) fn first_notice(cx: &Cx<'_>, owner: &[u8], before: &Cursor) -> Result<Option<u64>, Failure> {
    first_row(cx, NOTICE, &rows::numbers(owner, before.upto + 1, u64::MAX))
}

/// The same of a room: of what the device may hear.
pub(super) fn first(cx: &Cx<'_>, line: &Line) -> Result<Option<u64>, Failure> {
    let mut from = line.stream.top() + 1;
    while let Some((first, last)) = line.spans.next(from) {
        let span = rows::numbers(&line.key, first, last);
        let mut found = None;
        for table in [MESSAGE, CHANGE, NEWS] {
            found = [found, first_row(cx, table, &span)?].into_iter().flatten().min();
        }
        if found.is_some() || last == u64::MAX {
            return Ok(found);
        }
        from = last + 1;
    }
    Ok(None)
}

fn first_row(cx: &Cx<'_>, table: kvs::Table, span: &kvs::Span) -> Result<Option<u64>, Failure> {
    let rows = cx.store.scan(table, &span.clone().limit(1))?;
    Ok(rows.first().and_then(|(key, _)| rows::number(key)))
}

/// The next entries of a feed behind what was sent, in order, for a device of this account.
pub(super) fn letters(cx: &Cx<'_>, line: &Line, owner: &[u8]) -> Result<Vec<Due>, Failure> {
    let dropped = line.dropped.filter(|dropped| line.stream.top() < dropped.upto);
    let mut from = dropped.map_or(line.stream.top(), |dropped| dropped.upto) + 1;
    let mut due = Vec::new();
    due.extend(dropped.map(|dropped| {
        let item = Item::CatchUp { payload: catch_up(line, dropped.first) };
        Due { seq: dropped.upto, id: dropped.upto, item, covers: Vec::new() }
    }));
    while let Some((first, last)) = line.spans.next(from) {
        due.extend(entries(cx, line, owner, first, last)?);
        if !due.is_empty() || last == u64::MAX {
            break;
        }
        from = last + 1;
    }
    due.truncate(within(&due));
    Ok(due)
}

/// The first entries of a stretch of the feed.
fn entries(cx: &Cx<'_>, line: &Line, owner: &[u8], first: u64, last: u64) -> Result<Vec<Due>, Failure> {
    let span = rows::numbers(&line.key, first, last).limit(AHEAD).bytes(AHEAD_BYTES);
    let messages = cx.store.scan(MESSAGE, &span)?;
    let changes = cx.store.scan(CHANGE, &span)?;
    let news = match line.feed {
        FeedId::P2p(..) => Vec::new(),
        FeedId::Room(_) => cx.store.scan(NEWS, &span)?,
    };
    // Beyond the last entry of a table's part that was cut, the others' may be out of order.
    let size = |rows: &[kvs::Entry]| rows.iter().map(|(_, row)| row.len()).sum::<usize>();
    let is_cut = |rows: &&Vec<kvs::Entry>| rows.len() == AHEAD || size(rows) >= AHEAD_BYTES;
    let full = [&messages, &changes, &news].into_iter().filter(is_cut);
    let reach = full.filter_map(|rows| rows.last()).filter_map(|(key, _)| rows::number(key)).min().unwrap_or(u64::MAX);
    let gone = match Phone::parse(owner) {
        Ok(phone) if !(messages.is_empty() && changes.is_empty()) => {
            Some(Gone::of(cx, &line.feed, &phone, &rows::roster_ids(cx.store, &phone)?)?)
        }
        Ok(_) | Err(_) => None,
    };
    let is_gone = |id| gone.as_ref().map_or(Ok(false), |gone| gone.has(cx, id));
    // A change comes behind its message: where there is none from here on, no message has one.
    let changed = !changes.is_empty();
    let mut due = Vec::with_capacity(messages.len() + changes.len() + news.len());
    for (key, row) in messages {
        let seq = rows::number(&key).unwrap_or_default();
        if seq <= reach {
            due.push(letter(cx, line, is_gone, seq, row, changed)?);
        }
    }
    for (key, row) in changes {
        let seq = rows::number(&key).unwrap_or_default();
        if seq <= reach {
            due.push(change(cx, line, is_gone, seq, rows::decode(&row)?)?);
        }
    }
    due.extend(told(line, news, reach)?);
    due.sort_unstable_by_key(|due| due.seq);
    Ok(due)
}

/// Notices of a room; of those with one merge key one, in the first one's place with the last one's content (DLV-9).
fn told(line: &Line, rows: Vec<kvs::Entry>, reach: u64) -> Result<Vec<Due>, Failure> {
    let mut due: Vec<Due> = Vec::with_capacity(rows.len());
    let mut by_merge: HashMap<Bytes, usize> = HashMap::new();
    for (key, row) in rows {
        let seq = rows::number(&key).unwrap_or_default();
        if seq > reach {
            break;
        }
        let passed = Due { seq, id: seq, item: Item::Passed, covers: Vec::new() };
        let kept: News = rows::decode(&row)?;
        // Also one that was taken for covered: the first one, which was not acknowledged, comes again with its content.
        let first = kept.merge.as_ref().and_then(|merge| by_merge.get(merge)).and_then(|at| due.get_mut(*at));
        if let Some(Due { item: Item::News { payload }, .. }) = first
            && let Some(merged) = mail::merge::merge(payload, &kept.payload)
        {
            *payload = merged;
            due.push(Due { item: Item::Merged, ..passed });
            continue;
        }
        if line.stream.is_acknowledged_before(seq) {
            due.push(passed);
            continue;
        }
        if let Some(merge) = kept.merge {
            by_merge.insert(merge, due.len());
        }
        due.push(Due { item: Item::News { payload: kept.payload }, ..passed });
    }
    Ok(due)
}

/// How many of the entries stand ahead: the rest is read again when these are out.
fn within(due: &[Due]) -> usize {
    let mut bytes = 0;
    let fits = due.iter().take_while(|due| {
        let room = bytes < AHEAD_BYTES;
        bytes += due.bytes();
        room
    });
    fits.count()
}

impl Due {
    /// What it takes in memory, about, bytes.
    pub(super) fn bytes(&self) -> usize {
        match &self.item {
            Item::Letter { payload, .. }
            | Item::Notice { payload, .. }
            | Item::News { payload }
            | Item::CatchUp { payload } => payload.len(),
            Item::Passed | Item::Merged => 0,
        }
    }
}

/// DLV-10: tells the device to fetch the feed from here.
pub(super) fn catch_up(line: &Line, first: u64) -> Bytes {
    etf::encode(&History {
        feed: Some(Feed::from(&line.feed).into()),
        entity_id: Some(first),
        status: Some(HistoryStatus::LastLoaded),
        ..History::default()
    })
}

/// A message as it is now: what was changed since it was sent first is part of it.
fn letter(
    cx: &Cx<'_>,
    line: &Line,
    is_gone: impl Fn(u64) -> Result<bool, Failure>,
    seq: u64,
    row: Bytes,
    changed: bool,
) -> Result<Due, Failure> {
    // That it was hidden may have been told before: it would come back.
    if line.stream.is_acknowledged_before(seq) || is_gone(seq)? {
        return Ok(Due { seq, id: seq, item: Item::Passed, covers: Vec::new() });
    }
    let message: Message = rows::decode(&row)?;
    let change: Option<u64> = match changed {
        true => rows::read(cx.store, CHANGED, &rows::numbered(&line.key, seq))?,
        false => None,
    };
    let item = shown(cx, line, message, row)?;
    Ok(Due { seq, id: seq, item, covers: change.into_iter().collect() })
}

/// What became of a message that the device has had before.
fn change(
    cx: &Cx<'_>,
    line: &Line,
    is_gone: impl Fn(u64) -> Result<bool, Failure>,
    seq: u64,
    change: Change,
) -> Result<Due, Failure> {
    let id = change.id;
    let passed = Due { seq, id, item: Item::Passed, covers: Vec::new() };
    if line.stream.is_acknowledged_before(seq) || !line.spans.admits(seq, id) || is_gone(id)? {
        return Ok(passed);
    }
    let Some(row) = cx.store.get(MESSAGE, &rows::numbered(&line.key, id))? else {
        return Ok(passed);
    };
    let stored: Message = rows::decode(&row)?;
    let status = stored.status.or(change.status);
    let message = Message { status, ..stored };
    let row = rows::encode(&message);
    let item = shown(cx, line, message, row)?;
    Ok(Due { seq, id, item, covers: Vec::new() })
}

/// `prev` names a message that is still there (PM-7).
fn shown(cx: &Cx<'_>, line: &Line, message: Message, row: Bytes) -> Result<Item, Failure> {
    let print = Some(rows::fingerprint(message.msg_id.as_deref().unwrap_or_default()));
    let echo = is_echo(cx, line, &message)?;
    let receipt =
        message.status.is_none() && line.peer.as_ref().is_some_and(|peer| message.from == Some(peer.to_bytes()));
    let payload = match message.prev {
        Some(prev) if rows::message(cx.store, &line.key, prev)?.is_none() => {
            rows::encode(&Message { prev: history::last_kept(cx, &line.key, prev)?, ..message })
        }
        Some(_) | None => row,
    };
    Ok(Item::Letter { payload, print, echo, receipt })
}

/// Whether it was sent from this device.
fn is_echo(cx: &Cx<'_>, line: &Line, message: &Message) -> Result<bool, Failure> {
    let (Some(from), Some(msg_id)) = (&message.from, &message.msg_id) else {
        return Ok(false);
    };
    let sent: Option<rows::Sent> = rows::read(cx.store, DUPLICATE, &rows::duplicate_key(&line.key, from, msg_id))?;
    Ok(sent.is_some_and(|sent| *sent.client == *line.client.as_bytes()))
}

/// The next notices; of those with one merge key one, in the first one's place with the last one's content.
pub(super) fn notices(cx: &Cx<'_>, owner: &[u8], queue: &Notices) -> Result<Vec<Due>, Failure> {
    // Those that were sent or taken may fill the first parts: the position follows them only after a while.
    let mut from = queue.inbox.upto() + 1;
    loop {
        let span = rows::numbers(owner, from, u64::MAX).limit(NOTICES_AHEAD).bytes(NOTICES_BYTES);
        let rows = cx.store.scan(NOTICE, &span)?;
        let last = rows.last().and_then(|(key, _)| rows::number(key));
        let due = new_notices(cx, rows, queue)?;
        match last {
            Some(last) if due.is_empty() => from = last + 1,
            Some(_) | None => return Ok(due),
        }
    }
}

fn new_notices(cx: &Cx<'_>, rows: Vec<kvs::Entry>, queue: &Notices) -> Result<Vec<Due>, Failure> {
    let mut due: Vec<Due> = Vec::with_capacity(rows.len());
    let mut by_merge: HashMap<Bytes, usize> = HashMap::new();
    for (key, row) in rows {
        let seq = rows::number(&key).unwrap_or_default();
        if !queue.inbox.is_new(seq) {
            continue;
        }
        let kept: Kept = rows::decode(&row)?;
        if kept.is_over(cx.now.0) {
            continue;
        }
        let first = kept.merge.as_ref().and_then(|merge| by_merge.get(merge)).and_then(|at| due.get_mut(*at));
        // What is told to all rosters (`ac/`) is kept as one of them's: it is not merged with what is told of that one (`ses/`), either way.
        if let Some(Due { item: Item::Notice { topic, payload, drawn }, covers, .. }) = first
            && *topic == kept.topic
            && let Some(merged) = mail::merge::merge(payload, &kept.payload)
        {
            (*payload, *drawn) = (merged, kept.created);
            covers.push(seq);
            continue;
        }
        if let Some(merge) = kept.merge {
            by_merge.insert(merge, due.len());
        }
        due.push(Due {
            seq,
            id: seq,
            item: Item::Notice { topic: kept.topic, payload: kept.payload, drawn: kept.created },
            covers: Vec::new(),
        });
    }
    Ok(due)
}
