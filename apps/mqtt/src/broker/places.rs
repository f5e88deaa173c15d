//! How many lasting sessions one client may have: nobody takes the room of all others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

/// Sessions that outlive their connections, of whoever counts as one; further ones end with their connections, and 5.0 is told so.
pub(super) const EACH_MAX: usize = 1000;

/// Who counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Party {
    /// What a certificate says.
    Owner(Arc<str>),
    /// Who shows none, by the address: it is not kept, so as not to be known from the store (SEC-10), but by what it has in common with
    /// many others ([`listen::Bucket`]).
    Bucket(u8),
}

impl Party {
    /// `None`: from loopback without a certificate, which nothing is counted of.
    pub(super) fn of(owner: &Arc<str>, bucket: Option<u8>) -> Option<Party> {
        match owner.is_empty() {
            false => Some(Party::Owner(owner.clone())),
            true => bucket.map(Party::Bucket),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Party, usize>>>);

/// The right to a session that lasts; dropped with it.
#[derive(Debug)]
pub(super) struct Place {
    party: Option<Party>,
    places: Places,
}

impl Place {
    /// Of an address, what of it is kept.
    pub(super) fn bucket(&self) -> Option<u8> {
        match self.party {
            Some(Party::Bucket(bucket)) => Some(bucket),
            Some(Party::Owner(_)) | None => None,
        }
    }
}

impl Places {
    /// `None`: it has as many as it may.
    pub(super) fn take(&self, party: Option<Party>) -> Option<Place> {
        let taken = self.lock();
        let has_all = party.as_ref().and_then(|party| taken.get(party)).is_some_and(|count| *count >= EACH_MAX);
        (!has_all).then(|| self.count(taken, party))
    }

    /// Of a session that is kept already: it counts, whatever the limit is now.
    pub(super) fn found(&self, party: Option<Party>) -> Place {
        self.count(self.lock(), party)
    }

    fn count(&self, mut taken: MutexGuard<'_, HashMap<Party, usize>>, party: Option<Party>) -> Place {
        if let Some(party) = &party {
            *taken.entry(party.clone()).or_default() += 1;
        }
        Place { party, places: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Party, usize>> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(party) = self.party.take() else { return };
        if let Entry::Occupied(mut count) = self.places.lock().entry(party) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
