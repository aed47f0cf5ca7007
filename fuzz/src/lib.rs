//! What is fuzzed, as functions of bytes that panic when something is wrong. The test `fuzz_corpus` runs the same
//! functions over the kept corpus.

pub mod login;
pub mod model;
pub mod relay;
pub mod startup;
pub mod wire;
