//! `cargo +nightly fuzz run origin`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::origin(bytes));
