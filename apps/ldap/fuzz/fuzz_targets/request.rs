//! Every request is understood or refused. `cargo +nightly fuzz run request`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::taken(bytes));
