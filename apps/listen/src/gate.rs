//! Who may knock: connections without an accepted CONNECT are counted, in all and by address (SEC-13, section 11).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chat::door::Source;

/// The time in which [`Limits::connects_per_minute`] counts.
const MINUTE: Duration = Duration::from_secs(60);
/// Addresses remembered; beyond, those without open connections are forgotten.
const ADDRESSES_MAX: usize = 100_000;

/// What two deployments may want different of it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of strangers, of all addresses; beyond, new ones are closed at once.
    pub strangers_max: usize,
    /// The same of one address (loopback excepted).
    pub per_address_max: usize,
    /// Connections of one address in a minute (loopback excepted). `None`: any number.
    pub connects_per_minute: Option<u32>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            strangers_max: proto::limits::STRANGERS,
            per_address_max: proto::limits::STRANGERS_PER_ADDRESS,
            connects_per_minute: Some(600),
        }
    }
}

#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: usize,
    addresses: HashMap<IpAddr, Address>,
    /// When quiet addresses were last forgotten.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Address {
    open: usize,
    since: Instant,
    connects: u32,
}

/// A connection that has not said who it is. Dropped when it has, or when it ends.
#[derive(Debug)]
pub struct Ticket {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Gate {
    pub fn new(limits: Limits) -> Arc<Gate> {
        Arc::new(Gate { limits, inner: Mutex::default() })
    }

    /// `None`: close it without a word. Loopback is never refused, nor counted.
    pub fn admit(self: &Arc<Gate>, address: IpAddr, now: Instant) -> Option<Ticket> {
        let address = network(address.to_canonical());
        if !address.is_loopback() {
            self.count(address, now)?;
        }
        Some(Ticket { gate: self.clone(), address })
    }

    fn count(&self, address: IpAddr, now: Instant) -> Option<()> {
        let mut inner = self.lock();
        inner.sweep(now);
        if inner.open >= self.limits.strangers_max {
            return None;
        }
        if inner.addresses.len() >= ADDRESSES_MAX {
            inner.addresses.retain(|_, known| known.open > 0);
        }
        let known = inner.addresses.entry(address).or_insert(Address { open: 0, since: now, connects: 0 });
        if now.duration_since(known.since) >= MINUTE {
            *known = Address { open: known.open, since: now, connects: 0 };
        }
        if known.open >= self.limits.per_address_max
            || self.limits.connects_per_minute.is_some_and(|most| known.connects >= most)
        {
            return None;
        }
        known.open += 1;
        known.connects += 1;
        inner.open += 1;
        Some(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Inner {
    /// Forgets addresses that have been quiet for a minute.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= MINUTE) {
            self.swept = Some(now);
            self.addresses.retain(|_, known| known.open > 0 || now.duration_since(known.since) < MINUTE);
        }
    }
}

/// One network of IPv6 counts as one address: its holder has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(own) if !own.is_loopback() => Ipv6Addr::from_bits(own.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

impl Ticket {
    /// What the chat counts by; nothing for loopback.
    pub fn source(&self) -> Option<Source> {
        let bytes = match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        (!self.address.is_loopback()).then_some(Source(bytes))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.address.is_loopback() {
            return;
        }
        let mut inner = self.gate.lock();
        inner.open = inner.open.saturating_sub(1);
        if let Some(known) = inner.addresses.get_mut(&self.address) {
            known.open = known.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(all: usize, each: usize, per_minute: u32) -> Arc<Gate> {
        Gate::new(Limits { strangers_max: all, per_address_max: each, connects_per_minute: Some(per_minute) })
    }

    #[test]
    fn sec_13_connections_without_connect_are_limited_by_address_and_in_all() {
        let gate = gate(3, 2, 100);
        let now = Instant::now();
        let one = IpAddr::from([10, 0, 0, 1]);
        let first = gate.admit(one, now);
        let _second = gate.admit(one, now);
        assert!(first.is_some() && gate.admit(one, now).is_none());
        let _third = gate.admit(IpAddr::from([10, 0, 0, 2]), now);
        assert!(gate.admit(IpAddr::from([10, 0, 0, 3]), now).is_none());
        drop(first);
        assert!(gate.admit(one, now).is_some());
    }

    #[test]
    fn sec_13_connects_of_an_address_are_limited_in_a_minute_and_loopback_is_not() {
        let gate = gate(100, 100, 2);
        let now = Instant::now();
        let one = IpAddr::from([10, 0, 0, 1]);
        assert!(gate.admit(one, now).is_some() && gate.admit(one, now).is_some());
        assert!(gate.admit(one, now).is_none());
        assert!(gate.admit(one, now + MINUTE).is_some());
        assert!((0..50).all(|_| gate.admit(IpAddr::from([127, 0, 0, 1]), now).is_some()));
    }

    #[test]
    fn sec_13_a_network_of_ipv6_counts_as_one_address_and_loopback_as_none() {
        let gate = gate(100, 2, 100);
        let now = Instant::now();
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = gate.admit(of("2001:db8:0:1::1"), now);
        let other = gate.admit(of("2001:db8:0:1:ffff::2"), now);
        assert!(one.is_some() && gate.admit(of("2001:db8:0:1::3"), now).is_none());
        assert!(gate.admit(of("2001:db8:0:2::1"), now).is_some());
        assert_eq!(one.and_then(|ticket| ticket.source()), other.and_then(|ticket| ticket.source()));
        assert!(gate.admit(of("::1"), now).is_some_and(|ticket| ticket.source().is_none()));
        assert!(gate.admit(of("::ffff:127.0.0.1"), now).is_some_and(|ticket| ticket.source().is_none()));
    }
}
