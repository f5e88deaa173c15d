//! The end of a front: nothing more is accepted, who is there is told, and the last one that goes says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Closing {
    has_begun: AtomicBool,
    begun: Notify,
    empty: Notify,
}

impl Closing {
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.begun.notify_waiters();
    }

    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// Ready when it has begun.
    pub async fn begun(&self) {
        let told = self.begun.notified();
        if !self.has_begun() {
            told.await;
        }
    }

    /// The last connection has gone.
    pub fn is_empty_now(&self) {
        self.empty.notify_waiters();
    }

    /// Until no connection is `open`, for at most `within`.
    pub async fn emptied(&self, open: impl Fn() -> usize, within: Duration) {
        let gone = async {
            loop {
                let told = self.empty.notified();
                if open() == 0 {
                    return;
                }
                told.await;
            }
        };
        let _ = tokio::time::timeout(within, gone).await;
    }
}
