//! One attempt at a change: a transaction that holds the step, its record, its place in the history
//! and the backup of what it loses, or nothing of any of them.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, GenericClient, SimpleQueryMessage, Transaction};

use crate::backup;
use crate::catalog::{Catalog, Difference};
use crate::change::{Change, Frame, Record};
use crate::error::{describe, place};
use crate::history::{self, Action, Entry};
use crate::landing::{also_gone, amiss, missed};
use crate::loss::{self, Loss, Tables};
use crate::reply::{answered, reply};
use crate::runner::Observer;
use crate::script::{Script, Statement};
use crate::{Backup, Event, Landing, MigrateError, Settings, StepFailure, Version, needs};

/// What the runner does while a statement of a step is at work.
const RUNNING: &str = "running a statement";

/// Marks the point before the statements of a step.
const BEFORE: &str = "SAVEPOINT taskmaster_before";

/// The point is reached again, and the locks that were taken since are free.
const BACK: &str = "ROLLBACK TO SAVEPOINT taskmaster_before";

/// What a change left behind.
pub(crate) struct Done {
    pub(crate) duration: Duration,
    /// The catalog after it.
    pub(crate) catalog: Catalog,
    /// What is to be told of it.
    pub(crate) events: Vec<Event>,
}

/// Runs a change in a transaction of its own and commits it.
///
/// # Errors
/// [`MigrateError::Step`], [`MigrateError::Verify`], [`MigrateError::Landing`],
/// [`MigrateError::Server`], [`MigrateError::NoAnswer`]: then nothing of it stayed. The exception is
/// a connection that is lost during COMMIT, of which nobody can know.
///
/// # Cancel safety
/// A cancelled call rolls the transaction back.
pub(crate) async fn attempt(
    client: &mut Client,
    change: &Change,
    before: &Catalog,
    frame: Frame<'_>,
    observe: Observer<'_>,
) -> Result<Done, MigrateError> {
    let started = Instant::now();
    let settings = &change.settings;
    let transaction = begin(client, settings, &change.search_path).await?;
    if let Record::Delete = change.record {
        // First the record: the way down of the first step drops the ledger.
        let struck = frame.ledger.delete(&transaction, change.version);
        reply("striking the step out of the ledger", settings.reply_timeout(), struck).await?;
    }
    let mut events =
        guarded(&transaction, change, &change.script.statements, frame, observe).await?;
    let catalog = record(&transaction, change, before, frame, started, &mut events).await?;
    if let Record::Insert { verify: Some(script), .. } = &change.record {
        check(&transaction, change.version, script, settings).await?;
    }
    reply("committing the step", settings.reply_timeout(), transaction.commit()).await?;
    Ok(Done { duration: started.elapsed(), catalog, events })
}

/// Writes down what was done, in the transaction that did it.
///
/// # Errors
/// As [`attempt`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn record(
    transaction: &Transaction<'_>,
    change: &Change,
    before: &Catalog,
    frame: Frame<'_>,
    started: Instant,
    events: &mut Vec<Event>,
) -> Result<Catalog, MigrateError> {
    let settings = &change.settings;
    // A step that took on another role has done so for itself.
    let own = transaction.batch_execute("RESET ROLE");
    reply("going back to the own role", settings.reply_timeout(), own).await?;
    let catalog = Catalog::read(transaction, settings).await?;
    let action = match &change.record {
        Record::Insert { step, .. } => {
            let recorded = frame.ledger.insert(transaction, step, started.elapsed());
            reply("recording the step", settings.reply_timeout(), recorded).await?;
            needs::remember(transaction, frame.ledger, change.version, &step.header()?, settings)
                .await?;
            Action::Up
        }
        Record::Abandon => {
            let left = before.differences(&catalog);
            let left = left
                .iter()
                .map(|one| missed(&one.object, one.before.as_deref(), one.after.as_deref()));
            let objects: Vec<String> = left.collect();
            if !objects.is_empty() && settings.landing == Landing::Exact {
                return Err(MigrateError::Landing { version: change.version, objects });
            }
            Action::Down
        }
        Record::Delete => {
            let schema = &frame.ledger.schema;
            let step = history::of_step(transaction, schema, change.version, settings).await?;
            events.extend(land(change, &step, before, &catalog)?);
            needs::release(transaction, frame.ledger, change.version, settings).await?;
            Action::Down
        }
    };
    let entry = Entry {
        version: Some(change.version),
        description: Some(&change.name),
        duration: Some(started.elapsed()),
        fingerprint: Some(catalog.fingerprint()),
        ..Entry::new(&frame.ledger.schema, action)
    };
    history::record(transaction, &entry, &before.differences(&catalog), settings).await?;
    Ok(catalog)
}

/// Compares where a way down has led with where the step began.
fn land(
    change: &Change,
    step: &[Difference],
    before: &Catalog,
    after: &Catalog,
) -> Result<Vec<Event>, MigrateError> {
    if step.is_empty() {
        return Ok(Vec::new());
    }
    let objects = amiss(step, before, after);
    if !objects.is_empty() && change.settings.landing == Landing::Exact {
        return Err(MigrateError::Landing { version: change.version, objects });
    }
    let gone =
        also_gone(step, before, after).into_iter().map(|object| format!("{object} went with it"));
    let tell = |what| Event::Inexact { version: change.version, what };
    Ok(objects.into_iter().chain(gone).map(tell).collect())
}

/// Makes the partitions that must stand, if the schema has come that far. Gives how many were
/// missing.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// As [`attempt`].
pub(crate) async fn make_partitions(
    client: &mut Client,
    settings: &Settings,
) -> Result<i32, MigrateError> {
    const DOING: &str = "making partitions";
    const KNOWN: &str =
        "SELECT to_regprocedure('taskmaster.ensure_partitions(integer)') IS NOT NULL";
    let transaction = begin(client, settings, "pg_catalog").await?;
    let known = reply(DOING, settings.reply_timeout(), transaction.query_one(KNOWN, &[])).await?;
    if !known.get::<_, bool>(0) {
        return Ok(0);
    }
    let call = transaction.query_one("SELECT taskmaster.ensure_partitions()", &[]);
    let made = reply(DOING, settings.reply_timeout(), call).await?.get(0);
    reply(DOING, settings.reply_timeout(), transaction.commit()).await?;
    Ok(made)
}

/// Begins a transaction that is the same whatever the role, the database or the server has set.
pub(crate) async fn begin<'a>(
    client: &'a mut Client,
    settings: &Settings,
    search_path: &str,
) -> Result<Transaction<'a>, MigrateError> {
    const DOING: &str = "beginning a transaction";
    let transaction = reply(DOING, settings.reply_timeout(), client.transaction()).await?;
    let prelude = prelude(settings, search_path);
    reply(DOING, settings.reply_timeout(), transaction.batch_execute(&prelude)).await?;
    Ok(transaction)
}

fn prelude(settings: &Settings, search_path: &str) -> String {
    format!(
        "SET LOCAL TimeZone = 'UTC'; SET LOCAL standard_conforming_strings = on; \
         SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
         SELECT pg_catalog.set_config('search_path', {}, true)",
        settings.lock_timeout.as_millis(),
        settings.statement_timeout.as_millis(),
        crate::ledger::literal(search_path),
    )
}

/// Runs statements. Where rows or columns would go with them, what was done is taken back, they are
/// copied, and only then it is done for good.
///
/// # Errors
/// As [`attempt`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn guarded(
    transaction: &Transaction<'_>,
    change: &Change,
    statements: &[Statement],
    frame: Frame<'_>,
    observe: Observer<'_>,
) -> Result<Vec<Event>, MigrateError> {
    let limit = change.settings.reply_timeout();
    if change.settings.backup == Backup::Skipped {
        run_all(transaction, change, statements).await?;
        return Ok(Vec::new());
    }
    let tables = Tables::read(transaction, &change.settings).await?;
    reply(RUNNING, limit, transaction.batch_execute(BEFORE)).await?;
    run_all(transaction, change, statements).await?;
    let losses = tables.losses(transaction, change.loss, &change.settings).await?;
    if losses.is_empty() {
        return Ok(Vec::new());
    }
    reply(RUNNING, limit, transaction.batch_execute(BACK)).await?;
    let losses = loss::weigh(transaction, losses, &change.settings).await?;
    losses.iter().for_each(|loss| observe(&loss.event(change.version)));
    let events = back_up(transaction, change, &losses, frame).await?;
    run_all(transaction, change, statements).await?;
    Ok(events)
}

async fn back_up(
    transaction: &Transaction<'_>,
    change: &Change,
    losses: &[Loss],
    frame: Frame<'_>,
) -> Result<Vec<Event>, MigrateError> {
    if losses.is_empty() {
        return Ok(Vec::new());
    }
    let reason = backup::Reason {
        ledger: &frame.ledger.schema,
        change: Some((change.version, change.direction())),
    };
    backup::take(transaction, &reason, losses, &change.settings).await
}

async fn run_all(
    transaction: &Transaction<'_>,
    change: &Change,
    statements: &[Statement],
) -> Result<(), MigrateError> {
    for statement in statements {
        run_one(transaction, change, statement).await?;
    }
    Ok(())
}

/// Runs one statement.
///
/// # Errors
/// [`MigrateError::Step`], [`MigrateError::Server`], [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// What the statement did is part of its transaction.
pub(crate) async fn run_one(
    client: &impl GenericClient,
    change: &Change,
    statement: &Statement,
) -> Result<(), MigrateError> {
    let sent = client.batch_execute(&statement.text);
    answered(RUNNING, change.settings.reply_timeout(), sent)
        .await?
        .map_err(|error| failure(change, statement, &error))
}

/// Runs a step's own check, unable to write.
///
/// # Errors
/// [`MigrateError::Verify`], [`MigrateError::Server`], [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing but the transaction, which is read only from then on.
pub(crate) async fn check(
    transaction: &Transaction<'_>,
    version: Version,
    script: &Script,
    settings: &Settings,
) -> Result<(), MigrateError> {
    const DOING: &str = "checking the step";
    let read_only = transaction.batch_execute("SET LOCAL transaction_read_only = on");
    reply(DOING, settings.reply_timeout(), read_only).await?;
    for statement in &script.statements {
        let answer =
            answered(RUNNING, settings.reply_timeout(), transaction.simple_query(&statement.text))
                .await?;
        let complaint = match answer {
            Ok(messages) => messages.into_iter().find_map(complaint),
            Err(error) => Some(describe(&error)),
        };
        if let Some(complaint) = complaint {
            tracing::debug!(%version, complaint, "a step does not hold what it promises");
            return Err(MigrateError::Verify {
                file: script.file.clone(),
                line: statement.line,
                complaint,
            });
        }
    }
    Ok(())
}

fn complaint(message: SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    }
}

fn failure(change: &Change, statement: &Statement, error: &tokio_postgres::Error) -> MigrateError {
    let Some(server) = error.as_db_error() else {
        return MigrateError::server(RUNNING, error);
    };
    MigrateError::Step(Box::new(StepFailure {
        direction: change.direction(),
        version: change.version,
        file: change.script.file.clone(),
        location: place(server, &change.script, statement),
        sqlstate: server.code().code().to_owned(),
        message: server.message().to_owned(),
        detail: server.detail().map(str::to_owned),
        hint: server.hint().map(str::to_owned),
        context: server.where_().map(str::to_owned),
    }))
}
