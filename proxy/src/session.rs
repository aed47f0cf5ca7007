//! One client's life: login, requests, the relay to a server, the end.
//!
//! Knows pools and the router. Must not know listeners, workers or configuration files.

pub mod auth;
pub mod client;
pub mod downstream;
pub mod error_words;
pub mod local;
pub mod login;
pub mod meter;
pub mod options;
pub mod own_names;
mod paying;
pub mod relay;
pub mod replay;
pub mod replication;
pub mod request;
pub mod resetting;
pub mod run;
pub mod slot;
pub mod startup;
pub mod statement_limit;
pub mod statements;
mod undecided;
mod unnamed;
pub mod upstream;

#[cfg(test)]
mod cut_tests;
