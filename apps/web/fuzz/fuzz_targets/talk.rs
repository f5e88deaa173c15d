//! A client's frames on `/ws`, cut anywhere, with anything happening meanwhile. `cargo +nightly fuzz run talk corpus/talk seeds/talk`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| web::hostile::talk(bytes));
