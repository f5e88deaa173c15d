//! What a device has not acknowledged when its connection is over: it may never have had it (PUSH-1).

use n2o::Time;
use proto::ids::{ClientId, ClientKind, DevKey, FeedId};

use super::{Link, Session};
use crate::input::Missed;
use crate::{Fx, Input, Name};

/// Feeds that are named.
const FEEDS: usize = 64;

impl Link {
    pub(super) fn missed(&self, device: DevKey) -> Missed {
        let loading = self.loading.iter().flat_map(|loading| loading.meanwhile());
        let lines = || self.queue.iter().flat_map(|queue| &queue.lines);
        let open = lines().filter(|line| line.stream.open().next().is_some());
        let waiting = lines().filter(|line| line.waits && line.stream.open().next().is_none());
        let feeds = loading.chain(open.chain(waiting).map(|line| &line.feed));
        Missed { device, since: self.since, feeds: feeds.take(FEEDS).cloned().collect() }
    }
}

impl Session {
    /// A letter has come while the connection ended. Where others ask to take over, they find it.
    pub(super) fn came_late(&self, now: Time, fx: &mut Fx, feed: &FeedId) {
        if !self.asking.is_empty() {
            return;
        }
        let Ok(ClientKind::Device(phone, device)) = ClientId::parse(self.client.as_bytes()).map(|id| id.kind()) else {
            return;
        };
        let missed = Missed { device, since: now, feeds: vec![feed.clone()] };
        fx.tell(Name::Profile(phone), Input::Missed(Box::new(missed)));
    }
}
