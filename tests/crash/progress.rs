//! How far the devices are, for the one who kills the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Longer without any progress, and something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Counts what the devices have had: acknowledgements and deliveries.
#[derive(Default)]
pub(crate) struct Progress {
    count: Mutex<u64>,
    more: Condvar,
    stopped: AtomicBool,
}

impl Progress {
    pub(crate) fn one_more(&self) {
        *self.count.lock().expect("nobody panics with it") += 1;
        self.more.notify_all();
    }

    /// Blocks until so many more have been counted.
    pub(crate) fn wait_for_more(&self, more: u64) {
        let mut count = self.count.lock().expect("nobody panics with it");
        let enough = *count + more;
        while *count < enough {
            let before = *count;
            let waited = self.more.wait_timeout(count, PATIENCE).expect("nobody panics with it");
            count = waited.0;
            assert!(*count > before || !waited.1.timed_out(), "nothing moves any more");
        }
    }

    /// The devices send no more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
