//! Retained messages of the free topics (section 3.3.1.3), in the order of their topics.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::book::Book;
use super::filter;
use super::rows::{self, Clock, Letter, RETAINED};
use super::shelf::Guard;
use crate::message::Message;
use crate::packet::Qos;

/// Topics with a retained message; beyond, further topics retain nothing.
const TOPICS_MAX: usize = 100_000;
/// Bytes of all of them.
const BYTES_MAX: usize = 64 << 20;
/// Topics looked at in one go: nobody waits long for the lock.
const STEP: usize = 1024;
/// Messages found in one go.
const FOUND_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Retained {
    kept: BTreeMap<Arc<str>, Kept>,
    bytes: usize,
    /// Of the message kept last.
    last: u64,
    /// Where the search for expired ones goes on.
    swept: Option<Arc<str>>,
    /// Topics whose rows are older than they are: QoS 0 is kept with the next sweep, the last one of each topic.
    late: HashSet<Arc<str>>,
    book: Arc<Book>,
}

struct Kept {
    message: Arc<Message>,
    number: u64,
    row: Guard,
}

/// Where a reader of what a filter names is. It sees what was kept before it began: what came later, it gets as it comes.
#[derive(Debug)]
pub(super) struct Cursor {
    filter: Arc<str>,
    until: u64,
    seen: Option<Arc<str>>,
}

impl Cursor {
    pub(super) fn filter(&self) -> &Arc<str> {
        &self.filter
    }
}

impl Retained {
    pub(super) fn new(book: Arc<Book>) -> Retained {
        Retained { book, ..Retained::default() }
    }

    /// Replaces what is kept on the topic; an empty payload only takes it away ([MQTT-3.3.1-6]). True: a row was written or erased that its
    /// publisher has to wait for.
    pub(super) fn keep(&mut self, message: &Arc<Message>) -> bool {
        let old = self.remove(&message.topic);
        let waits = message.qos != Qos::Zero && self.book.keeps();
        let full = self.kept.len() >= TOPICS_MAX || self.bytes + message.size() > BYTES_MAX;
        if message.payload.is_empty() {
            return waits && old.is_some();
        }
        if full {
            tracing::debug!("as many retained messages as there may be: one is not kept");
            return waits && old.is_some();
        }
        let row = old.unwrap_or_else(|| self.row(self.book.number()));
        if waits {
            row.put(&Letter::of(message, Clock::now()));
        } else if self.book.keeps() {
            self.late.insert(message.topic.clone());
        }
        self.insert(message.clone(), row);
        waits
    }

    /// One that was kept when the server ended.
    pub(super) fn found(&mut self, number: u64, message: Message) {
        let row = self.row(number);
        self.insert(Arc::new(message), row);
    }

    /// All of them are.
    pub(super) fn is_settled(&self) -> bool {
        self.late.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }

    fn row(&self, number: u64) -> Guard {
        Guard::new(&self.book, RETAINED, rows::key(number))
    }

    fn insert(&mut self, message: Arc<Message>, row: Guard) {
        self.bytes += message.size();
        self.last += 1;
        self.kept.insert(message.topic.clone(), Kept { message, number: self.last, row });
    }

    fn remove(&mut self, topic: &str) -> Option<Guard> {
        let old = self.kept.remove(topic)?;
        self.bytes -= old.message.size();
        Some(old.row)
    }

    /// Brings rows up to date: a part of them at a time.
    pub(super) fn settle(&mut self) {
        let clock = Clock::now();
        let part: Vec<Arc<str>> = self.late.iter().take(STEP).cloned().collect();
        for topic in part {
            self.late.remove(&topic);
            if let Some(kept) = self.kept.get(&topic) {
                kept.row.put(&Letter::of(&kept.message, clock));
            }
        }
    }

    pub(super) fn cursor(&self, filter: Arc<str>) -> Cursor {
        Cursor { filter, until: self.last, seen: None }
    }

    /// The next few that the cursor's filter names and that are not over; true when that was all.
    pub(super) fn step(&self, cursor: &mut Cursor, now: Instant, found: &mut Vec<Arc<Message>>) -> bool {
        let stem = stem(&cursor.filter);
        let from = match &cursor.seen {
            Some(seen) => Bound::Excluded(&**seen),
            None => Bound::Included(stem),
        };
        let mut range =
            self.kept.range::<str, _>((from, Bound::Unbounded)).take_while(|(topic, _)| topic.starts_with(stem));
        for _ in 0..STEP {
            let Some((topic, kept)) = range.next() else {
                return true;
            };
            if kept.number <= cursor.until && !kept.message.is_over(now) && filter::matches(&cursor.filter, topic) {
                found.push(kept.message.clone());
            }
            cursor.seen = Some(topic.clone());
            if found.len() >= FOUND_MAX {
                return false;
            }
        }
        false
    }

    /// Forgets what is over, a part of the topics at a time.
    pub(super) fn sweep(&mut self, now: Instant) {
        let from = match &self.swept {
            Some(swept) => Bound::Excluded(&**swept),
            None => Bound::Unbounded,
        };
        let part: Vec<_> = self.kept.range::<str, _>((from, Bound::Unbounded)).take(STEP).collect();
        let swept = part.last().filter(|_| part.len() == STEP).map(|(topic, _)| (*topic).clone());
        let over: Vec<Arc<str>> =
            part.into_iter().filter(|(_, kept)| kept.message.is_over(now)).map(|(topic, _)| topic.clone()).collect();
        self.swept = swept;
        self.settle();
        for topic in over {
            self.remove(&topic);
        }
    }
}

/// What every topic that the filter names begins with.
fn stem(filter: &str) -> &str {
    let stem = filter.split_once(['+', '#']).map_or(filter, |(stem, _)| stem);
    // `sport/#` names `sport` as well.
    if filter.ends_with("/#") { stem.strip_suffix('/').unwrap_or(stem) } else { stem }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::packet::Qos;

    fn message(topic: &str, payload: &'static str) -> Arc<Message> {
        Arc::new(Message { retain: true, ..Message::plain(topic, payload, Qos::One) })
    }

    fn all(retained: &Retained, cursor: &mut Cursor, now: Instant) -> Vec<String> {
        let mut found = Vec::new();
        while !retained.step(cursor, now, &mut found) {}
        found.iter().map(|message| message.topic.to_string()).collect()
    }

    #[test]
    fn con_10_a_filter_finds_what_it_names_and_nothing_else() {
        let mut retained = Retained::default();
        for topic in ["a", "a!", "a/b", "a/b/c", "ab", "$x/a", "/", "é/b"] {
            retained.keep(&message(topic, "kept"));
        }
        let now = Instant::now();
        let found = |filter: &str| all(&retained, &mut retained.cursor(filter.into()), now);
        assert_eq!(found("a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(found("+/b"), ["a/b", "é/b"]);
        assert_eq!(found("a/b"), ["a/b"]);
        assert_eq!(found("#"), ["/", "a", "a!", "a/b", "a/b/c", "ab", "é/b"]);
        assert_eq!(found("$x/+"), ["$x/a"]);
    }

    #[test]
    fn con_10_a_reader_sees_what_was_there_when_it_began_once() {
        let mut retained = Retained::default();
        for number in 0..FOUND_MAX * 2 {
            retained.keep(&message(&format!("t/{number:04}"), "old"));
        }
        let mut cursor = retained.cursor("t/#".into());
        let mut found = Vec::new();
        assert!(!retained.step(&mut cursor, Instant::now(), &mut found));
        assert_eq!(found.len(), FOUND_MAX);
        // Replaced meanwhile: it comes as what it is now, a new message. Taken away: it does not come.
        retained.keep(&message("t/0100", "new"));
        retained.keep(&message("t/0101", ""));
        let mut rest = Vec::new();
        while !retained.step(&mut cursor, Instant::now(), &mut rest) {}
        assert_eq!(rest.len(), FOUND_MAX - 2);
    }

    #[test]
    fn con_10_what_is_over_is_not_found_and_forgotten_by_and_by() {
        let mut retained = Retained::default();
        let now = Instant::now();
        let short = Message { expires: Some(now + Duration::from_secs(1)), ..(*message("short", "x")).clone() };
        retained.keep(&Arc::new(short));
        retained.keep(&message("long", "x"));
        let later = now + Duration::from_secs(2);
        let mut found = Vec::new();
        retained.step(&mut retained.cursor("#".into()), later, &mut found);
        assert_eq!(found.len(), 1);
        retained.sweep(later);
        assert_eq!((retained.kept.len(), retained.bytes), (1, found[0].size()));
    }
}
