//! What time it is for a gateway: signatures have times, and a gateway whose clock differs from ours goes by its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fetch::header::{DATE, HeaderMap};

/// Clocks that differ by less do not matter, seconds.
const SLACK: i64 = 30;

/// Our clock, set by the gateway's.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clone for Clock {
    fn clone(&self) -> Clock {
        Clock { ahead: self.ahead.load(Ordering::Relaxed).into() }
    }
}

impl Clock {
    /// Seconds since 1970, as the gateway has it.
    pub(crate) fn now(&self) -> u64 {
        self.theirs(seconds(SystemTime::now()))
    }

    /// What the gateway calls this moment of ours.
    pub(crate) fn theirs(&self, ours: u64) -> u64 {
        ours.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// Whether the answer shows that the gateway's clock is another one than was thought; from now on its time counts.
    pub(crate) fn set(&self, headers: &HeaderMap) -> bool {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return false };
        let ahead = seconds(theirs).cast_signed() - seconds(SystemTime::now()).cast_signed();
        let before = self.ahead.load(Ordering::Relaxed);
        let differs = (ahead - before).abs() > SLACK;
        if differs {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        differs
    }
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
