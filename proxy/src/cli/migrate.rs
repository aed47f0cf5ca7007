//! `taskmaster migrate`: the verbs, straight to the configured server, past any pooler.

mod arguments;
mod output;

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use taskmaster_migrations::{
    Backup, Complaint, Drift, Event, Gravity, Landing, MigrateError, Plan, Present, Runner,
    Settings, Severity, Status, StepState, Target, TlsMode, Unlock, connect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) use self::arguments::MigrateArgs;
use self::arguments::{Bounds, MigrateVerb as Verb};
use self::output::{Format, count_of};
use super::{CliError, runtime};
use crate::config::{Config, DEFAULT_DATABASE, DEFAULT_USER, Environment};
use crate::net::tls::{ServerTls, SslMode};

/// The exit code of `--check` for a database that is not as it should be.
const BEHIND_EXIT_CODE: u8 = 6;

/// The exit code of `lint` for steps that should not be applied as they are.
const LINT_EXIT_CODE: u8 = 7;

/// A session that has held the lock this long without doing anything has lost its program.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(30);

/// How long nothing may be said while a run is at work.
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &MigrateArgs) -> Result<(), CliError> {
    let format = if arguments.json { Format::Json } else { Format::Lines };
    let outcome = carry_out(arguments, format);
    // What a check found is in the objects already.
    if let (Err(error), Format::Json) = (&outcome, format)
        && error.exit_code() < BEHIND_EXIT_CODE
    {
        format.show(String::new, || json!({ "event": "error", "text": error.to_string(), "exit_code": error.exit_code() }));
    }
    outcome
}

fn carry_out(arguments: &MigrateArgs, format: Format) -> Result<(), CliError> {
    if let Verb::New { name } = &arguments.verb {
        let folder = arguments
            .dir
            .as_deref()
            .ok_or_else(|| CliError::usage("migrate new: say where with --dir"))?;
        let paths = taskmaster_migrations::new_step(folder, name).map_err(failed)?;
        paths.iter().for_each(|path| {
            format.show(|| path.display().to_string(), || json!({ "made": path }))
        });
        return Ok(());
    }
    let plan = plan(arguments)?;
    match &arguments.verb {
        Verb::Lint { pending: false, .. } => lint(arguments, &plan, format),
        Verb::Validate { roundtrip: false } => validate(&plan, format),
        verb => {
            let config = Config::load(arguments.config.as_deref(), &Environment::of_process()?)?;
            runtime()?.block_on(with_server(&config, plan, verb, format))
        }
    }
}

/// The steps that it is about.
fn plan(arguments: &MigrateArgs) -> Result<Plan, CliError> {
    let Some(folder) = &arguments.dir else { return Ok(Plan::embedded()) };
    let taken = [
        "taskmaster",
        "taskmaster_migrations",
        "taskmaster_backup",
        "pg_catalog",
        "information_schema",
    ];
    if arguments.ledger.is_empty() || taken.contains(&arguments.ledger.as_str()) {
        return Err(CliError::usage(format!(
            "--ledger {}: that schema is taken: choose another name",
            arguments.ledger
        )));
    }
    Ok(taskmaster_migrations::load(folder).map_err(failed)?.of_project(&arguments.ledger))
}

fn lint(arguments: &MigrateArgs, plan: &Plan, format: Format) -> Result<(), CliError> {
    if arguments.dir.is_none() {
        let line = "migrate lint looks at steps that can still be changed: name your folder with --dir, \
            or ask with --pending for those that this database does not have yet";
        return Err(CliError::usage(line));
    }
    let complaints =
        plan.steps().iter().map(taskmaster_migrations::lint).collect::<Result<Vec<_>, _>>();
    judge(&complaints.map_err(failed)?.concat(), &arguments.verb, format)
}

/// Shows what the linter found, and what follows from that.
fn judge(complaints: &[Complaint], verb: &Verb, format: Format) -> Result<(), CliError> {
    format.complaints(complaints);
    let least = match verb {
        Verb::Lint { strict: true, .. } => Gravity::Advice,
        _ => Gravity::Danger,
    };
    match complaints.iter().filter(|complaint| complaint.rule.gravity >= least).count() {
        0 => Ok(()),
        count => {
            let line = format!(
                "{count} places in the steps would hurt: change them, or name the rule in the step's header: ignore = [\"...\"]"
            );
            Err(CliError::with_exit_code(line, LINT_EXIT_CODE))
        }
    }
}

/// Reads every file, as `up` would before it runs anything.
fn validate(plan: &Plan, format: Format) -> Result<(), CliError> {
    plan.validate().map_err(failed)?;
    let count = plan.steps().len();
    format.show(
        || format!("steps: all {count} can be read and fit each other"),
        || json!({ "event": "valid", "steps": count }),
    );
    Ok(())
}

async fn with_server(
    config: &Config,
    plan: Plan,
    verb: &Verb,
    format: Format,
) -> Result<(), CliError> {
    let tls = ServerTls::load(config.server.ssl_mode, config.server.ssl_root_cert_file.as_deref());
    let tls = tls.map_err(CliError::usage)?;
    let connector = MakeRustlsConnect::new(tls.client_config());
    let target = target(config);
    if let Verb::Validate { .. } = verb {
        validate(&plan, format)?;
        let progress = Progress::new(format);
        let mut observe = |event: &Event| progress.heard_of_proof(event);
        let proving = taskmaster_migrations::prove(&target, connector, &plan, &mut observe);
        format.proven(&progress.watch(proving).await.map_err(failed)?);
        return Ok(());
    }
    let connection = connect(&target, connector).await.map_err(failed)?;
    let mut runner = Runner::with_plan(connection, plan);
    match verb {
        Verb::Up { bounds, .. }
        | Verb::Down { bounds, .. }
        | Verb::Redo { bounds }
        | Verb::Resume { bounds } => {
            let runner = runner.settings(settings(bounds));
            let progress = Progress::new(format);
            let mut observe = |event: &Event| progress.heard(event);
            progress.watch(change(runner, verb, format, &mut observe)).await
        }
        Verb::Baseline { version } => {
            let version = version.parse().map_err(|error| not_a_step(version, &error))?;
            let recorded =
                runner.baseline(version, &mut |event| format.event(event)).await.map_err(failed)?;
            told(format, recorded.len(), "recorded as applied");
            Ok(())
        }
        Verb::Repair { reason } => {
            let repaired =
                runner.repair(reason, &mut |event| format.event(event)).await.map_err(failed)?;
            told(format, repaired.len(), "taken as they are");
            Ok(())
        }
        Verb::Backup { .. } | Verb::Restore { .. } => {
            rows(&mut runner, verb, format).await.map_err(failed)
        }
        verb => look(&mut runner, verb, format).await,
    }
}

/// The verbs that apply and revert steps.
async fn change(
    mut runner: Runner,
    verb: &Verb,
    format: Format,
    observe: &mut (dyn FnMut(&Event) + Send),
) -> Result<(), CliError> {
    let (report, word) = match verb {
        Verb::Up { to, .. } => {
            let to = to.parse().map_err(|error| not_a_step(to, &error))?;
            (runner.up(to, observe).await, "applied")
        }
        Verb::Down { to, .. } => {
            let to = to.parse().map_err(|error| not_a_step(to, &error))?;
            (runner.down(to, observe).await, "reverted")
        }
        Verb::Redo { .. } => (runner.redo(observe).await, "reverted and applied"),
        _ => (runner.resume(observe).await, "finished"),
    };
    format.report(&report.map_err(failed)?, word);
    Ok(())
}

/// The verbs about backups.
async fn rows(runner: &mut Runner, verb: &Verb, format: Format) -> Result<(), MigrateError> {
    let observe = &mut |event: &Event| format.event(event);
    let events = match verb {
        Verb::Backup { list: true, .. } => {
            format.backups(&runner.backups().await?);
            return Ok(());
        }
        Verb::Backup { forget: Some(id), .. } => {
            runner.forget(*id, observe).await?;
            format.show(
                || format!("backup {id} is dropped"),
                || json!({ "event": "forgotten", "backup": id }),
            );
            return Ok(());
        }
        Verb::Backup { tables, .. } => runner.backup(tables, observe).await?,
        Verb::Restore { id, overwrite } => {
            let present = if *overwrite { Present::Overwritten } else { Present::Stay };
            runner.restore(*id, present, observe).await?
        }
        _ => Vec::new(),
    };
    events.iter().for_each(|event| format.event(event));
    if events.is_empty() {
        format.show(|| "the tables hold no rows".to_owned(), || json!({ "event": "empty" }));
    }
    Ok(())
}

/// The verbs that look without changing anything, and `unlock`.
async fn look(runner: &mut Runner, verb: &Verb, format: Format) -> Result<(), CliError> {
    match verb {
        Verb::Status { check } => {
            let status = runner.status().await.map_err(failed)?;
            format.status(&status);
            if *check && !status.is_current() {
                return Err(behind(&status));
            }
        }
        Verb::Plan { to, down } => {
            let to = to.as_deref().unwrap_or(if *down { "previous" } else { "latest" });
            let steps = if *down {
                runner.plan_down(to.parse().map_err(|error| not_a_step(to, &error))?).await
            } else {
                runner.plan_up(to.parse().map_err(|error| not_a_step(to, &error))?).await
            };
            format.plan(&steps.map_err(failed)?);
        }
        Verb::Lint { .. } => judge(&runner.lint_pending().await.map_err(failed)?, verb, format)?,
        Verb::Verify => told(
            format,
            runner.verify().await.map_err(failed)?.len(),
            "checked, without a complaint",
        ),
        Verb::Drift { accept: Some(reason), .. } => accept_drift(runner, reason, format).await?,
        Verb::Drift { check, accept: None } => {
            let differences = runner.drift().await.map_err(failed)?;
            format.drift(&differences);
            if *check && !differences.is_empty() {
                return Err(drifted(differences.len()));
            }
        }
        Verb::History => format.history(&runner.history().await.map_err(failed)?),
        Verb::Fingerprint => format.fingerprint(&runner.fingerprint().await.map_err(failed)?),
        Verb::Unlock { now } => {
            let when = if *now { Unlock::Now } else { Unlock::IdleFor(LEFT_BEHIND_AFTER) };
            let ended = runner.unlock(when).await.map_err(failed)?.map(|ended| ended.holder);
            format.show(
                || {
                    ended.as_ref().map_or("nobody holds the lock".to_owned(), |holder| {
                        format!("ended {holder}")
                    })
                },
                || json!({ "event": "unlocked", "holder": ended }),
            );
        }
        Verb::Doctor => {
            let findings = runner.doctor().await.map_err(failed)?;
            format.findings(&findings);
            let problems =
                findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
            if problems > 0 {
                let line = format!("{problems} things are in the way: see above");
                return Err(CliError::with_exit_code(line, BEHIND_EXIT_CODE));
            }
        }
        // These have gone another way before.
        Verb::New { .. }
        | Verb::Validate { .. }
        | Verb::Up { .. }
        | Verb::Down { .. }
        | Verb::Redo { .. }
        | Verb::Resume { .. }
        | Verb::Baseline { .. }
        | Verb::Repair { .. }
        | Verb::Backup { .. }
        | Verb::Restore { .. } => {}
    }
    Ok(())
}

async fn accept_drift(runner: &mut Runner, reason: &str, format: Format) -> Result<(), CliError> {
    let accepted = runner.accept_drift(reason, &mut |event| format.event(event)).await;
    let count = accepted.map_err(failed)?;
    format.show(
        || format!("{} taken over as found", count_of(count, "object")),
        || json!({ "event": "accepted", "objects": count }),
    );
    Ok(())
}

fn drifted(count: usize) -> CliError {
    let line = format!(
        "{} not as the last migration left: put that back, or take it as it is with --accept \"why\"",
        count_of(count, "object")
    );
    CliError::with_exit_code(line, BEHIND_EXIT_CODE)
}

/// What a run said last, and when.
struct Progress {
    format: Format,
    last: Mutex<(Instant, String)>,
}

impl Progress {
    fn new(format: Format) -> Self {
        Self { format, last: Mutex::new((Instant::now(), "beginning".to_owned())) }
    }

    fn heard(&self, event: &Event) {
        self.format.event(event);
        self.remember(event);
    }

    fn remember(&self, event: &Event) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            (Instant::now(), event.to_string());
    }

    /// The same while steps are proven: that they go up and down is what is to be expected.
    fn heard_of_proof(&self, event: &Event) {
        match event {
            Event::Started { .. }
            | Event::Finished { .. }
            | Event::PartitionsMade { .. }
            | Event::Notice { .. } => {
                self.remember(event);
            }
            event => self.heard(event),
        }
    }

    /// Waits for a run, and says that it is still at work where it does not itself.
    async fn watch<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = tokio::time::sleep(SILENCE_MAX) => self.break_silence(),
            }
        }
    }

    fn break_silence(&self) {
        let (since, what) = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let silence = since.elapsed();
        if silence >= SILENCE_MAX {
            let seconds = silence.as_secs();
            self.format.show(
                || format!("still at work, {seconds} s after: {what}"),
                || json!({ "event": "working", "seconds": seconds, "after": what }),
            );
        }
    }
}

fn told(format: Format, count: usize, what: &str) {
    format.show(
        || format!("{} {what}", count_of(count, "step")),
        || json!({ "event": "done", "steps": count }),
    );
}

fn settings(bounds: &Bounds) -> Settings {
    let usual = Settings::default();
    Settings {
        lock_timeout: bounds.lock_timeout.unwrap_or(usual.lock_timeout),
        statement_timeout: bounds.statement_timeout.unwrap_or(usual.statement_timeout),
        runner_wait: bounds.wait.unwrap_or(usual.runner_wait),
        backup: if bounds.no_backup && bounds.i_accept_data_loss {
            Backup::Skipped
        } else {
            Backup::Taken
        },
        landing: if bounds.inexact { Landing::Told } else { Landing::Exact },
        drift: if bounds.no_drift { Drift::Refused } else { Drift::Told },
        ..usual
    }
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

fn not_a_step(to: &str, error: &dyn Display) -> CliError {
    CliError::usage(format!("--to {to}: {error}: taskmaster migrate status lists them"))
}

fn failed(error: MigrateError) -> CliError {
    let hint = error.hint().unwrap_or_else(|| "correct that and run it again".to_owned());
    let line = CliError::with_exit_code(format!("{error}: {hint}"), error.kind().exit_code());
    match error.excerpt() {
        Some(excerpt) => line.with_excerpt(excerpt),
        None => line,
    }
}
