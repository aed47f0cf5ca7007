//! Hands the fuzzer's bytes to `taskmaster_fuzz::relay`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| taskmaster_fuzz::relay::run(bytes));
