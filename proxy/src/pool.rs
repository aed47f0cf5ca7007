//! Who may use which server connection.
//!
//! `state` decides (pure, fair, exact), the shell around it dials, waits, hands over and cleans.
//! Knows server connections. Must not know clients, their sockets or their protocol state.

mod amend;
pub mod apart;
pub mod budget;
mod check;
pub mod config;
pub mod connect;
pub mod control;
pub mod counters;
pub mod greeting;
mod moment;
pub mod overdue;
pub mod pooled_server;
pub mod refusal;
pub mod registry;
mod room;
pub mod roster;
pub mod shell;
pub mod snapshot;
pub mod state;
pub mod ticket;

pub use config::{Config, Overrides, PoolMode};
pub use pooled_server::PooledServer;
pub use refusal::AcquireError;
pub use shell::{Pool, PoolKey};
