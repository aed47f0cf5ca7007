//! Hands the fuzzer's bytes to `taskmaster_fuzz::startup`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| taskmaster_fuzz::startup::run(bytes));
