//! The private PostgreSQL of `taskmaster up`, and the parts the tests make their servers from.
//!
//! Owns everything that makes, finds, starts and stops a PostgreSQL server of our own; stands
//! beside `cli`. Must not know how the command line is read.
//!
//! A test that wants a server of its own takes three parts and nothing of `up`:
//!
//! ```no_run
//! use std::path::Path;
//! use taskmaster_proxy::embedded::*;
//!
//! # fn example(root: &Path) -> Result<(), EmbeddedError> {
//! let installation = Installation::find(None, Some(15))?;
//! let extension = ExtensionArtefacts::in_dir(Path::new("target/debug/extension"))?;
//! let tree = PrivateTree::make(&root.join("pgsql"), &installation, &extension)?;
//! let settings = ClusterSettings {
//!     data_dir: root.join("data"),
//!     socket_dir: root.join("run"), // exists, mode 0700, owned by the account
//!     listen_addresses: "127.0.0.1".into(),
//!     port: 54400,
//!     log_file: root.join("postgresql.log"),
//!     major: installation.major,
//!     further: vec![("fsync".into(), "off".into())],
//! };
//! let mut cluster = Cluster::new(tree, Account::for_new_cluster()?, settings);
//! cluster.init("the superuser's password", Durability::Unsynced)?;
//! cluster.start()?;
//! cluster.stop(StopMode::Fast, STOP_WITHIN)?;
//! # Ok(())
//! # }
//! ```

mod account;
mod artefacts;
mod certificates;
mod cluster;
mod error;
mod files;
mod home;
mod installation;
mod invitation;
mod place;
mod ports;
mod postmaster;
mod roles;
mod schema;
mod secrets;
mod serving;
mod settings;
mod state;
mod steps;
mod tree;
mod up;

pub use account::Account;
pub use artefacts::ExtensionArtefacts;
pub use certificates::Certificates;
pub use cluster::{Cluster, Durability, Progress, READY_WITHIN, STOP_WITHIN};
pub use error::EmbeddedError;
pub use installation::Installation;
pub use place::Place;
pub use postmaster::{Cleared, StopMode};
pub use secrets::Secrets;
pub use settings::{ClusterSettings, socket_path_fits};
pub use state::StateDir;
pub use steps::Steps;
pub use tree::PrivateTree;
pub use up::{Stops, UpOptions, up};
