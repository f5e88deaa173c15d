//! What a running server knows of names without asking the store.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use kvs::{Span, Store, View};
use n2o::Failure;

use super::outward;
use crate::rows::ALIAS;

/// Whether something has ever been: not looked yet, no, yes.
const UNKNOWN: u8 = 0;
const NEVER: u8 = 1;
const ONCE: u8 = 2;
/// Records whose translation is remembered, each by the place it lies at.
const SHOWN: usize = 16;

/// What stands for good once it has been.
#[derive(Debug, Default)]
struct Ever(AtomicU8);

impl Ever {
    fn is_so(&self, look: impl FnOnce() -> Result<bool, Failure>) -> Result<bool, Failure> {
        let known = self.0.load(Ordering::Acquire);
        if known != UNKNOWN {
            return Ok(known == ONCE);
        }
        let found = if look()? { ONCE } else { NEVER };
        // It may have come about since the store was asked: then that stands.
        let before = self.0.compare_exchange(UNKNOWN, found, Ordering::AcqRel, Ordering::Acquire);
        Ok(before.err().unwrap_or(found) == ONCE)
    }

    fn will_be(&self) {
        self.0.store(ONCE, Ordering::Release);
    }
}

/// Rebuilt from the store when it is first asked. What one server has no moved account for is not looked up for every record, and what a
/// thousand members of a room are told is translated once.
#[derive(Debug, Default)]
pub struct Known {
    differ: Ever,
    left: Ever,
    /// As it is kept, and as it was shown. Holding the first keeps its place from being another record's.
    shown: [Mutex<Option<(Bytes, Bytes)>>; SHOWN],
}

impl Known {
    /// Whether there is an account that is called otherwise than it is kept.
    pub(crate) fn differ(&self, store: &dyn View) -> Result<bool, Failure> {
        self.differ.is_so(|| super::differ(store))
    }

    /// Whether anybody has ever left a number, or ended with it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn left(&self, store: &dyn Store) -> Result<bool, Failure> {
        self.left.is_so(|| Ok(!store.scan(ALIAS, &Span::prefix("").limit(1))?.is_empty()))
    }

    /// Names are about to differ.
    pub(super) fn will_differ(&self) {
        self.differ.will_be();
    }

    /// Somebody is about to leave a number.
    pub(super) fn will_be_left(&self) {
        self.left.will_be();
    }

    /// Names have changed: what was translated before is not to be shown any more.
    pub(crate) fn forget(&self) {
        for shown in &self.shown {
            *shown.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// A record, encoded, by the names of the world.
    pub(crate) fn payload(&self, store: &dyn View, said: &Bytes) -> Result<Bytes, Failure> {
        // The low bits of an address are alike.
        let place = (said.as_ptr() as usize >> 6) % SHOWN;
        let Some(place) = self.shown.get(place) else { return outward::payload(store, said) };
        if let Some((kept, shown)) = &*place.lock().unwrap_or_else(PoisonError::into_inner)
            && kept.as_ptr() == said.as_ptr()
            && kept.len() == said.len()
        {
            return Ok(shown.clone());
        }
        let shown = outward::payload(store, said)?;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some((said.clone(), shown.clone()));
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use kvs::{Batch, Memory};

    use super::*;
    use crate::rows::{self, CALLED, Called, NUMBER};

    #[test]
    fn profile_11_a_record_is_translated_once_and_anew_when_names_have_changed() {
        let (known, store) = (Known::default(), Memory::new(&[NUMBER, CALLED]));
        let said = etf::encode(&proto::records::Presence { uid: Some("38001".into()), ..Default::default() });
        let call = |number: &str| {
            let mut batch = Batch::default();
            batch.put(NUMBER, super::super::ANY, "");
            batch.put(
                CALLED,
                "38001",
                rows::encode(&Called { numbers: vec![(Bytes::copy_from_slice(number.as_bytes()), 0)] }),
            );
            store.apply(&batch).unwrap();
        };
        let names = |number: &str| {
            known.payload(&*store.snapshot(), &said).unwrap().windows(5).any(|name| name == number.as_bytes())
        };
        assert!(!known.differ(&*store.snapshot()).unwrap());
        call("38009");
        known.will_differ();
        assert!(known.differ(&*store.snapshot()).unwrap() && names("38009"));
        call("38008");
        assert!(names("38009"), "it is remembered");
        known.forget();
        assert!(names("38008"));
    }

    #[test]
    fn profile_11_that_nobody_has_left_a_number_is_looked_up_once() {
        let store = Memory::new(rows::TABLES);
        let known = Known::default();
        assert!(!known.left(&store).unwrap());
        let mut batch = Batch::default();
        batch.put(ALIAS, super::super::change::last_left(&"38001".parse().unwrap()), rows::encode(&1_u64));
        store.apply(&batch).unwrap();
        assert!(!known.left(&store).unwrap(), "it is remembered");
        known.will_be_left();
        assert!(known.left(&store).unwrap());
        assert!(Known::default().left(&store).unwrap(), "also after a restart");
    }
}
