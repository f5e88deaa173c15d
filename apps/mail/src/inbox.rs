//! An account's notices on one connection.
//!
//! Their numbers come from many owners, who do not commit in the order of the numbers: a smaller one may appear after a larger one was
//! acknowledged. So each is acknowledged by itself, and the position follows only when nothing smaller can appear any more.

use std::collections::BTreeMap;

use crate::Cursor;

/// From drawing a number to the visibility of its notice, at most, milliseconds. A step draws and is applied within one drain of its
/// node, which takes milliseconds.
pub const SETTLED_MS: u64 = 10_000;

/// Acknowledgements held beyond the position: several times what an account keeps of notices, so that a device which takes all of them
/// within the time above is not told again. A further one is forgotten, and that notice comes once more.
const TAKEN_MAX: usize = 65_536;

/// What one device has taken of its account's notices. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbox {
    upto: u64,
    /// Acknowledged beyond the position, and when their numbers were drawn.
    taken: BTreeMap<u64, u64>,
    /// Sent, and when their numbers were drawn.
    open: BTreeMap<u64, u64>,
}

impl Inbox {
    /// As an earlier connection left it; when the numbers were drawn is not kept, but it was before `now`.
    pub fn resume(before: &Cursor, now: u64) -> Inbox {
        let taken = before.beyond.iter().flat_map(|(first, last)| *first..=*last).map(|seq| (seq, now)).collect();
        Inbox { upto: before.upto, taken, open: BTreeMap::new() }
    }

    /// Whether the notice was neither sent nor acknowledged.
    pub fn is_new(&self, seq: u64) -> bool {
        seq > self.upto && !self.taken.contains_key(&seq) && !self.open.contains_key(&seq)
    }

    /// Notices behind this number are looked for in the store.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    pub fn sent(&mut self, seq: u64, drawn: u64) {
        self.open.insert(seq, drawn);
    }

    /// The notice is acknowledged, whether it was sent or need not be.
    pub fn take(&mut self, seq: u64, now: u64) {
        let drawn = self.open.remove(&seq).unwrap_or(now);
        if seq > self.upto && self.taken.len() < TAKEN_MAX {
            self.taken.insert(seq, drawn);
        }
        let first_open = self.open.first_key_value().map_or(u64::MAX, |(seq, _)| *seq);
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
        inbox.sent(12, 4);
        inbox.take(12, 5);
        assert_eq!(inbox.cursor(), Cursor { upto: 10, beyond: vec![(12, 12)] });
        assert!(inbox.is_new(11), "drawn before 12, committed after it");
        inbox.sent(11, 3);
        inbox.sent(20, 6);
        inbox.take(20, SETTLED_MS * 3);
        assert_eq!(inbox.cursor().upto, 10, "an open one holds the position");
        inbox.take(11, SETTLED_MS * 3);
        inbox.sent(30, SETTLED_MS * 5);
        inbox.take(30, SETTLED_MS * 5);
        assert_eq!(inbox.cursor(), Cursor { upto: 20, beyond: vec![(30, 30)] });
        assert_eq!(Inbox::resume(&inbox.cursor(), 0).cursor(), inbox.cursor());
    }

    #[test]
    fn dlv_2_what_waited_for_long_is_passed_at_once_however_much_it_is() {
        let now = SETTLED_MS * 100;
        let mut inbox = Inbox::resume(&Cursor::at(0), now);
        for seq in (10..=20_000).step_by(10) {
            inbox.sent(seq, seq);
            inbox.take(seq, now);
        }
        assert_eq!(inbox.cursor(), Cursor::at(20_000), "a device that leaves at once is told nothing of it again");
    }
}
