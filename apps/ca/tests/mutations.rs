//! SEC-6, SEC-7: good structures with a few bytes changed, cut out or put in. The fuzz target in `fuzz` goes on from here.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

#[path = "support/judge.rs"]
mod judge;

use judge::{PARTY, judge, mutated};

const ROUNDS: u32 = 5_000;

#[test]
fn sec_6_bytes_that_were_tampered_with_are_refused_without_harm() {
    PARTY.good.iter().for_each(|good| judge(good));
    let mut state = 0x9e37_79b9_u32;
    let mut random = || {
        // xorshift: the same orders in every run.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()
    };
    for round in 0..ROUNDS {
        let orders = (0..1 + round % 4).flat_map(|_| random()).collect::<Vec<u8>>();
        judge(&mutated(&[&random()[..1], &orders].concat()));
        judge(&orders);
    }
}
