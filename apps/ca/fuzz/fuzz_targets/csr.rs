//! A request becomes a certificate for its own key, or none. `cargo +nightly fuzz run csr corpus/csr seeds/csr`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::request(bytes));
