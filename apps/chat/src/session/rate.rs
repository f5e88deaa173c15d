//! How often a connection may ask (SEC-13, section 11): two classes of requests, a bucket of tokens each, filled by time.

use n2o::Time;
use proto::Record;
use proto::limits::{CALLS_BURST, CALLS_PER_S, MESSAGES_BURST, MESSAGES_PER_S};
use proto::records::HistoryStatus;

/// Refused requests, since the bucket was last half full, after which the connection is closed.
const STUBBORN: u32 = 100;
/// A token is counted in thousandths: what is gained in a millisecond is then a whole number.
const TOKEN: u64 = 1000;

/// Which of the two rates a request counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Message, Ack, Typing, cursor, pieces of files: what makes up a conversation. Beyond the rate it waits.
    Talk,
    /// Everything else. Beyond the rate it is refused.
    Other,
}

/// When a request may be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// Then, and all that comes behind it after it.
    At(Time),
    Refused,
    /// Refused, as many before it: the connection is closed.
    RefusedForGood,
}

/// The rates of one connection.
pub(crate) struct Rate {
    limited: bool,
    talk: Bucket,
    other: Bucket,
    refused: u32,
}

struct Bucket {
    per_s: u64,
    burst: u64,
    /// Thousandths of a token.
    level: u64,
    filled: Time,
}

impl Class {
    pub(crate) fn of(record: &Record) -> Class {
        match record {
            Record::Message(_) | Record::Ack(_) | Record::Typing(_) => Class::Talk,
            // A file is many of them, at the rate that the network has.
            Record::Ftp(_) | Record::Ftp10(_) => Class::Talk,
            Record::History(history) if history.status == Some(HistoryStatus::Update) => Class::Talk,
            _ => Class::Other,
        }
    }
}

impl Rate {
    pub(crate) fn new(limited: bool, now: Time) -> Rate {
        Rate {
            limited,
            talk: Bucket::full(MESSAGES_PER_S, MESSAGES_BURST, now),
            other: Bucket::full(CALLS_PER_S, CALLS_BURST, now),
            refused: 0,
        }
    }

    /// Limits per time and address hold for this connection.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Takes a token of the class, if there is one.
    pub(crate) fn turn(&mut self, now: Time, class: Class) -> Turn {
        if !self.limited {
            return Turn::Now;
        }
        match class {
            Class::Talk => self.talk.take(now).map_or_else(Turn::At, |()| Turn::Now),
            Class::Other => self.other_turn(now),
        }
    }

    fn other_turn(&mut self, now: Time) -> Turn {
        let taken = self.other.take(now).is_ok();
        if self.other.is_half_full() {
            self.refused = 0;
        }
        if taken {
            return Turn::Now;
        }
        self.refused += 1;
        if self.refused < STUBBORN { Turn::Refused } else { Turn::RefusedForGood }
    }
}

impl Bucket {
    fn full(per_s: u32, burst: u32, now: Time) -> Bucket {
        let burst = u64::from(burst) * TOKEN;
        Bucket { per_s: per_s.into(), burst, level: burst, filled: now }
    }

    /// Err: when the next token is there.
    fn take(&mut self, now: Time) -> Result<(), Time> {
        // A token a second is a thousandth of one a millisecond.
        let gained = now.since(self.filled).saturating_mul(self.per_s);
        self.level = self.level.saturating_add(gained).min(self.burst);
        self.filled = self.filled.max(now);
        match self.level.checked_sub(TOKEN) {
            Some(left) => {
                self.level = left;
                Ok(())
            }
            None => Err(now + (TOKEN - self.level).div_ceil(self.per_s)),
        }
    }

    fn is_half_full(&self) -> bool {
        self.level >= self.burst / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &mut Rate, class: Class, asked: usize, now: u64) -> usize {
        (0..asked).filter(|_| rate.turn(Time(now), class) == Turn::Now).count()
    }

    #[test]
    fn sec_13_messages_beyond_the_burst_wait_until_the_next_is_due() {
        let mut rate = Rate::new(true, Time(0));
        assert_eq!(taken(&mut rate, Class::Talk, 20_000, 0), 10_000);
        assert_eq!(rate.turn(Time(0), Class::Talk), Turn::At(Time(1)));
        assert_eq!(taken(&mut rate, Class::Talk, 20_000, 1), 2);
        assert_eq!(taken(&mut rate, Class::Talk, 20_000, 1001), 2000);
        assert_eq!(taken(&mut rate, Class::Talk, 20_000, 60_000), 10_000, "no more than the burst is saved up");
    }

    #[test]
    fn sec_13_other_calls_beyond_the_burst_are_refused_and_the_connection_is_closed_if_it_goes_on() {
        let mut rate = Rate::new(true, Time(0));
        assert_eq!(taken(&mut rate, Class::Other, 500, 0), 500);
        assert!((0..99).all(|_| rate.turn(Time(0), Class::Other) == Turn::Refused));
        assert_eq!(rate.turn(Time(0), Class::Other), Turn::RefusedForGood);
        assert_eq!(taken(&mut rate, Class::Talk, 1, 0), 1, "messages have their own rate");
    }

    #[test]
    fn sec_13_ten_times_the_rate_is_closed_although_every_tenth_call_is_taken() {
        let mut rate = Rate::new(true, Time(0));
        let closed = (0..5000).find(|now| rate.turn(Time(*now), Class::Other) == Turn::RefusedForGood);
        assert!(closed.is_some_and(|now| now < 1000));
    }

    #[test]
    fn sec_13_who_heeds_a_refusal_is_not_closed() {
        let mut rate = Rate::new(true, Time(0));
        for pause in 0..200 {
            assert_eq!(taken(&mut rate, Class::Other, 550, pause * 10_000), 500);
        }
        assert_eq!(rate.refused, 50);
    }

    #[test]
    fn sec_13_without_limits_everything_is_taken() {
        let mut free = Rate::new(false, Time(0));
        assert_eq!(taken(&mut free, Class::Talk, 20_000, 0), 20_000);
        assert_eq!(taken(&mut free, Class::Other, 20_000, 0), 20_000);
    }
}
