//! A sealed message counts once: the server could show it again, or an edited one as it was before.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use proto::Message;

use super::{Doubt, Found};

/// Messages remembered, the latest.
const SEEN_MAX: usize = 10_000;

/// The genuine messages that were seen.
#[derive(Debug, Default)]
pub struct Replays {
    /// By what is signed of its place: its number at the server, and when it was signed last.
    seen: HashMap<Vec<u8>, (Option<u64>, Option<SystemTime>)>,
    order: VecDeque<Vec<u8>>,
}

impl Replays {
    /// Notes a genuine message; `Err` when it was seen as another, or in a later version.
    pub fn note(&mut self, outer: &Message, found: &Found) -> Result<(), Doubt> {
        let key = etf::encode(&Message {
            msg_id: outer.msg_id.clone(),
            feed_id: outer.feed_id.clone(),
            from: outer.from.clone(),
            ..Message::default()
        })
        .to_vec();
        match self.seen.get_mut(&key) {
            Some((id, _)) if *id != outer.id => Err(Doubt::Replayed),
            Some((_, time)) if found.time < *time => Err(Doubt::Outdated),
            Some((_, time)) => {
                *time = found.time;
                Ok(())
            }
            None => {
                if self.order.len() >= SEEN_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.seen.remove(&oldest);
                }
                self.order.push_back(key.clone());
                self.seen.insert(key, (outer.id, found.time));
                Ok(())
            }
        }
    }
}
