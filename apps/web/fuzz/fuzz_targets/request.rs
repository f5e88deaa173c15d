//! A client's stream of HTTP/1.1, cut anywhere: who may open a WebSocket. `cargo +nightly fuzz run request corpus/request seeds/request`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| web::hostile::request(bytes));
