//! The end-to-end tests: one binary, one file for each concern.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod admin;
mod auth;
mod bad_input;
mod cancel;
mod conversation;
mod copy;
mod drain;
mod drivers;
mod extension;
mod floods;
mod fuzz_corpus;
mod harness_cluster;
mod health;
mod leak_hunt;
mod limits;
mod login_order;
mod login_steps;
mod migrate;
mod pairing;
mod pgbench;
mod pool;
mod prepared;
mod protocol;
mod psql;
mod reload;
mod replication;
mod reports;
mod rolling;
mod serve;
mod session;
mod support;
mod tidy;
mod timeouts;
mod tls;
mod up;
