//! The numbered steps of the schema and the runner that applies and reverts them.
//!
//! Owns the steps (embedded in the binary), the ledger of what a database has, and the rules about
//! when a step may run. Must not know the proxy, the command line, or how progress is shown: it
//! prints nothing and reports through [`Event`], [`Report`] and [`MigrateError`].
//!
//! ```no_run
//! # async fn example() -> Result<(), taskmaster_migrations::MigrateError> {
//! use taskmaster_migrations::{Runner, Target, UpTo, connect};
//! let target = Target::new("localhost", 5432, "software_developer", "codegen-taskmaster-db");
//! let mut runner = Runner::new(connect(&target, tokio_postgres::NoTls).await?);
//! let report = runner.up(UpTo::Latest, &mut |event| println!("{event}")).await?;
//! # drop(report);
//! # Ok(())
//! # }
//! ```

mod apply;
mod change;
mod connection;
mod embedded;
mod error;
mod event;
mod extension;
mod ledger;
mod lock;
mod plan;
mod pooler;
mod reply;
mod report;
mod retry;
mod runner;
mod script;
mod settings;
mod step;
mod target;
mod version;

pub use connection::{Connection, connect};
pub use error::{ErrorKind, MigrateError, StepFailure};
pub use event::{Direction, Event};
pub use plan::Plan;
pub use report::{ExtensionStatus, Report, Status, StepRun, StepState, StepStatus};
pub use runner::Runner;
pub use settings::Settings;
pub use step::{Step, StepKind};
pub use target::{Target, TlsMode};
pub use version::{DownTo, UpTo, Version};
