//! The messages shown lately, so that a person can name one by its number, or mean the last.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::{Desc, Feed, Mark, Message};

/// Messages remembered; older ones are shown again by `history`.
const SEEN_MAX: usize = 2000;

#[derive(Debug, Default)]
pub(super) struct Seen {
    messages: VecDeque<One>,
}

#[derive(Debug, Clone)]
pub(super) struct One {
    pub(super) id: u64,
    pub(super) feed: Feed,
    pub(super) msg_id: Option<Bytes>,
    pub(super) is_own: bool,
    /// Its files, as far as they are known.
    pub(super) files: Vec<Desc>,
}

impl Seen {
    /// A system message is nobody's to answer, and what says only by which messages one is answered (MESSAGE-8) has no author.
    pub(super) fn note(&mut self, message: &Message, own: &str) {
        if message.r#type.contains(&Mark::Sys) || message.from.is_none() {
            return;
        }
        let (Some(id), Some(feed)) = (message.id, message.feed_id.clone()) else { return };
        self.messages.retain(|one| one.id != id);
        let is_own = message.from.as_deref() == Some(own.as_bytes());
        if self.messages.len() >= SEEN_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(One { id, feed, msg_id: message.msg_id.clone(), is_own, files: Vec::new() });
    }

    /// What was found in a message.
    pub(super) fn keep(&mut self, message: &Message, files: Vec<Desc>) {
        if let (Some(_), Some(one)) = (&message.from, self.messages.iter_mut().find(|one| Some(one.id) == message.id)) {
            one.files = files;
        }
    }

    pub(super) fn number(&self, id: u64) -> Option<&One> {
        self.messages.iter().find(|one| one.id == id)
    }

    /// The latest of a feed, or of all; one's own, or another's.
    pub(super) fn last(&self, feed: Option<&Feed>, own: bool) -> Option<&One> {
        let fits = |one: &&One| one.is_own == own && feed.is_none_or(|feed| one.feed == *feed);
        self.messages.iter().filter(fits).max_by_key(|one| one.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_8_one_that_is_answered_stays_whose_it_is_and_keeps_its_files() {
        let feed = crate::private("38001_1", "38002_2").ok();
        let written =
            Message { id: Some(7), feed_id: feed.clone(), from: Some("38001_1".into()), ..Message::default() };
        let answered = Message { from: None, repliedby: vec![9], ..written.clone() };
        let mut seen = Seen::default();
        seen.note(&written, "38001_1");
        seen.keep(&written, vec![Desc::default()]);
        seen.note(&answered, "38001_1");
        seen.keep(&answered, Vec::new());
        let one = seen.number(7).expect("it was shown");
        assert!(one.is_own && one.files.len() == 1);
    }
}
