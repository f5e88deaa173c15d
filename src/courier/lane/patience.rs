//! When a push is tried again, and how many an account may have.

use std::collections::HashMap;
use std::time::Duration;

use proto::ids::Phone;
use tokio::time::Instant;

/// After the first failure; each further one doubles it, up to the most.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(10 * 60);
/// Pushes of one account in one minute; further ones wait for the next, and are merged meanwhile.
pub(super) const PER_MINUTE: u32 = 120;
const MINUTE: Duration = Duration::from_secs(60);
/// Accounts that are remembered; then those whose minute is over are forgotten.
const ACCOUNTS: usize = 10_000;

/// How long to wait after so many tries: longer each time, and never the same for all who failed together. `after` is the gateway's wish.
pub(super) fn pause(tries: u64, after: Option<Duration>) -> Duration {
    let doubled = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let whole = FIRST.saturating_mul(1 << doubled).min(MOST);
    let some = whole / 2 + whole.mul_f64(fraction() / 2.0);
    after.map_or(some, |after| some.max(after + after.mul_f64(fraction() / 4.0)))
}

/// Of chance, 0 to 1; without any, the middle.
fn fraction() -> f64 {
    let mut byte = [128];
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// What accounts have had in this minute.
pub(super) struct Quota {
    holds: bool,
    had: HashMap<Phone, (Instant, u32)>,
    swept: Option<Instant>,
}

impl Quota {
    /// Without limits nobody waits.
    pub(super) fn new(limits: bool) -> Quota {
        Quota { holds: limits, had: HashMap::new(), swept: None }
    }

    /// Counts one; how long it has to wait instead, if there were too many.
    pub(super) fn wait(&mut self, phone: &Phone, now: Instant) -> Option<Duration> {
        if !self.holds {
            return None;
        }
        self.sweep(now);
        let (since, count) = self.had.entry(phone.clone()).or_insert((now, 0));
        let age = now - *since;
        if age >= MINUTE {
            (*since, *count) = (now, 0);
        } else if *count >= PER_MINUTE {
            return Some(MINUTE - age);
        }
        *count += 1;
        None
    }

    /// At most once a second.
    fn sweep(&mut self, now: Instant) {
        let is_time = self.swept.is_none_or(|swept| now - swept >= Duration::from_secs(1));
        if self.had.len() >= ACCOUNTS && is_time {
            self.had.retain(|_, (since, _)| now - *since < MINUTE);
            self.swept = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_differ_and_are_no_shorter_than_the_gateway_wants() {
        let between = |tries, low, high| {
            let pause = pause(tries, None);
            assert!((Duration::from_millis(low)..=Duration::from_millis(high)).contains(&pause), "{tries}: {pause:?}");
        };
        between(1, 500, 1000);
        between(4, 4000, 8000);
        between(10, 256_000, 512_000);
        between(11, 300_000, 600_000);
        between(u64::MAX, 300_000, 600_000);
        let waited = pause(1, Some(Duration::from_secs(120)));
        assert!((Duration::from_secs(120)..=Duration::from_secs(150)).contains(&waited));
        assert!(pause(4, Some(Duration::ZERO)) >= Duration::from_secs(4), "none is asked again at once");
        let some: std::collections::BTreeSet<Duration> = (0..64).map(|_| pause(8, None)).collect();
        assert!(some.len() > 8, "they differ");
    }

    #[test]
    fn an_account_has_so_many_a_minute_and_another_its_own() {
        let mut quota = Quota::new(true);
        let phone = |text: &str| Phone::parse(text.as_bytes()).unwrap();
        let (ann, ben) = (phone("380670000001"), phone("380670000002"));
        let now = Instant::now();
        assert!((0..PER_MINUTE).all(|_| quota.wait(&ann, now).is_none()));
        assert_eq!(quota.wait(&ann, now), Some(MINUTE));
        assert_eq!(quota.wait(&ann, now + MINUTE / 2), Some(MINUTE / 2));
        assert_eq!(quota.wait(&ben, now), None);
        assert_eq!(quota.wait(&ann, now + MINUTE), None);

        let mut none = Quota::new(false);
        assert!((0..=PER_MINUTE).all(|_| none.wait(&ann, now).is_none()));
    }
}
