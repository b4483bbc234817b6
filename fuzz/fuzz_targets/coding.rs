//! `cargo +nightly fuzz run coding`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| devloop::proxy::attack::coding(bytes));
