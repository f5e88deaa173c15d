//! Which certificates are no longer good, for everybody who has to ask at each handshake (SEC-2).

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// Revoked certificates by their prints: those of our own authority, and of the others whose lists are configured.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    own: RwLock<HashSet<u128>>,
    others: RwLock<HashSet<u128>>,
}

impl Revocations {
    pub(crate) fn has(&self, print: u128) -> bool {
        [&self.own, &self.others].iter().any(|set| set.read().unwrap_or_else(PoisonError::into_inner).contains(&print))
    }

    pub(super) fn add(&self, print: u128) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).insert(print);
    }

    /// True: there is one that was not there before.
    pub(super) fn set_own(&self, prints: HashSet<u128>) -> bool {
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        let more = !prints.is_subset(&own);
        *own = prints;
        more
    }

    /// Replaces what the lists of others say.
    pub(crate) fn set_others(&self, prints: HashSet<u128>) {
        *self.others.write().unwrap_or_else(PoisonError::into_inner) = prints;
    }
}
