//! The proxy as a library: its layers from the wire upwards. `main` and the tests are its callers.
//!
//! The order below is the order in which the layers may name each other: only what stands above. `gate` and `router` are pure.
#![forbid(unsafe_code)]

pub mod error;
pub mod wire;

pub mod net;

pub mod backend;

pub mod pool;

pub mod gate;
pub mod router;

pub mod admin;
pub mod http;
pub mod session;

pub mod listener;

pub mod config;

pub mod embedded;

pub mod import;

pub mod tunnel;

pub mod cli;
