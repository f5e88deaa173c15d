//! How many like answers go to one network: whoever forges where questions come from is no loud-speaker here.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Allowances that are kept; networks and answers that meet in one share it.
const SLOTS: usize = 1 << 16;
const SECOND_US: u64 = 1_000_000;

pub(crate) struct Limiter {
    seed: RandomState,
    /// When each allowance will be whole again, in microseconds.
    slots: Box<[AtomicU64]>,
    each_us: u64,
    denied: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ruling {
    Send,
    /// Told to come by TCP: so who is really there is not shut out.
    Shorten,
    Drop,
}

impl Limiter {
    /// So many like answers a second, and as many at once.
    pub(crate) fn new(a_second: u32) -> Limiter {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Limiter {
            seed: RandomState::new(),
            slots,
            each_us: SECOND_US / u64::from(a_second.max(1)),
            denied: AtomicU32::new(0),
        }
    }

    pub(crate) fn rule(&self, source: IpAddr, about: &[u8], now_us: u64) -> Ruling {
        let at = usize::try_from(self.seed.hash_one((network(source), about))).unwrap_or_default() % SLOTS;
        let Some(slot) = self.slots.get(at) else { return Ruling::Send };
        let next = |whole: u64| {
            let whole = whole.max(now_us);
            (whole - now_us <= SECOND_US - self.each_us).then_some(whole + self.each_us)
        };
        if slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            return Ruling::Send;
        }
        match self.denied.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Ruling::Shorten,
            _ => Ruling::Drop,
        }
    }
}

/// Whoever has one address of it can have the others.
fn network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 72).unwrap_or_default() | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_gets_so_many_a_second_of_one_answer() {
        let limiter = Limiter::new(10);
        let source = |text: &str| text.parse::<IpAddr>().unwrap();
        let count = |ip: &str, about: &[u8], now| {
            let rulings: Vec<Ruling> = (0..50).map(|_| limiter.rule(source(ip), about, now)).collect();
            [Ruling::Send, Ruling::Shorten, Ruling::Drop].map(|each| rulings.iter().filter(|one| **one == each).count())
        };
        let now = 5 * SECOND_US;
        assert_eq!(count("192.0.2.1", b"a", now), [10, 20, 20]);
        assert_eq!(count("192.0.2.99", b"a", now)[0], 0, "the same network");
        assert_eq!(count("192.0.3.1", b"a", now)[0], 10, "another network");
        assert_eq!(count("192.0.2.1", b"b", now)[0], 10, "another answer");
        assert_eq!(count("192.0.2.1", b"a", now + SECOND_US / 2)[0], 5, "half a second later");
        assert_eq!(count("2001:db8:0:1::1", b"a", now)[0], 10);
        assert_eq!(count("2001:db8:0:2::1", b"a", now)[0], 0, "a /56");
    }
}
