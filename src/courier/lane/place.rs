//! What two pushes have in common of which the later one will do.

use chat::Push;
use chat::rows;

/// A device and a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place(u64, u64);

impl Place {
    /// Absent: it tells of no feed. Calls are for themselves.
    pub(super) fn of(push: &Push) -> Option<Place> {
        let is_one = !push.feed.is_empty() && !push.is_call();
        is_one.then(|| Place(rows::fingerprint(&push.print), rows::fingerprint(&push.feed)))
    }
}
