//! The words of `taskmaster migrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateArgs {
    #[command(subcommand)]
    pub(super) verb: MigrateVerb,
    /// The configuration file; without one the defaults and the environment hold
    #[arg(long, global = true)]
    pub(super) config: Option<PathBuf>,
    /// A folder with steps of your own, instead of the product's
    #[arg(long, global = true)]
    pub(super) dir: Option<PathBuf>,
    /// The schema that keeps the record of your own steps
    #[arg(long, global = true, default_value = "migrations")]
    pub(super) ledger: String,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum MigrateVerb {
    /// Make the files of the folder's next step (needs --dir)
    New {
        /// What it does, in a few words
        name: String,
    },
    /// List the steps and what the database has of them
    Status {
        /// Exit with code 6 unless everything is applied
        #[arg(long)]
        check: bool,
    },
    /// Show what up (or down) would do: each statement, its locks, the rows it goes through
    Plan {
        /// The last step to apply, or with --down the one that stays
        #[arg(long)]
        to: Option<String>,
        /// The way down
        #[arg(long)]
        down: bool,
    },
    /// Apply what is pending
    Up {
        /// The last step to apply, such as 3 or 0003
        #[arg(long, default_value = "latest")]
        to: String,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Revert one step, or down to a step
    Down {
        /// The step that stays, such as 3; 0 reverts all; "previous" reverts one
        #[arg(long, default_value = "previous")]
        to: String,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Revert the last step and apply it again
    Redo {
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Go on with a step that stopped between two of its statements
    Resume {
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Run the checks of the applied steps
    Verify,
    /// Read and check all steps without a database; with --roundtrip also up, down and up again in a shadow database
    Validate {
        /// In a database that is made for it on the configured server, and dropped
        #[arg(long)]
        roundtrip: bool,
    },
    /// Say what in the steps has hurt others; exit code 7 for dangers
    Lint {
        /// Exit with code 7 for mere advice, too
        #[arg(long)]
        strict: bool,
        /// Only steps that the database does not have yet, and nothing about tables that are small there
        #[arg(long)]
        pending: bool,
    },
    /// Show what somebody else changed since the last run
    Drift {
        /// Exit with code 6 when there is any
        #[arg(long)]
        check: bool,
        /// Take it as it is, and say why
        #[arg(long, value_name = "REASON", conflicts_with = "check")]
        accept: Option<String>,
    },
    /// Record steps as applied without running them
    Baseline {
        /// The last of them, such as 3 or 0003
        version: String,
    },
    /// Take changed files of applied steps as what was applied
    Repair {
        /// Why, for the history
        #[arg(long)]
        reason: String,
    },
    /// Copy tables into the schema taskmaster_backup, and compare
    Backup {
        /// The tables, such as app.orders
        #[arg(required_unless_present_any = ["list", "forget"])]
        tables: Vec<String>,
        /// Show the backups that are there
        #[arg(long, conflicts_with_all = ["tables", "forget"])]
        list: bool,
        /// Drop the backup of this number
        #[arg(long, conflicts_with = "tables")]
        forget: Option<i64>,
    },
    /// Bring the rows of a backup back
    Restore {
        /// Its number, as "backup --list" shows it
        id: i64,
        /// In place of rows of the same key that are there now
        #[arg(long)]
        overwrite: bool,
    },
    /// Show what was ever done
    History,
    /// Show the fingerprint of the catalog, and the one the last run left
    Fingerprint,
    /// End the session of a runner that is gone and still holds the lock
    Unlock {
        /// Even if it is at work
        #[arg(long)]
        now: bool,
    },
    /// Show what may be in the way of a migration
    Doctor,
}

/// How a run is bounded.
#[derive(Debug, Args)]
pub(super) struct Bounds {
    /// Let rows go without a copy
    #[arg(long, requires = "i_accept_data_loss")]
    pub(super) no_backup: bool,
    /// Say that you mean it
    #[arg(long)]
    pub(super) i_accept_data_loss: bool,
    /// Let a way down stay that does not lead to exactly what was there before
    #[arg(long)]
    pub(super) inexact: bool,
    /// Refuse to run where somebody else has changed the database since the last run
    #[arg(long)]
    pub(super) no_drift: bool,
    /// How long a statement waits for a lock, such as 2s
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) lock_timeout: Option<Duration>,
    /// How long a statement runs, such as 10min
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) statement_timeout: Option<Duration>,
    /// How long to wait for another runner, such as 2min
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) wait: Option<Duration>,
}
