//! Sockets and TLS: the byte streams that clients and servers are spoken to over.
//!
//! Knows bytes alone. Must not know messages, logins or pools.

pub mod common_name;
pub mod end_point;
pub mod flow;
pub mod proxy_protocol;
pub mod socket;
pub mod stream;
pub mod tcp_address;
pub mod tls;
pub mod tls_stream;
pub mod verifier;
pub mod websocket;
