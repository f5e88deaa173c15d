//! Retained messages of the free topics. Ours, because the router forgets them at any empty payload, shows them once per
//! subscription at most, and knows none of the retain handling of 5.0.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{envelope, spelling};
use crate::message::Message;

/// Topics with a retained message; beyond, further topics retain nothing.
const TOPICS_MAX: usize = 100_000;
/// Bytes of topics and payloads retained, in all.
const BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Retained {
    kept: HashMap<String, Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    message: Arc<Message>,
    since: Instant,
}

impl Kept {
    /// Seconds left to live: `Some(None)` is for ever, `None` is over.
    fn left(&self, now: Instant) -> Option<Option<u32>> {
        match self.message.properties.as_ref().and_then(|known| known.message_expiry_interval) {
            None => Some(None),
            Some(life) => {
                let age = now.saturating_duration_since(self.since);
                let left = Duration::from_secs(u64::from(life)).checked_sub(age)?;
                Some(Some(left.as_secs() as u32)).filter(|left| *left != Some(0))
            }
        }
    }
}

impl Retained {
    /// Replaces what is kept on the topic; an empty payload only takes it away.
    pub(super) fn keep(&mut self, message: &Message, now: Instant) {
        if let Some(old) = self.kept.remove(&message.topic) {
            self.bytes -= size(&old.message);
        }
        let full = self.kept.len() >= TOPICS_MAX || self.bytes + size(message) > BYTES_MAX;
        if full || envelope::clears(&message.payload) {
            return;
        }
        self.bytes += size(message);
        let message = Message { payload: Bytes::copy_from_slice(&message.payload), ..message.clone() };
        self.kept.insert(message.topic.clone(), Kept { message: Arc::new(message), since: now });
    }

    /// Those that `filter` names and that have not expired.
    pub(super) fn matching(&mut self, filter: &str, now: Instant) -> Vec<Arc<Message>> {
        self.kept.retain(|_, kept| {
            let alive = kept.left(now).is_some();
            if !alive {
                self.bytes -= size(&kept.message);
            }
            alive
        });
        let found = self.kept.values().filter(|kept| spelling::matches(filter, &kept.message.topic));
        found.map(|kept| aged(kept, now)).collect()
    }
}

/// The message with the life that it has left ([MQTT-3.3.2-6]).
fn aged(kept: &Kept, now: Instant) -> Arc<Message> {
    let Some(Some(left)) = kept.left(now) else {
        return kept.message.clone();
    };
    let mut message = (*kept.message).clone();
    if let Some(known) = &mut message.properties {
        known.message_expiry_interval = Some(left);
    }
    Arc::new(message)
}

fn size(message: &Message) -> usize {
    message.topic.len() + message.payload.len()
}
