//! Every packet has a well-formed answer, or none. `cargo +nightly fuzz run packet`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
#[allow(dead_code)]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::answered(bytes));
