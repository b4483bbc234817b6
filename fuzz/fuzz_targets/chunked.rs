//! `cargo +nightly fuzz run chunked`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::chunked(bytes));
