//! One attempt at a change: a transaction that holds the step and its record, or nothing of either.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, SimpleQueryMessage, Transaction};

use crate::change::{Change, Record};
use crate::error::{describe, line_of};
use crate::reply::{answered, reply};
use crate::script::{Script, Statement};
use crate::{MigrateError, Settings, StepFailure, Version, ledger};

/// What the runner does while a statement of a step is at work.
const RUNNING: &str = "running a statement";

/// Runs a change in a transaction of its own and commits it. Gives how long that took.
///
/// # Errors
/// [`MigrateError::Step`], [`MigrateError::Verify`], [`MigrateError::Server`],
/// [`MigrateError::NoAnswer`]: then nothing of it stayed. The exception is a connection that is
/// lost during COMMIT, of which nobody can know.
///
/// # Cancel safety
/// A cancelled call rolls the transaction back.
pub(crate) async fn attempt(
    client: &mut Client,
    change: &Change,
    settings: &Settings,
) -> Result<Duration, MigrateError> {
    let started = Instant::now();
    let transaction = begin(client, settings).await?;
    match &change.record {
        Record::Insert { step, verify } => {
            run(&transaction, change, settings).await?;
            let recorded = ledger::insert(&transaction, step, started.elapsed());
            reply("recording the step", settings.reply_timeout(), recorded).await?;
            if let Some(script) = verify {
                check(&transaction, step.version, script, settings).await?;
            }
        }
        Record::Delete => {
            // First the record: the way down of the first step drops the ledger.
            let struck = ledger::delete(&transaction, change.version);
            reply("striking the step out of the ledger", settings.reply_timeout(), struck).await?;
            run(&transaction, change, settings).await?;
        }
    }
    reply("committing the step", settings.reply_timeout(), transaction.commit()).await?;
    Ok(started.elapsed())
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
    let transaction = begin(client, settings).await?;
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
/// With the search_path at pg_catalog a statement that forgets a schema fails.
pub(crate) async fn begin<'a>(
    client: &'a mut Client,
    settings: &Settings,
) -> Result<Transaction<'a>, MigrateError> {
    const DOING: &str = "beginning a transaction";
    let transaction = reply(DOING, settings.reply_timeout(), client.transaction()).await?;
    let prelude = format!(
        "SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}",
        settings.lock_timeout.as_millis(),
        settings.statement_timeout.as_millis(),
    );
    reply(DOING, settings.reply_timeout(), transaction.batch_execute(&prelude)).await?;
    Ok(transaction)
}

async fn run(
    transaction: &Transaction<'_>,
    change: &Change,
    settings: &Settings,
) -> Result<(), MigrateError> {
    for statement in &change.script.statements {
        let sent = transaction.batch_execute(&statement.text);
        answered(RUNNING, settings.reply_timeout(), sent)
            .await?
            .map_err(|error| failure(change, &change.script, statement, &error))?;
    }
    Ok(())
}

/// Runs a step's own check, unable to write.
async fn check(
    transaction: &Transaction<'_>,
    version: Version,
    script: &Script,
    settings: &Settings,
) -> Result<(), MigrateError> {
    const DOING: &str = "checking the step";
    reply(
        DOING,
        settings.reply_timeout(),
        transaction.batch_execute("SET LOCAL transaction_read_only = on"),
    )
    .await?;
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

fn failure(
    change: &Change,
    script: &Script,
    statement: &Statement,
    error: &tokio_postgres::Error,
) -> MigrateError {
    let Some(server) = error.as_db_error() else {
        return MigrateError::server(RUNNING, error);
    };
    MigrateError::Step(Box::new(StepFailure {
        direction: change.direction(),
        version: change.version,
        file: script.file.clone(),
        line: line_of(server, &statement.text, statement.line),
        sqlstate: server.code().code().to_owned(),
        message: server.message().to_owned(),
        detail: server.detail().map(str::to_owned),
        hint: server.hint().map(str::to_owned),
        context: server.where_().map(str::to_owned),
    }))
}
