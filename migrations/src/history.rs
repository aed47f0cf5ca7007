//! The schema `taskmaster_migrations`: what the runner did to a database, and what it found there.
//!
//! Holds for all ledgers of a database together, since the catalog is one. Must not know how a step
//! is run.

use std::fmt;
use std::time::Duration;

use tokio_postgres::{GenericClient, Row, Transaction};

use crate::catalog::{Catalog, Difference, Object};
use crate::reply::reply;
use crate::{MigrateError, Settings, Version};

const DOING: &str = "keeping the history";

const EXISTS: &str = "SELECT to_regclass('taskmaster_migrations.events') IS NOT NULL";

const INSERT: &str = "
    INSERT INTO taskmaster_migrations.events
        (ledger, action, version, description, reason, duration_ms, fingerprint, tool_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";

const CHANGES: &str = "
    INSERT INTO taskmaster_migrations.changes (event_id, kind, name, before, after)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])";

/// Each object as it was left or found last.
const STANDING: &str = "
    SELECT kind, name, NULL, after FROM (
        SELECT DISTINCT ON (kind, name) kind, name, after
          FROM taskmaster_migrations.changes ORDER BY kind, name, event_id DESC) AS latest
     WHERE after IS NOT NULL";

const OF_STEP: &str = "
    SELECT c.kind, c.name, c.before, c.after FROM taskmaster_migrations.changes AS c
     WHERE c.event_id = (SELECT max(id) FROM taskmaster_migrations.events
                          WHERE ledger = $1 AND version = $2 AND action = 'up')
       AND EXISTS (SELECT FROM taskmaster_migrations.events AS e WHERE e.id = c.event_id AND e.fingerprint IS NOT NULL)";

const LIST: &str = r#"
    SELECT id, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ledger, action, version,
           description, reason, duration_ms, fingerprint, actor, tool_version,
           (SELECT count(*) FROM taskmaster_migrations.changes WHERE event_id = id)
      FROM taskmaster_migrations.events ORDER BY id"#;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The catalog as the first run met it.
    Found,
    /// Objects were other than the runner had left them.
    Drift,
    /// A step was applied.
    Up,
    /// A step was reverted.
    Down,
    /// The extension was updated.
    Extension,
    /// A step was recorded as applied without being run.
    Baseline,
    /// A record was brought in line with its file.
    Repair,
    /// A step failed, and nothing of it stayed.
    Failed,
    /// Rows were backed up on demand.
    Backup,
    /// Rows of a backup were brought back.
    Restore,
    /// A backup was dropped.
    Forget,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Found => "found",
            Self::Drift => "drift",
            Self::Up => "up",
            Self::Down => "down",
            Self::Extension => "extension",
            Self::Baseline => "baseline",
            Self::Repair => "repair",
            Self::Failed => "failed",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Forget => "forget",
        })
    }
}

/// An event that is to be written down.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) ledger: &'a str,
    pub(crate) action: Action,
    pub(crate) version: Option<Version>,
    pub(crate) description: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) duration: Option<Duration>,
    /// Of the catalog after it.
    pub(crate) fingerprint: Option<String>,
}

impl<'a> Entry<'a> {
    /// An event without details.
    pub(crate) fn new(ledger: &'a str, action: Action) -> Self {
        Self {
            ledger,
            action,
            version: None,
            description: None,
            reason: None,
            duration: None,
            fingerprint: None,
        }
    }
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Its number.
    pub id: i64,
    /// RFC 3339, UTC.
    pub occurred_at: String,
    /// The schema of the ledger.
    pub ledger: String,
    /// What happened.
    pub action: String,
    /// The step.
    pub version: Option<String>,
    /// Its name in words, or what else was done.
    pub description: Option<String>,
    /// Why, as far as somebody said.
    pub reason: Option<String>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// Of the catalog after it.
    pub fingerprint: Option<String>,
    /// Who was logged in.
    pub actor: String,
    /// The program.
    pub tool_version: String,
    /// How many objects it changed.
    pub objects: i64,
}

/// Makes the schema where there is none yet.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn ensure(
    transaction: &Transaction<'_>,
    settings: &Settings,
) -> Result<(), MigrateError> {
    if !exists(transaction, settings).await? {
        let made = transaction.batch_execute(include_str!("history.sql"));
        reply("making the schema taskmaster_migrations", settings.reply_timeout(), made).await?;
    }
    Ok(())
}

/// Whether a run has ever changed this database.
pub(crate) async fn exists(
    client: &impl GenericClient,
    settings: &Settings,
) -> Result<bool, MigrateError> {
    Ok(reply(DOING, settings.reply_timeout(), client.query_one(EXISTS, &[])).await?.get(0))
}

/// Whether anything has been written down yet.
pub(crate) async fn any(
    client: &impl GenericClient,
    settings: &Settings,
) -> Result<bool, MigrateError> {
    const ANY: &str =
        "SELECT EXISTS (SELECT FROM taskmaster_migrations.events WHERE action <> 'failed')";
    Ok(reply(DOING, settings.reply_timeout(), client.query_one(ANY, &[])).await?.get(0))
}

/// Writes an event down with the objects it changed.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn record(
    client: &impl GenericClient,
    entry: &Entry<'_>,
    differences: &[Difference],
    settings: &Settings,
) -> Result<(), MigrateError> {
    let limit = settings.reply_timeout();
    let version = entry.version.map(|version| version.to_string());
    let action = entry.action.to_string();
    let duration_ms =
        entry.duration.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    let tool_version = env!("CARGO_PKG_VERSION");
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
        &entry.ledger,
        &action,
        &version,
        &entry.description,
        &entry.reason,
        &duration_ms,
        &entry.fingerprint,
        &tool_version,
    ];
    let id: i64 = reply(DOING, limit, client.query_one(INSERT, &parameters)).await?.get(0);
    if differences.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = differences.iter().map(|one| one.object.kind.as_str()).collect();
    let names: Vec<&str> = differences.iter().map(|one| one.object.name.as_str()).collect();
    let before: Vec<Option<&str>> = differences.iter().map(|one| one.before.as_deref()).collect();
    let after: Vec<Option<&str>> = differences.iter().map(|one| one.after.as_deref()).collect();
    reply(DOING, limit, client.execute(CHANGES, &[&id, &kinds, &names, &before, &after]))
        .await
        .map(|_rows| ())
}

/// The catalog as the runner left it last; none when it has never been here.
///
/// # Errors
/// As [`record`].
pub(crate) async fn standing(
    client: &impl GenericClient,
    settings: &Settings,
) -> Result<Option<Catalog>, MigrateError> {
    if !exists(client, settings).await? {
        return Ok(None);
    }
    let rows = reply(DOING, settings.reply_timeout(), client.query(STANDING, &[])).await?;
    let mut catalog = Catalog::default();
    rows.iter().map(difference).for_each(|difference| catalog.apply(difference));
    Ok(Some(catalog))
}

/// What a step changed when it was applied last; nothing when that is not known.
///
/// # Errors
/// As [`record`].
pub(crate) async fn of_step(
    client: &impl GenericClient,
    ledger: &str,
    version: Version,
    settings: &Settings,
) -> Result<Vec<Difference>, MigrateError> {
    let version = version.to_string();
    let rows =
        reply(DOING, settings.reply_timeout(), client.query(OF_STEP, &[&ledger, &version])).await?;
    Ok(rows.iter().map(difference).collect())
}

/// All events, the first one first.
///
/// # Errors
/// As [`record`].
pub(crate) async fn list(
    client: &impl GenericClient,
    settings: &Settings,
) -> Result<Vec<HistoryEvent>, MigrateError> {
    if !exists(client, settings).await? {
        return Ok(Vec::new());
    }
    let rows = reply(DOING, settings.reply_timeout(), client.query(LIST, &[])).await?;
    Ok(rows.iter().map(event).collect())
}

fn difference(row: &Row) -> Difference {
    let object = Object { kind: row.get(0), name: row.get(1) };
    Difference { object, before: row.get(2), after: row.get(3) }
}

fn event(row: &Row) -> HistoryEvent {
    HistoryEvent {
        id: row.get(0),
        occurred_at: row.get(1),
        ledger: row.get(2),
        action: row.get(3),
        version: row.get(4),
        description: row.get(5),
        reason: row.get(6),
        duration_ms: row.get(7),
        fingerprint: row.get(8),
        actor: row.get(9),
        tool_version: row.get(10),
        objects: row.get(11),
    }
}
