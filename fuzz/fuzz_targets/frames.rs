//! `cargo +nightly fuzz run frames`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::frames(bytes));
