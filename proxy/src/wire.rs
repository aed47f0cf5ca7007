//! The PostgreSQL frontend/backend protocol, version 3, without any input or output of its own.
//!
//! Knows bytes, headers and which reply belongs to which request. Must not know sockets, clocks, pools or tokio.

pub mod buffer;
pub mod error_response;
pub mod frontend;
pub mod greeting;
pub mod header;
pub mod outbox;
pub mod outstanding;
pub mod tag;
