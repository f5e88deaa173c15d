//! Restart intensity: a process that fails again and again is left alone for a while.

use crate::Time;

/// Failures of one process within [`RESTARTS_MS`] that are borne; one more bars it.
pub const RESTARTS_MAX: usize = 5;
/// Milliseconds over which failures count.
pub const RESTARTS_MS: u64 = 10_000;
/// Milliseconds for which a barred process is not loaded and its inputs are bounced at once.
pub const BARRED_MS: u64 = 10_000;

/// The latest failures of one process. Takes no memory until there is one.
#[derive(Default)]
pub(crate) struct Restarts {
    times: Vec<Time>,
    barred_until: Option<Time>,
}

impl Restarts {
    /// Notes a failure; true when it is the one that bars the process.
    pub(crate) fn note(&mut self, now: Time) -> bool {
        self.times.retain(|time| now.since(*time) < RESTARTS_MS);
        self.times.push(now);
        if self.times.len() <= RESTARTS_MAX {
            return false;
        }
        self.times.clear();
        self.barred_until = Some(now + BARRED_MS);
        true
    }

    pub(crate) fn is_barred(&self, now: Time) -> bool {
        self.barred_until.is_some_and(|until| now < until)
    }
}
