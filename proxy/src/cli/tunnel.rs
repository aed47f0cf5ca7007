//! `taskmaster tunnel`: what is wrong with cloudflared's configuration, and how a connector stands.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, runtime};
use crate::config::{Config, Environment};
use crate::tunnel::{Gravity, Health, check, status};

/// The exit code for a connector that does not stand as it should.
const UNWELL_EXIT_CODE: u8 = 6;
/// The exit code for a configuration with errors.
const CHECK_EXIT_CODE: u8 = 7;
/// The exit code for a connector that does not answer.
const UNREACHABLE_EXIT_CODE: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct TunnelArgs {
    #[command(subcommand)]
    verb: TunnelVerb,
    /// One JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TunnelVerb {
    /// Find what is wrong with a config.yml, mistakes that cloudflared lets pass included; exit code 7 for errors
    Check {
        /// The file, such as /etc/cloudflared/config.yml
        file: PathBuf,
        /// The proxy's configuration: then a rule must lead to its [tunnel] port
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Say whether the running connector is healthy; exit code 6 for degraded or down
    Status {
        /// Its metrics server
        #[arg(long, default_value = "127.0.0.1:20241")]
        metrics: String,
        /// Connections to the edge that it should have
        #[arg(long, default_value_t = 4)]
        connections: u32,
    },
}

pub(super) fn run(arguments: &TunnelArgs) -> Result<(), CliError> {
    match &arguments.verb {
        TunnelVerb::Check { file, config } => check_file(arguments, file, config.as_deref()),
        TunnelVerb::Status { metrics, connections } => {
            show_status(arguments, metrics, *connections)
        }
    }
}

fn check_file(arguments: &TunnelArgs, file: &Path, config: Option<&Path>) -> Result<(), CliError> {
    let unreadable = |error| CliError::usage(format!("cannot read {}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let door = match config {
        Some(path) => {
            Config::load(Some(path), &Environment::of_process()?)?.tunnel.map(|door| door.port)
        }
        None => None,
    };
    let findings = check(&text, door);
    for finding in &findings {
        let (word, place) = (finding.gravity.word(), finding.place);
        match arguments.json {
            true => println!(
                "{}",
                json!({ "file": file, "line": place.line, "column": place.column,
                "gravity": word, "text": finding.text })
            ),
            false => println!("{}:{place}: {word}: {}", file.display(), finding.text),
        }
    }
    match findings.iter().filter(|finding| finding.gravity == Gravity::Error).count() {
        0 => Ok(()),
        1 => Err(CliError::with_exit_code(
            "1 error: correct it, and restart cloudflared",
            CHECK_EXIT_CODE,
        )),
        count => {
            let line = format!("{count} errors: correct them, and restart cloudflared");
            Err(CliError::with_exit_code(line, CHECK_EXIT_CODE))
        }
    }
}

fn show_status(arguments: &TunnelArgs, metrics: &str, connections: u32) -> Result<(), CliError> {
    let found = runtime()?.block_on(status(metrics, connections)).map_err(|error| {
        let hint = "start cloudflared, or name its metrics address with --metrics";
        CliError::with_exit_code(format!("unknown: {error}: {hint}"), UNREACHABLE_EXIT_CODE)
    })?;
    let (word, count, id) = (found.health.word(), found.connections, found.id);
    match arguments.json {
        true => println!("{}", json!({ "status": word, "connections": count, "connector": id })),
        false => {
            println!("{word}: {count} of {connections} connections to the edge, connector {id}")
        }
    }
    match found.health {
        Health::Healthy => Ok(()),
        _ => Err(CliError::with_exit_code("see the log of cloudflared", UNWELL_EXIT_CODE)),
    }
}
