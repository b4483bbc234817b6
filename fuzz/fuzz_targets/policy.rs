//! `cargo +nightly fuzz run policy`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::policy(bytes));
