//! The same for packets that are signed by a key that is known, so that what is behind the signature is reached. `cargo +nightly fuzz run signed`
#![no_main]

#[path = "../../tests/hostile/mod.rs"]
#[allow(dead_code)]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::answered(&hostile::truly_signed(bytes.to_vec())));
