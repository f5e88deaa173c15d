//! HISTORY-14: what a roster sees of a feed.

use std::cell::Cell;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::{FeedId, Phone, PhoneId};
use proto::limits::UNREAD;
use proto::records::{Mark, Message};

use super::chain::kept;
use crate::Cx;
use crate::process::conversation::Side;
use crate::rows::{self, HIDDEN, IN_ROOM, MESSAGE, READER, Reader};

/// Rows taken from the store at a time, and bytes of them.
const CHUNK: usize = 32;
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// Rows that a count of unread messages looks at; almost all of them count.
const LOOK_MAX: usize = 2 * UNREAD as usize;
/// Stored bytes that it reads; of a feed with messages so large it counts a part.
pub(super) const LOOK_BYTES: usize = 32 << 20;
/// Stored bytes that one request takes from the store at most; a request for more of that size is answered in part.
pub(super) const REQUEST_BYTES: usize = 8 << 20;

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
    pub(super) feed: Bytes,
    /// Ids up to here were cleared (HISTORY-5), or lie before the joining of a room.
    pub(super) clear: u64,
    /// Ids beyond this came when the roster had left.
    pub(super) upto: u64,
    /// Prefix of the rows of what the roster has hidden from itself (MESSAGE-7), and what is known of them.
    hidden: Bytes,
    known: Cell<Known>,
}

/// Few feeds have anything hidden, and often only one message of a feed is asked about.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    /// One message was looked up.
    One,
    Any(bool),
}

/// What the rosters of an account in a feed have hidden or cleared, all of them (MESSAGE-7, HISTORY-5).
pub(crate) struct Gone(Vec<Reach>);

impl Gone {
    pub(crate) fn of(cx: &Cx<'_>, feed: &FeedId, own: &Phone, rosters: &[u64]) -> Result<Gone, Failure> {
        let mut reaches = Vec::new();
        for roster in rosters {
            let who = own.roster(*roster);
            let is_in = match feed {
                FeedId::P2p(one, other) => who == *one || who == *other,
                FeedId::Room(room) => cx.store.get(IN_ROOM, &rows::in_room_key(&who, room))?.is_some(),
            };
            if is_in {
                let reader: Option<Reader> = rows::read(cx.store, READER, &rows::reader_key(feed, &who))?;
                reaches.push(Reach::all(feed, &who, reader.unwrap_or_default()));
            }
        }
        Ok(Gone(reaches))
    }

    /// Whether this message is; none is where the account is not in the feed.
    pub(crate) fn has(&self, cx: &Cx<'_>, id: u64) -> Result<bool, Failure> {
        for reach in &self.0 {
            if reach.sees(cx, id)? {
                return Ok(false);
            }
        }
        Ok(!self.0.is_empty())
    }
}

impl Reach {
    pub(crate) fn of(feed: &FeedId, own: &Side) -> Reach {
        let (after, upto) = own.sees;
        let all = Reach::all(feed, &own.who, own.reader);
        Reach { clear: all.clear.max(after), upto, ..all }
    }

    /// Of a private feed, which has no joining and no leaving.
    pub(crate) fn all(feed: &FeedId, own: &PhoneId, reader: Reader) -> Reach {
        Reach::at(feed.key(), own, reader)
    }

    /// The same of the feed that has this key.
    pub(crate) fn at(feed: Bytes, own: &PhoneId, reader: Reader) -> Reach {
        let hidden = rows::reader_at(&feed, own);
        Reach { feed, clear: reader.clear, upto: u64::MAX, hidden, known: Cell::new(Known::Nothing) }
    }

    /// The same where it is known that no number is higher.
    pub(crate) fn upto(self, highest: Option<u64>) -> Reach {
        Reach { upto: highest.unwrap_or(self.upto), ..self }
    }

    /// The `count` visible messages nearest below `at`, rising.
    pub(crate) fn before(&self, cx: &Cx<'_>, at: u64, count: usize) -> Result<Vec<Message>, Failure> {
        let (mut found, mut to) = (Found::new(count), at.saturating_sub(1).min(self.upto));
        while found.wants_more() && to > self.clear {
            let span =
                rows::numbers(&self.feed, self.clear + 1, to).backward().limit(CHUNK.min(2 * count)).bytes(CHUNK_BYTES);
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
            let span = rows::numbers(&self.feed, from, self.upto).limit(CHUNK.min(2 * count)).bytes(CHUNK_BYTES);
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
        let Some(id) = id else { return Ok(false) };
        if let Known::One = self.known.get() {
            let any = cx.store.scan(HIDDEN, &rows::numbers(&self.hidden, 0, u64::MAX).limit(1))?;
            self.known.set(Known::Any(!any.is_empty()));
        }
        match self.known.get() {
            Known::Any(false) => return Ok(false),
            Known::Any(true) | Known::One => {}
            Known::Nothing => self.known.set(Known::One),
        }
        Ok(cx.store.get(HIDDEN, &rows::numbered(&self.hidden, id))?.is_some())
    }

    /// The last visible message (HISTORY-9). Often it is the one with the highest number that there can be.
    pub(crate) fn last(&self, cx: &Cx<'_>) -> Result<Option<Message>, Failure> {
        if self.upto < u64::MAX
            && let Some(last) = self.get(cx, self.upto)?
        {
            return Ok(Some(last));
        }
        Ok(self.before(cx, u64::MAX, 1)?.pop())
    }

    /// The last visible message, and how many are unread beyond this reader: none, where that one has been read.
    pub(crate) fn standing(&self, cx: &Cx<'_>, own: &PhoneId, reader: u64) -> Result<(Option<Message>, u64), Failure> {
        let last = self.last(cx)?;
        let unread = match last.as_ref().and_then(|last| last.id) {
            Some(last) if last > reader => self.unread(cx, own, reader)?,
            Some(_) | None => 0,
        };
        Ok((last, unread))
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
            let rows =
                cx.store.scan(MESSAGE, &rows::numbers(&self.feed, from, self.upto).limit(CHUNK).bytes(CHUNK_BYTES))?;
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
        Ok(self.holds(id) && !self.hides(cx, Some(id))?)
    }

    /// Whether the roster saw this message, though it may have hidden it since.
    pub(crate) fn holds(&self, id: u64) -> bool {
        id > self.clear && id <= self.upto
    }
}
