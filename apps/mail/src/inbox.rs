//! An account's notices on one connection.
//!
//! Their numbers come from many owners, who do not commit in the order of the numbers: a smaller one may appear after a larger one was
//! acknowledged. So each is acknowledged by itself, and the position follows only when nothing smaller can appear any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::Cursor;

/// From drawing a number to the visibility of its notice, at most, milliseconds. A step draws and is applied within one drain of its
/// node, which takes milliseconds.
pub const SETTLED_MS: u64 = 10_000;

/// Acknowledgements held beyond the position: several times what an account keeps of notices, so that a device which takes all of them
/// within the time above is not told again. A further one is forgotten, and that notice comes once more.
const TAKEN_MAX: usize = 65_536;

/// What one device has taken of its account's notices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbox {
    upto: u64,
    /// Acknowledged beyond the position, and since when that is known.
    taken: BTreeMap<u64, u64>,
    open: BTreeSet<u64>,
}

impl Inbox {
    /// As an earlier connection left it. Times in milliseconds.
    pub fn resume(before: &Cursor, now: u64) -> Inbox {
        let taken = before.beyond.iter().flat_map(|(first, last)| *first..=*last).map(|seq| (seq, now)).collect();
        Inbox { upto: before.upto, taken, open: BTreeSet::new() }
    }

    /// Whether the notice was neither sent nor acknowledged.
    pub fn is_new(&self, seq: u64) -> bool {
        seq > self.upto && !self.taken.contains_key(&seq) && !self.open.contains(&seq)
    }

    /// Notices behind this number are looked for in the store.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    pub fn sent(&mut self, seq: u64) {
        self.open.insert(seq);
    }

    /// The notice is acknowledged, whether it was sent or need not be.
    pub fn take(&mut self, seq: u64, now: u64) {
        self.open.remove(&seq);
        if seq > self.upto && self.taken.len() < TAKEN_MAX {
            self.taken.insert(seq, now);
        }
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        while let Some(first) = self.taken.first_entry() {
            if *first.key() > first_open || now < first.get().saturating_add(SETTLED_MS) {
                break;
            }
            self.upto = *first.key();
            first.remove();
        }
    }

    /// Nothing waits for an acknowledgement.
    pub fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// What is acknowledged by now; to be stored.
    pub fn cursor(&self) -> Cursor {
        Cursor { upto: self.upto, beyond: self.taken.keys().take(crate::RANGES_MAX).map(|seq| (*seq, *seq)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dlv_1_a_notice_that_appears_late_is_not_taken_for_acknowledged() {
        let mut inbox = Inbox::resume(&Cursor::at(10), 0);
        inbox.sent(12);
        inbox.take(12, 5);
        assert_eq!(inbox.cursor(), Cursor { upto: 10, beyond: vec![(12, 12)] });
        assert!(inbox.is_new(11), "drawn before 12, committed after it");
        inbox.sent(11);
        inbox.sent(20);
        inbox.take(20, SETTLED_MS * 3);
        assert_eq!(inbox.cursor().upto, 10, "an open one holds the position");
        inbox.take(11, SETTLED_MS * 3);
        inbox.sent(30);
        inbox.take(30, SETTLED_MS * 5);
        assert_eq!(inbox.cursor(), Cursor { upto: 20, beyond: vec![(30, 30)] });
        assert_eq!(Inbox::resume(&inbox.cursor(), 0).cursor(), inbox.cursor());
    }
}
