//! Who may knock: connections without an accepted CONNECT are counted, in all and by address (SEC-13, section 11).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::settings::Settings;

/// The time in which [`Settings::connects_per_minute`] counts.
const MINUTE: Duration = Duration::from_secs(60);
/// Addresses remembered; beyond, those without open connections are forgotten.
const ADDRESSES_MAX: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Gate {
    all_max: usize,
    address_max: usize,
    per_minute: Option<u32>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: usize,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    open: usize,
    since: Instant,
    connects: u32,
}

/// A connection that has not said who it is. Dropped when it has, or when it ends.
#[derive(Debug)]
pub(crate) struct Ticket {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Gate {
    pub(crate) fn new(settings: &Settings) -> Arc<Gate> {
        Arc::new(Gate {
            all_max: settings.unauthenticated_max,
            address_max: settings.per_address_max,
            per_minute: settings.connects_per_minute,
            inner: Mutex::default(),
        })
    }

    /// `None`: close it without a word. Loopback is never refused, nor counted.
    pub(crate) fn admit(self: &Arc<Gate>, address: IpAddr, now: Instant) -> Option<Ticket> {
        let address = address.to_canonical();
        if !address.is_loopback() {
            self.count(address, now)?;
        }
        Some(Ticket { gate: self.clone(), address })
    }

    fn count(&self, address: IpAddr, now: Instant) -> Option<()> {
        let mut inner = self.lock();
        if inner.open >= self.all_max {
            return None;
        }
        if inner.addresses.len() >= ADDRESSES_MAX {
            inner.addresses.retain(|_, known| known.open > 0);
        }
        let known = inner.addresses.entry(address).or_insert(Address { open: 0, since: now, connects: 0 });
        if now.duration_since(known.since) >= MINUTE {
            *known = Address { open: known.open, since: now, connects: 0 };
        }
        if known.open >= self.address_max || self.per_minute.is_some_and(|most| known.connects >= most) {
            return None;
        }
        known.open += 1;
        known.connects += 1;
        inner.open += 1;
        Some(())
    }

    /// Forgets addresses that have been quiet.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock().addresses.retain(|_, known| known.open > 0 || now.duration_since(known.since) < MINUTE);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|broken| broken.into_inner())
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
        Gate::new(&Settings {
            unauthenticated_max: all,
            per_address_max: each,
            connects_per_minute: Some(per_minute),
            ..Settings::default()
        })
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
}
