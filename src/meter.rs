//! How often something was done, by whom: a bound for those who ask without being known (SEC-13).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who is remembered at once; beyond, those whose time is over are forgotten, and else everybody new is refused.
const KNOWN_MAX: usize = 100_000;

/// At most `most` in each `span`, for each key.
pub(crate) struct Meter<K> {
    most: u32,
    span: Duration,
    known: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K: Eq + Hash> Meter<K> {
    pub(crate) fn new(most: u32, span: Duration) -> Meter<K> {
        Meter { most, span, known: Mutex::default() }
    }

    /// Whether there is room for another.
    pub(crate) fn has_room(&self, key: &K, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_none_or(|(since, count)| *count < self.most || now.duration_since(*since) >= self.span)
    }

    /// Counts one; false: it is too many.
    pub(crate) fn count(&self, key: K, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (since, _)| now.duration_since(*since) < self.span);
            if known.len() >= KNOWN_MAX && !known.contains_key(&key) {
                return false;
            }
        }
        let (since, count) = known.entry(key).or_insert((now, 0));
        if now.duration_since(*since) >= self.span {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.most
    }

    /// What was counted last was not what is counted.
    pub(crate) fn discount(&self, key: &K) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = known.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_13_each_key_has_its_own_count_which_ends_with_its_time() {
        let meter = Meter::new(2, Duration::from_secs(60));
        let now = Instant::now();
        assert!(meter.has_room(&1, now));
        assert!(meter.count(1, now) && meter.count(1, now) && !meter.count(1, now));
        assert!(!meter.has_room(&1, now) && meter.has_room(&2, now) && meter.count(2, now));
        assert!(meter.count(1, now + Duration::from_secs(60)));
        meter.discount(&2);
        assert!(meter.count(2, now) && meter.count(2, now) && !meter.count(2, now));
    }
}
