//! What is known of pushes that wait for another try, for the operator: in memory, since each is tried anew when the server starts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A push that a gateway has not taken yet.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    pub(crate) client_id: Bytes,
    pub(crate) tries: u64,
    /// The gateway's last words, or why it was not tried.
    pub(crate) why: String,
    /// Milliseconds: when that was, and when it is tried again.
    pub(crate) since: u64,
    pub(crate) again: u64,
}

/// Those of one gateway; no more than its lane has under way and waiting.
#[derive(Debug, Default)]
pub(crate) struct Queued(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waits: BTreeMap<u64, Wait>,
    stranger: Option<Stranger>,
}

/// The gateway does not know us.
#[derive(Debug, Clone)]
pub(crate) struct Stranger {
    pub(crate) why: String,
    /// Milliseconds.
    pub(crate) since: u64,
}

impl Queued {
    pub(super) fn wait(&self, number: u64, wait: Wait) {
        self.state().waits.insert(number, wait);
    }

    /// Waits for its turn; what a gateway has said of it stays.
    pub(super) fn pass(&self, number: u64, wait: Wait) {
        let mut state = self.state();
        state.waits.entry(number).and_modify(|kept| kept.again = wait.again).or_insert(wait);
    }

    pub(super) fn end(&self, number: u64) {
        self.state().waits.remove(&number);
    }

    /// Whether that is news.
    pub(super) fn refuse_us(&self, why: &str, since: u64) -> bool {
        let mut state = self.state();
        let is_news = state.stranger.is_none();
        let since = state.stranger.as_ref().map_or(since, |known| known.since);
        state.stranger = Some(Stranger { why: why.to_owned(), since });
        is_news
    }

    /// Whether that is news.
    pub(super) fn know_us(&self) -> bool {
        self.state().stranger.take().is_some()
    }

    pub(crate) fn stranger(&self) -> Option<Stranger> {
        self.state().stranger.clone()
    }

    /// The oldest first.
    pub(crate) fn first(&self, count: usize) -> Vec<Wait> {
        self.state().waits.values().take(count).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
