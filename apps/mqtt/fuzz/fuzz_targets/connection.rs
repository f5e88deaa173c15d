//! A client's stream from CONNECT on, cut anywhere, with anything happening meanwhile.
//! `cargo +nightly fuzz run connection corpus/connection seeds/connection`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mqtt::hostile::judge(bytes));
