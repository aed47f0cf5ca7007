//! HTTP, as the edge in front of the proxy speaks it: the request that opens a WebSocket, and who the edge says is there.
//!
//! Must not know sessions: what comes through a WebSocket is a client like any other.

mod access;
mod edge;
mod fetch;
mod receive;
mod sql;

pub use access::{Access, AccessError, Config as AccessConfig, Demand, Identity};
pub use edge::{Edge, EdgeError};
pub use fetch::{FetchError, check as check_url, fetch_any};
pub use receive::{ReceiveError, Received, receive};
