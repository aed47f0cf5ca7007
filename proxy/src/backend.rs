//! One server connection: how it is dialled, what is known of its state, how it is cleaned for the next client.
//!
//! Knows the wire and the sockets. Must not know pools, clients or sessions.

pub mod dial;
pub mod login;
pub mod message;
pub mod prepared;
pub mod report;
pub mod reset;
pub mod scram;
pub mod secret;
pub mod server;
pub mod settings;
pub mod start;
pub mod statement;
pub mod target;
pub mod unnamed;
pub mod vitals;
