//! SEC-6, SEC-7: good structures with a few bytes changed, cut out or put in. The fuzz target in `fuzz` goes on from here.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

#[path = "support/judge.rs"]
mod judge;

use judge::{PARTY, judge, mutated};
use tamper::Dice;

const ROUNDS: u32 = 5_000;

#[test]
fn sec_6_bytes_that_were_tampered_with_are_refused_without_harm() {
    PARTY.good.iter().for_each(|good| judge(good));
    let mut dice = Dice::default();
    let mut random = || dice.roll().to_be_bytes();
    for round in 0..ROUNDS {
        let orders = (0..1 + round % 4).flat_map(|_| random()).collect::<Vec<u8>>();
        judge(&mutated(&[&random()[..1], &orders].concat()));
        judge(&orders);
    }
}
