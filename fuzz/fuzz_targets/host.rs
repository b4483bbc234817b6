//! `cargo +nightly fuzz run host`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::host(bytes));
