//! `cargo +nightly fuzz run insertion`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::insertion(bytes));
