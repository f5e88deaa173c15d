//! Decode, encode, decode: agree. `cargo +nightly fuzz run decode corpus/decode seeds/decode`
#![no_main]

#[path = "../../tests/support/agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agree::agree(bytes));
