//! What a device has not acknowledged when its connection is over: it may never have had it (PUSH-1).

use proto::ids::{ClientId, ClientKind, FeedId};

use super::queue::Line;
use super::{Link, Session};
use crate::input::Missed;
use crate::{Fx, Input, Name};

impl Link {
    /// Of what came since it was let in; of what came before it has been told before.
    pub(super) fn missed(&self) -> Option<Box<Missed>> {
        let device = self.device.clone()?;
        let loading = self.loading.iter().flat_map(|loading| loading.meanwhile());
        let lines = self.queue.iter().flat_map(|queue| &queue.lines).filter(|line| line.is_behind(self.since));
        let feeds: Vec<FeedId> = loading.chain(lines.map(|line| &line.feed)).cloned().collect();
        (!feeds.is_empty()).then(|| Box::new(Missed { device, since: self.since, feeds }))
    }
}

impl Line {
    /// Whether something that came behind this number may be unacknowledged.
    fn is_behind(&self, since: u64) -> bool {
        self.waits || self.stream.open().any(|open| open.seq > since)
    }
}

impl Session {
    /// A letter has come while the connection ended. Where others ask to take over, they find it.
    pub(super) fn came_late(&self, fx: &mut Fx, feed: &FeedId, seq: u64) {
        if !self.asking.is_empty() {
            return;
        }
        let Ok(ClientKind::Device(phone, device)) = ClientId::parse(self.client.as_bytes()).map(|id| id.kind()) else {
            return;
        };
        let missed = Missed { device, since: seq.saturating_sub(1), feeds: vec![feed.clone()] };
        fx.tell(Name::Profile(phone), Input::Missed(Box::new(missed)));
    }
}
