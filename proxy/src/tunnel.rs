//! The operator's side of a Cloudflare tunnel: what is wrong with a `config.yml`, and how a connector stands.
//!
//! Must not know how the proxy serves what comes through.

mod check;
mod go;
mod ingress;
mod origin;
mod status;
mod yaml;

pub use check::{Finding, Gravity, check};
pub use status::{Connector, Health, StatusError, status};
