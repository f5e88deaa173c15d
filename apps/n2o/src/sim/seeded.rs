//! Choices that a seed decides.

use std::cell::Cell;

use crate::cx::Random;

/// SplitMix64 (Steele, Lea, Flood 2014): short, and every seed is good.
pub(super) struct Seeded {
    state: Cell<u64>,
}

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    /// Another source that depends on this one's state.
    pub(super) fn split(&self) -> Self {
        Self::new(self.next())
    }

    /// A number from 0 to `bound` - 1; 0 for a bound of 0.
    pub(super) fn below(&self, bound: usize) -> usize {
        let number = self.next().checked_rem(bound as u64).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    }

    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            chunk.iter_mut().zip(next).for_each(|(byte, random)| *byte = random);
        }
    }
}
