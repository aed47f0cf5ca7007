//! What a statement asks of the proxy, read from its text alone.
//!
//! Pure: knows the wire. Must hold no pool, no socket and no state.

pub mod command;
pub mod holds;
pub mod names;
