//! Bytes as they come, and as orders how to tamper with good structures, whose keys are made anew in each run.
//! `cargo +nightly fuzz run cms`
#![no_main]

#[path = "../../tests/support/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge::judge(bytes);
    judge::judge(&judge::mutated(bytes));
});
