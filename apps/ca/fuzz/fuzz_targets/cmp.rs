//! Every message of CMP that reads has an answer, and gets no more than any request. `cargo +nightly fuzz run cmp corpus/cmp seeds/cmp`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::message(bytes));
