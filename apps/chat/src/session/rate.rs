//! How often a connection may ask (SEC-13, section 11).

use n2o::Time;
use proto::limits::{MESSAGES_BURST, MESSAGES_PER_S};

/// Requests refused in a row before the connection is closed.
const STUBBORN: u32 = 100;

/// A bucket of tokens, filled by time.
pub(super) struct Rate {
    limited: bool,
    tokens: u64,
    filled: Time,
    refused: u32,
}

impl Rate {
    pub(super) fn new(limited: bool, now: Time) -> Rate {
        Rate { limited, tokens: u64::from(MESSAGES_BURST), filled: now, refused: 0 }
    }

    /// Takes a token; false when there is none.
    pub(super) fn take(&mut self, now: Time) -> bool {
        if !self.limited {
            return true;
        }
        let gained = now.since(self.filled) * u64::from(MESSAGES_PER_S) / 1000;
        if gained > 0 {
            self.tokens = (self.tokens + gained).min(u64::from(MESSAGES_BURST));
            self.filled = now;
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                (self.tokens, self.refused) = (left, 0);
                true
            }
            None => {
                self.refused += 1;
                false
            }
        }
    }

    pub(super) fn is_stubborn(&self) -> bool {
        self.refused >= STUBBORN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_13_a_burst_is_taken_then_the_rate() {
        let mut rate = Rate::new(true, Time(0));
        assert_eq!((0..20_000).filter(|_| rate.take(Time(0))).count(), 10_000);
        assert!(rate.is_stubborn());
        assert_eq!((0..20_000).filter(|_| rate.take(Time(1000))).count(), 2000);
        let mut free = Rate::new(false, Time(0));
        assert!((0..20_000).all(|_| free.take(Time(0))));
    }
}
