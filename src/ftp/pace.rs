//! How often an account may ask for something of its files (SEC-13): beyond the rate a step waits until it is due, and none is refused.

use std::time::Duration;

use proto::limits::{MESSAGES_BURST, MESSAGES_PER_S};
use tokio::time::Instant;

/// One step each: a request, or a piece of a file. Pieces of 256 KiB are then 500 MiB a second.
const EACH: Duration = Duration::from_nanos(1_000_000_000 / MESSAGES_PER_S as u64);
/// Who was quiet for so long may take as many steps at once.
const SAVED: Duration = Duration::from_nanos(EACH.as_nanos() as u64 * MESSAGES_BURST as u64);

/// The steps of an account, by whatever connections it comes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all steps that were taken would have been due without a burst.
    paid: Option<Instant>,
}

impl Pace {
    /// Takes a step; when it is due.
    pub(super) fn step(&mut self, now: Instant) -> Instant {
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + EACH;
        self.paid = Some(paid);
        paid.checked_sub(SAVED).map_or(now, |due| due.max(now))
    }

    /// It need not be remembered.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_13_steps_beyond_the_burst_are_due_one_after_the_other() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..MESSAGES_BURST).all(|_| pace.step(now) == now));
        assert!((1..=2000).all(|n| pace.step(now) == now + EACH * n));
        assert_eq!(pace.step(now), now + Duration::from_secs(1) + EACH);
        // Ever so much later it has saved up no more than the burst.
        let later = now + Duration::from_secs(3600);
        assert!(!pace.is_rested(now) && pace.is_rested(later));
        assert!((0..MESSAGES_BURST).all(|_| pace.step(later) == later));
        assert!(pace.step(later) > later);
    }

    #[test]
    fn sec_13_a_file_comes_as_fast_as_a_network_brings_it() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let pieces = (400_u64 << 20) / proto::limits::FTP_CHUNK_BYTES as u64;
        let second = |n: u64| now + Duration::from_secs(n);
        assert!((0..60).all(|n| (0..pieces).all(|_| pace.step(second(n)) == second(n))), "400 MiB in each second");
    }
}
