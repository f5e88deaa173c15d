//! One stream on one connection: what was sent, what is still open, and the cursor that follows.

use std::collections::VecDeque;

use crate::{Cursor, RANGES_MAX};

/// An item that was sent on this connection and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Number of the entry.
    pub seq: u64,
    /// Number of the last entry that it stands for: its own, unless several are no longer told apart.
    last: u64,
    /// Number of the message it is about; the greatest of several.
    pub id: u64,
    /// Its author is to learn that it arrived (MESSAGE-12).
    pub receipt: bool,
    /// Something between this entry and the next open one is acknowledged.
    gap: bool,
}

/// Entries are sent in rising order, each once a connection, and acknowledged in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// What was acknowledged before this connection.
    before: Cursor,
    open: VecDeque<Open>,
    /// Every entry up to here was sent, or need not be.
    top: u64,
}

impl Stream {
    /// A stream as an earlier connection left it.
    pub fn resume(before: Cursor) -> Stream {
        Stream { top: before.upto, before, open: VecDeque::new() }
    }

    /// The last entry that was sent or passed over.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// Whether the entry was acknowledged on an earlier connection.
    pub fn is_acknowledged_before(&self, seq: u64) -> bool {
        self.before.covers(seq)
    }

    /// Whether the entry, and it alone, waits for its acknowledgement.
    pub fn is_open(&self, seq: u64) -> bool {
        let at = self.open.binary_search_by_key(&seq, |open| open.seq);
        at.is_ok_and(|at| self.open.get(at).is_some_and(|open| open.last == seq))
    }

    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.iter()
    }

    /// The entry goes out now; numbers rise.
    pub fn sent(&mut self, seq: u64, id: u64, receipt: bool) {
        self.top = seq;
        self.open.push_back(Open { seq, last: seq, id, receipt, gap: false });
    }

    /// The entry need not be sent: acknowledged before, or part of an item that covers it.
    pub fn passed(&mut self, seq: u64) {
        self.top = self.top.max(seq);
        if let Some(last) = self.open.back_mut() {
            last.gap |= self.before.covers(seq);
        }
    }

    /// The entry is part of an item that was sent before it, and need not come again by itself: that item, until it is acknowledged,
    /// says as much each time.
    pub fn covered(&mut self, seq: u64) {
        self.top = self.top.max(seq);
        if let Some(last) = self.open.back_mut() {
            last.gap = true;
        }
    }

    /// From now on the open entries up to `upto` are not told apart: one stands for all of them, so that no client can make this grow by
    /// acknowledging nothing. As long as it is open they come again on the next connection, those between that were acknowledged too.
    pub fn forget(&mut self, upto: u64) {
        let count = self.open.partition_point(|open| open.seq <= upto);
        let merged = self.open.drain(..count).reduce(|one, next| Open {
            seq: one.seq,
            last: next.last,
            id: one.id.max(next.id),
            receipt: false,
            gap: next.gap,
        });
        if let Some(merged) = merged {
            self.open.push_front(merged);
        }
    }

    /// The open entry is acknowledged; none when it is not open.
    pub fn acknowledge(&mut self, seq: u64) -> Option<Open> {
        let at = self.open.binary_search_by_key(&seq, |open| open.seq).ok()?;
        let open = self.open.remove(at);
        if let Some(earlier) = at.checked_sub(1).and_then(|earlier| self.open.get_mut(earlier)) {
            earlier.gap = true;
        }
        open
    }

    /// What is acknowledged by now; to be stored.
    pub fn cursor(&self) -> Cursor {
        let upto = self.open.front().map_or(self.top, |first| first.seq.saturating_sub(1)).max(self.before.upto);
        let ends = self.open.iter().skip(1).map(|next| next.seq - 1).chain([self.top]);
        let gaps = self.open.iter().zip(ends).filter(|(open, _)| open.gap).map(|(open, end)| (open.last + 1, end));
        let later = self
            .before
            .beyond
            .iter()
            .filter(|(_, last)| *last > self.top)
            .map(|(first, last)| (*first.max(&(self.top + 1)), *last));
        let beyond =
            gaps.chain(later).filter(|(first, last)| first <= last && *first > upto).take(RANGES_MAX).collect();
        Cursor { upto, beyond }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(seqs: &[u64]) -> Stream {
        let mut stream = Stream::resume(Cursor::at(10));
        for seq in seqs {
            stream.sent(*seq, *seq, true);
        }
        stream
    }

    #[test]
    fn message_3_acknowledgements_in_any_order_leave_exactly_the_holes() {
        let mut stream = sent(&[12, 15, 20, 21]);
        assert!(stream.acknowledge(15).is_some());
        assert_eq!(stream.cursor(), Cursor { upto: 11, beyond: vec![(13, 19)] });
        assert!(stream.acknowledge(21).is_some());
        assert_eq!(stream.cursor(), Cursor { upto: 11, beyond: vec![(13, 19), (21, 21)] });
        assert!(stream.acknowledge(12).is_some());
        assert_eq!(stream.cursor(), Cursor { upto: 19, beyond: vec![(21, 21)] });
        assert!(stream.acknowledge(20).is_some());
        assert_eq!(stream.cursor(), Cursor::at(21));
        assert!(stream.acknowledge(20).is_none(), "repeated: ignored");
    }

    #[test]
    fn dlv_9_what_an_earlier_item_stands_for_does_not_come_by_itself() {
        let mut stream = sent(&[12, 15]);
        stream.covered(17);
        assert_eq!(stream.cursor(), Cursor { upto: 11, beyond: vec![(16, 17)] });
        assert!(stream.acknowledge(12).is_some());
        assert_eq!(stream.cursor(), Cursor { upto: 14, beyond: vec![(16, 17)] });
        assert!(stream.acknowledge(15).is_some());
        assert_eq!(stream.cursor(), Cursor::at(17));
    }

    #[test]
    fn dlv_3_entries_that_are_no_longer_told_apart_are_acknowledged_together_or_come_again() {
        let mut stream = sent(&[12, 15, 20, 21, 30]);
        assert!(stream.acknowledge(15).is_some());
        stream.forget(20);
        assert_eq!(stream.open().count(), 3);
        assert!(!stream.is_open(12) && !stream.is_open(20) && stream.is_open(21));
        assert_eq!(stream.cursor(), Cursor::at(11));
        assert!(stream.acknowledge(21).is_some());
        assert_eq!(stream.cursor(), Cursor { upto: 11, beyond: vec![(21, 29)] });
        assert!(stream.acknowledge(20).is_none(), "it is not known any more");
        assert_eq!(stream.acknowledge(12).map(|open| (open.id, open.receipt)), Some((20, false)));
        assert_eq!(stream.cursor(), Cursor::at(29));
    }

    proptest! {
        /// Whatever is acknowledged and forgotten, nothing counts as acknowledged that was not.
        #[test]
        fn dlv_3_forgetting_acknowledges_nothing(
            gaps in prop::collection::vec(1u64..4, 1..40),
            acts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
        ) {
            let entries: Vec<u64> = gaps.iter().scan(0, |seq, gap| { *seq += gap; Some(*seq) }).collect();
            let mut stream = Stream::default();
            entries.iter().for_each(|seq| stream.sent(*seq, *seq, true));
            let mut acknowledged = std::collections::BTreeSet::new();
            for (at, forget) in acts {
                let seq = *at.get(&entries);
                if forget {
                    stream.forget(seq);
                } else if stream.is_open(seq) && stream.acknowledge(seq).is_some() {
                    acknowledged.insert(seq);
                }
                let cursor = stream.cursor();
                for seq in &entries {
                    prop_assert!(!cursor.covers(*seq) || acknowledged.contains(seq), "entry {} under {:?}", seq, cursor);
                }
            }
        }

        /// Whatever is acknowledged, over any number of connections: the cursor covers that and nothing else.
        #[test]
        fn dlv_7_a_cursor_covers_the_acknowledged_entries_only(
            gaps in prop::collection::vec(1u64..4, 1..40),
            rounds in prop::collection::vec((0usize..41, prop::collection::vec(any::<prop::sample::Index>(), 0..20)), 1..5),
        ) {
            let entries: Vec<u64> = gaps.iter().scan(0, |seq, gap| { *seq += gap; Some(*seq) }).collect();
            let mut acknowledged = std::collections::BTreeSet::new();
            let mut cursor = Cursor::at(0);
            for (count, acks) in rounds {
                let mut stream = Stream::resume(cursor.clone());
                let mut open = Vec::new();
                for seq in entries.iter().filter(|seq| **seq > cursor.upto).take(count) {
                    if stream.is_acknowledged_before(*seq) { stream.passed(*seq) } else { stream.sent(*seq, *seq, true); open.push(*seq) }
                }
                for ack in acks {
                    if open.is_empty() { break }
                    let seq = open.remove(ack.index(open.len()));
                    prop_assert!(stream.acknowledge(seq).is_some());
                    acknowledged.insert(seq);
                }
                cursor = stream.cursor();
                for seq in &entries {
                    prop_assert_eq!(cursor.covers(*seq), acknowledged.contains(seq), "entry {} under {:?}", seq, cursor);
                }
                cursor = etf::decode(&etf::encode(&cursor)).unwrap();
            }
        }
    }
}
