//! Every question to the responder has an answer. `cargo +nightly fuzz run ocsp corpus/ocsp seeds/ocsp`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::question(bytes));
