//! What wakes a thread that otherwise looks only from time to time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes a thread that looks after something. What is rung while it works is not lost.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
    ends: AtomicBool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.waiting.notify_one();
    }

    /// The thread is to end.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::Release);
        self.ring();
    }

    /// Until it is rung, or for so long; false: the thread is to end.
    pub(crate) fn wait(&self, most: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) =
            self.waiting.wait_timeout_while(rung, most, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
        !self.ends.load(Ordering::Acquire)
    }
}
