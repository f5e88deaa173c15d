//! Every answer of a directory is taken whole or refused. `cargo +nightly fuzz run answer`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::answered(bytes);
});
