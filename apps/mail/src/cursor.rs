//! A cursor: how far a device has acknowledged one stream.

use etf::Record;

/// Ranges a cursor holds beyond its position. Acknowledgements that would need more are forgotten: those items come once more.
pub const RANGES_MAX: usize = 256;

/// Entries up to `upto`, and those in `beyond`, are acknowledged. Acks come in any order (MESSAGE-3), so there may be holes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Cursor {
    pub upto: u64,
    /// Pairs (first, last) of acknowledged numbers, rising, not touching `upto`.
    pub beyond: Vec<(u64, u64)>,
}

impl Cursor {
    /// Everything up to this number is acknowledged, nothing beyond.
    pub fn at(upto: u64) -> Cursor {
        Cursor { upto, beyond: Vec::new() }
    }

    /// Whether the entry is acknowledged.
    pub fn covers(&self, seq: u64) -> bool {
        seq <= self.upto || self.beyond.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// What both cover: two devices have acknowledged it. Ranges beyond the bound are forgotten, so it covers rather less.
    pub fn and(&self, other: &Cursor) -> Cursor {
        let upto = self.upto.min(other.upto);
        let mut beyond = Vec::new();
        for (first, last) in self.ranges() {
            let meets = |(from, to): (u64, u64)| (first.max(from), last.min(to));
            beyond.extend(other.ranges().map(meets).filter(|(first, last)| first <= last && *last > upto));
        }
        beyond.sort_unstable();
        beyond.truncate(RANGES_MAX);
        Cursor { upto, beyond }
    }

    fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        std::iter::once((0, self.upto)).chain(self.beyond.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dlv_3_a_cursor_covers_what_was_acknowledged_and_no_hole() {
        let cursor = Cursor { upto: 5, beyond: vec![(7, 8), (11, 20)] };
        let covered: Vec<u64> = (1..=22).filter(|seq| cursor.covers(*seq)).collect();
        assert_eq!(covered, [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(etf::decode::<Cursor>(&etf::encode(&cursor)).unwrap(), cursor);
    }

    /// A cursor from gaps and lengths of what is acknowledged.
    fn cursor() -> impl Strategy<Value = Cursor> {
        (0u64..20, prop::collection::vec((2u64..5, 0u64..4), 0..6)).prop_map(|(upto, parts)| {
            let mut at = upto;
            let beyond = parts.into_iter().map(|(gap, length)| {
                let first = at + gap;
                at = first + length;
                (first, at)
            });
            Cursor { upto, beyond: beyond.collect() }
        })
    }

    proptest! {
        #[test]
        fn dlv_6_two_cursors_together_cover_what_each_of_them_does(one in cursor(), other in cursor()) {
            let both = one.and(&other);
            for seq in 0..80 {
                prop_assert_eq!(both.covers(seq), one.covers(seq) && other.covers(seq), "entry {} of {:?}", seq, both);
            }
        }
    }
}
