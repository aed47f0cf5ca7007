//! The command line: its verbs, its refusals, its exit codes.
//!
//! Reads arguments and hands over. Must not know how anything is done.

mod error;
mod import;
mod limits;
mod logging;
mod migrate;
mod operated;
mod serve;
mod signals;
mod tunnel;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use error::CliError;

/// The PostgreSQL proxy and task database of an AI-driven CI/CD system.
#[derive(Debug, Parser)]
#[command(name = "taskmaster", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a private PostgreSQL with the extension, the schema and the proxy in front
    Up(UpArgs),
    /// Start the proxy in front of a PostgreSQL that is there
    Serve(ServeArgs),
    /// Apply, revert, prove or list the steps of the schema, or of your own with --dir
    Migrate(migrate::MigrateArgs),
    /// Look at cloudflared: its configuration, or how its connector stands
    Tunnel(tunnel::TunnelArgs),
    /// Write a configuration from PgBouncer's, and say what could not be carried over (exit code 3)
    ImportPgbouncer(ImportArgs),
}

#[derive(Debug, Args)]
struct UpArgs {
    /// The proxy's port on 127.0.0.1
    #[arg(long, default_value_t = 6432, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The directory that keeps everything
    #[arg(long, default_value = ".taskmaster")]
    data_dir: PathBuf,
    /// The directory with initdb and postgres [default: found on PATH and in the usual places]
    #[arg(long)]
    pg_bindir: Option<PathBuf>,
    /// The directory with taskmaster.so, .control and .sql [default: extension/ beside this program]
    #[arg(long)]
    extension_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The configuration file; without one the defaults and the environment hold
    #[arg(long)]
    config: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
    /// Take the listening sockets of the process that runs over, and let that one drain (needs listen.peer_dir)
    #[arg(long)]
    take_over: bool,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// PgBouncer's configuration
    #[arg(default_value = "/etc/pgbouncer/pgbouncer.ini")]
    ini: PathBuf,
    /// The file to write; passwords go into files in a directory beside it [default: standard output, without passwords]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long, requires = "out")]
    force: bool,
}

/// Runs what the arguments say and returns when it is done.
///
/// # Errors
/// One line that says what went wrong and what to do, with its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), CliError> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Help and version come this way, too; clap knows which stream they belong to.
        Err(refusal) => refusal.exit(),
    };
    match cli.verb {
        Verb::Up(arguments) => up::run(arguments),
        Verb::Serve(arguments) => serve::run(&arguments),
        Verb::Migrate(arguments) => migrate::run(&arguments),
        Verb::Tunnel(arguments) => tunnel::run(&arguments),
        Verb::ImportPgbouncer(arguments) => import::run(&arguments),
    }
}

/// The runtime of the main thread; the listener's workers have their own.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::system)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_of_the_manual_is_understood() {
        let lines = [
            "taskmaster up",
            "taskmaster up --port 7000 --data-dir /x --pg-bindir /usr/lib/postgresql/15/bin",
            "taskmaster serve --config taskmaster.toml --check",
            "taskmaster serve --config taskmaster.toml --take-over",
            "taskmaster migrate up --to 3 --config taskmaster.toml",
            "taskmaster migrate --config taskmaster.toml down --to 0",
            "taskmaster migrate status --json --check",
            "taskmaster migrate plan --down --to 3",
            "taskmaster migrate down --no-backup --i-accept-data-loss --lock-timeout 5s",
            "taskmaster migrate new add_gates --dir steps",
            "taskmaster migrate validate --roundtrip --dir steps --ledger app",
            "taskmaster migrate backup app.orders app.items",
            "taskmaster migrate restore 3 --overwrite",
            "taskmaster migrate repair --reason typo",
            "taskmaster tunnel check /etc/cloudflared/config.yml --config taskmaster.toml --json",
            "taskmaster tunnel status --metrics 127.0.0.1:20241 --connections 2",
            "taskmaster import-pgbouncer pgbouncer.ini --out taskmaster.toml --force",
        ];
        for line in lines {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        for line in [
            "taskmaster",
            "taskmaster up --port 0",
            "taskmaster migrate sideways",
            "taskmaster migrate down --no-backup",
            "taskmaster migrate backup",
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
