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
    /// A system message is nobody's to answer.
    pub(super) fn note(&mut self, message: &Message, own: &str) {
        if message.r#type.contains(&Mark::Sys) {
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
    pub(super) fn keep(&mut self, id: Option<u64>, files: Vec<Desc>) {
        if let Some(one) = self.messages.iter_mut().find(|one| Some(one.id) == id) {
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
