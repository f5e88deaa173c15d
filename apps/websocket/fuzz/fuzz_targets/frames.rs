//! A client's frames, cut anywhere. `cargo +nightly fuzz run frames corpus/frames seeds/frames`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::judge(bytes));
