//! `taskmaster migrate up | down | status`: straight to the configured server, past any pooler.

use std::fmt::Display;

use taskmaster_migrations::{
    DownTo, Event, MigrateError, Runner, Status, StepState, StepStatus, Target, TlsMode, UpTo,
    connect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{CliError, Direction, MigrateArgs, runtime};
use crate::config::{Config, DEFAULT_DATABASE, DEFAULT_USER, Environment};
use crate::net::tls::{ServerTls, SslMode};

pub(super) fn run(arguments: &MigrateArgs) -> Result<(), CliError> {
    let config = Config::load(arguments.config.as_deref(), &Environment::of_process()?)?;
    let order = Order::parse(&arguments.direction)?;
    runtime()?.block_on(carry_out(&config, order))
}

/// What to do, with its goal understood.
enum Order {
    Up(UpTo),
    Down(DownTo),
    Status(StatusOrder),
}

/// How the standing is shown.
#[derive(Clone, Copy)]
enum Format {
    Lines,
    Json,
}

/// What follows from a database that is behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Told,
    Fails,
}

struct StatusOrder {
    format: Format,
    behind: Behind,
}

/// The exit code of `status --check` for a database that is behind.
const BEHIND_EXIT_CODE: u8 = 6;

impl Order {
    fn parse(direction: &Direction) -> Result<Self, CliError> {
        match direction {
            Direction::Up { to } => {
                to.parse().map(Self::Up).map_err(|error| not_a_step(to, &error))
            }
            Direction::Down { to } => {
                to.parse().map(Self::Down).map_err(|error| not_a_step(to, &error))
            }
            Direction::Status { json, check } => Ok(Self::Status(StatusOrder {
                format: if *json { Format::Json } else { Format::Lines },
                behind: if *check { Behind::Fails } else { Behind::Told },
            })),
        }
    }
}

async fn carry_out(config: &Config, order: Order) -> Result<(), CliError> {
    let tls = ServerTls::load(config.server.ssl_mode, config.server.ssl_root_cert_file.as_deref());
    let tls = tls.map_err(CliError::usage)?;
    let connector = MakeRustlsConnect::new(tls.client_config());
    let connection = connect(&target(config), connector).await.map_err(failed)?;
    let mut runner = Runner::new(connection);
    let mut print = |event: &Event| println!("{event}");
    match order {
        Order::Up(to) => {
            let report = runner.up(to, &mut print).await.map_err(failed)?;
            println!("{} steps applied", report.steps.len());
        }
        Order::Down(to) => {
            let report = runner.down(to, &mut print).await.map_err(failed)?;
            println!("{} steps reverted", report.steps.len());
        }
        Order::Status(order) => {
            let status = runner.status().await.map_err(failed)?;
            match order.format {
                Format::Lines => show(&status),
                Format::Json => println!("{}", json(&status)),
            }
            if order.behind == Behind::Fails && !status.is_current() {
                return Err(behind(&status));
            }
        }
    }
    Ok(())
}

fn show(status: &Status) {
    status.steps.iter().for_each(|step| println!("{}", line(step)));
    if let Some(extension) = status.extension.as_ref().filter(|extension| extension.is_due()) {
        let files = extension.available.as_deref().unwrap_or("gone");
        println!(
            "extension taskmaster: {} installed, the server's files: {files}",
            extension.installed
        );
    }
}

fn json(status: &Status) -> serde_json::Value {
    let step = |step: &StepStatus| {
        serde_json::json!({
            "version": step.version.to_string(), "name": step.name, "state": step.state.to_string(),
            "applied_at": step.applied_at, "execution_time_ms": step.execution_time_ms,
        })
    };
    let extension = status.extension.as_ref().map(|extension| {
        serde_json::json!({ "installed": extension.installed, "available": extension.available })
    });
    serde_json::json!({
        "current": status.is_current(),
        "steps": status.steps.iter().map(step).collect::<Vec<_>>(),
        "extension": extension,
    })
}

fn behind(status: &Status) -> CliError {
    let open = status.steps.iter().filter(|step| step.state != StepState::Applied).count();
    let what = match open {
        0 => "the extension is of another version than the server's files".to_owned(),
        1 => "1 step is not as this program has it".to_owned(),
        open => format!("{open} steps are not as this program has them"),
    };
    let line = format!("{what}: taskmaster migrate up applies what is pending");
    CliError::with_exit_code(line, BEHIND_EXIT_CODE)
}

fn target(config: &Config) -> Target {
    let server = &config.server;
    let user = config.auth.user.as_deref().unwrap_or(DEFAULT_USER);
    let dbname = config.dbname.as_deref().unwrap_or(DEFAULT_DATABASE);
    let mut target = Target::new(server.host.as_str(), server.port, user, dbname);
    target.password = config.auth.password.as_ref().map(|password| password.reveal().to_owned());
    target.connect_timeout = server.connect_timeout;
    target.tls = match server.ssl_mode {
        SslMode::Disable => TlsMode::Disable,
        SslMode::Prefer => TlsMode::Prefer,
        // The connector verifies what these two ask for.
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => TlsMode::Require,
    };
    target
}

fn line(step: &StepStatus) -> String {
    let state = step.state;
    let when = step.applied_at.as_deref().unwrap_or("-");
    format!("{}  {state:<8} {when:<28} {}", step.version, step.name)
}

fn not_a_step(to: &str, error: &dyn Display) -> CliError {
    CliError::usage(format!("--to {to}: {error}: taskmaster migrate status lists them"))
}

fn failed(error: MigrateError) -> CliError {
    let hint = error.hint().unwrap_or_else(|| "correct that and run it again".to_owned());
    CliError::with_exit_code(format!("{error}: {hint}"), error.kind().exit_code())
}
