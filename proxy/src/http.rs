//! HTTP, as the edge in front of the proxy speaks it: the request that opens a WebSocket, and who the edge says is there.
//!
//! Must not know sessions: what comes through a WebSocket is a client like any other.

mod edge;
mod receive;
mod sql;

pub use edge::{Edge, EdgeError};
pub use receive::{ReceiveError, Received, receive};
