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
mod backup;
mod catalog;
mod change;
mod connection;
mod effect;
mod embedded;
mod error;
mod event;
mod extension;
mod folder;
mod graph;
mod header;
mod hint;
mod history;
mod inspect;
mod landing;
mod ledger;
mod lint;
mod location;
mod lock;
mod loss;
mod mend;
mod needs;
mod outline;
mod plan;
mod pooler;
mod proof;
mod reply;
mod report;
mod restore;
mod retry;
mod roundtrip;
mod runner;
mod script;
mod settings;
mod statements;
mod step;
mod target;
mod unbound;
mod version;

pub use backup::{BackupRecord, Holds, TableCopy};
pub use catalog::{Difference, Object};
pub use connection::{Connection, connect};
pub use effect::{LockMode, Work};
pub use error::{ErrorKind, MigrateError, StepFailure};
pub use event::{Direction, Event};
pub use folder::{load, new_step};
pub use header::{DeclaredLoss, Header, Reference, Transaction};
pub use history::{Action, HistoryEvent};
pub use inspect::{Finding, Fingerprint, Severity};
pub use lint::{Complaint, Gravity, Harm, RULES, Rule, lint};
pub use location::Location;
pub use loss::Lost;
pub use mend::{Unlock, Unlocked};
pub use outline::{PlannedStatement, PlannedStep, Size, Touch, Touches};
pub use plan::Plan;
pub use proof::Proof;
pub use report::{ExtensionStatus, Report, Status, StepRun, StepState, StepStatus};
pub use restore::{Present, Restored};
pub use roundtrip::{Proven, prove};
pub use runner::Runner;
pub use settings::{Backup, Drift, Landing, Settings};
pub use step::{Step, StepKind};
pub use target::{Target, TlsMode};
pub use version::{DownTo, UpTo, Version};
