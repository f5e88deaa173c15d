//! Good input that was tampered with, for tests that judge what must hold of any bytes. Where there is a fuzz target, it goes on from here.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::path::Path;

/// Pieces of another input that are put in have this many bytes at most.
const PIECE_MAX: usize = 64;

/// Xorshift (Marsaglia 2003): the same numbers in every run.
pub struct Dice(u32);

impl Default for Dice {
    fn default() -> Dice {
        Dice(0x9e37_79b9)
    }
}

impl Dice {
    /// Any number but 0.
    pub fn roll(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.roll() as usize % bound.max(1)
    }
}

/// The seeds of a fuzz target of the crate in `home` (`CARGO_MANIFEST_DIR`), in the order of their names.
///
/// # Panics
/// When there are none.
pub fn seeds(home: &str, target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(home).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(folder).expect("seeds");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no seeds");
    files.iter().map(|file| std::fs::read(file).expect("it reads")).collect()
}

/// Judges each as it is, and cut behind every byte.
pub fn cut(good: &[Vec<u8>], judge: impl Fn(&[u8])) {
    for whole in good {
        (0..=whole.len()).for_each(|at| judge(&whole[..at]));
    }
}

/// Judges so many of them in which one to four places were changed, or something of another was put in. `telling` are bytes that mean
/// something to whoever reads it, as a length or a mark.
pub fn change(good: &[Vec<u8>], telling: &[u8], rounds: usize, judge: impl Fn(&[u8])) {
    let mut dice = Dice::default();
    for _ in 0..rounds {
        let mut bytes = good[dice.below(good.len())].clone();
        for _ in 0..=dice.below(4) {
            change_once(&mut bytes, good, telling, &mut dice);
        }
        judge(&bytes);
    }
}

fn change_once(bytes: &mut Vec<u8>, good: &[Vec<u8>], telling: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(8) {
        _ if bytes.is_empty() => {}
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.roll() as u8,
        2 => bytes.insert(at, dice.roll() as u8),
        3 if !telling.is_empty() => bytes.insert(at, telling[dice.below(telling.len())]),
        3 => bytes.insert(at, bytes[at]),
        4 => drop(bytes.drain(at..(at + dice.below(8)).min(bytes.len()))),
        5 => bytes.truncate(at),
        6 => bytes.extend_from_within(at..),
        _ => {
            let other = &good[dice.below(good.len())];
            let from = dice.below(other.len());
            let to = (from + dice.below(PIECE_MAX)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn all_cuts_are_judged_and_changes_are_many_and_the_same_in_every_run() {
        let good = [b"abcdef".to_vec(), b"".to_vec(), vec![0; 100]];
        let judged = RefCell::new(Vec::new());
        let judge = |bytes: &[u8]| judged.borrow_mut().push(bytes.to_vec());
        cut(&good[..1], judge);
        assert_eq!(judged.take(), [&b""[..], b"a", b"ab", b"abc", b"abcd", b"abcde", b"abcdef"]);
        change(&good, b"\xff", 500, judge);
        let first = judged.take();
        change(&good, b"\xff", 500, judge);
        assert_eq!(first, judged.take());
        let unlike = first.iter().filter(|bytes| !good.contains(bytes)).count();
        assert!(unlike > 250 && first.iter().any(|bytes| bytes.len() > 150), "{unlike}");
    }
}
