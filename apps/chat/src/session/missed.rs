//! What a device has not acknowledged when its connection is over: it may never have had it (PUSH-1).

use std::sync::Arc;

use proto::ids::{ClientId, ClientKind, FeedId};

use super::queue::Line;
use super::{Link, Session};
use crate::input::Missed;
use crate::{Fx, Input, Name};

impl Link {
    /// Of what came since it was let in; of what came before it has been told before.
    pub(super) fn missed(&self, client: &Arc<str>) -> Option<Box<Missed>> {
        let device = self.device.clone()?;
        let loading = self.loading.iter().flat_map(|loading| loading.meanwhile());
        let lines = self.queue.iter().flat_map(|queue| &queue.lines).filter(|line| line.is_behind(self.since));
        let feeds: Vec<FeedId> = loading.chain(lines.map(|line| &line.feed)).cloned().collect();
        let notices = self.queue.as_ref().is_none_or(|queue| queue.notices.waits || !queue.notices.inbox.is_quiet());
        let missed = Missed { session: client.clone(), device, since: self.since, feeds, notices };
        (notices || !missed.feeds.is_empty()).then(|| Box::new(missed))
    }
}

impl Line {
    /// Whether something that came behind this number may be unacknowledged.
    fn is_behind(&self, since: u64) -> bool {
        self.waits || self.stream.open().any(|open| open.seq > since)
    }
}

impl Session {
    /// Something has come, of this feed or a notice, while the connection ended. Where others ask to take over, they find it.
    pub(super) fn came_late(&self, fx: &mut Fx, feed: Option<&FeedId>, seq: u64) {
        if !self.asking.is_empty() {
            return;
        }
        let Ok(ClientKind::Device(phone, device)) = ClientId::parse(self.client.as_bytes()).map(|id| id.kind()) else {
            return;
        };
        let (session, since, notices) = (self.client.clone(), seq.saturating_sub(1), feed.is_none());
        let missed = Missed { session, device, since, feeds: feed.into_iter().cloned().collect(), notices };
        fx.tell(Name::Profile(phone), Input::Missed(Box::new(missed)));
    }
}
