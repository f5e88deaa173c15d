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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dlv_3_a_cursor_covers_what_was_acknowledged_and_no_hole() {
        let cursor = Cursor { upto: 5, beyond: vec![(7, 8), (11, 20)] };
        let covered: Vec<u64> = (1..=22).filter(|seq| cursor.covers(*seq)).collect();
        assert_eq!(covered, [1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(etf::decode::<Cursor>(&etf::encode(&cursor)).unwrap(), cursor);
    }
}
