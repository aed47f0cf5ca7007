//! What the end-to-end tests stand on: a real PostgreSQL made by `initdb`, the real proxy binary as
//! a child process, raw protocol clients, network faults and a certificate authority.
//!
//! Nothing here knows what a test asserts. Every process started here is ended when the test
//! process ends, however it ends (see [`reaper`]).

pub mod artefacts;
pub mod authority;
pub mod cluster;
pub mod database;
pub mod edge;
pub mod fault;
pub mod installation;
pub mod message;
pub mod program;
pub mod proxy;
pub mod proxy_config;
pub mod proxy_log;
pub mod raw;
pub mod reaper;
pub mod run_dir;
pub mod wait;

pub use authority::{Authority, ServerCertificate};
pub use cluster::Cluster;
pub use database::Database;
pub use edge::Edge;
pub use fault::Fault;
pub use proxy::Proxy;
pub use proxy_config::ProxyConfig;
