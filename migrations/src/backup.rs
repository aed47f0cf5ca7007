//! Copies of rows that a step would lose, in the schema `taskmaster_backup` of the same database:
//! made, compared with what they are copies of, and committed together with the step.
//!
//! Must not know how rows are brought back.

use serde::{Deserialize, Serialize};
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::ledger::{literal, quoted};
use crate::loss::{Loss, Lost};
use crate::reply::reply;
use crate::{Direction, Event, MigrateError, Settings, Version};

const DOING: &str = "backing rows up";

/// The schema of the copies.
pub(crate) const SCHEMA: &str = "taskmaster_backup";

const REGISTER: &str = "
    INSERT INTO taskmaster_migrations.backups (ledger, version, direction, tables, tool_version)
    VALUES ($1, $2, $3, '[]', $4) RETURNING id";

const COMPLETE: &str =
    "UPDATE taskmaster_migrations.backups SET tables = $2::text::jsonb WHERE id = $1";

const LIST: &str = r#"
    SELECT id, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ledger, version, direction,
           tables::text FROM taskmaster_migrations.backups ORDER BY id"#;

/// The columns of a table's primary key, or of nothing.
const KEY: &str = "
    SELECT ARRAY(SELECT a.attname::text FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, n)
                   JOIN pg_attribute AS a ON a.attnum = k.attnum
                  WHERE i.indrelid = $1::text::regclass AND i.indisprimary AND a.attrelid = i.indrelid ORDER BY k.n)";

/// Why a backup is taken.
pub(crate) struct Reason<'a> {
    pub(crate) ledger: &'a str,
    /// The step that would lose the rows; none when somebody asked for the backup.
    pub(crate) change: Option<(Version, Direction)>,
}

/// A backup, as the database lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRecord {
    /// Its number.
    pub id: i64,
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// The schema of the ledger.
    pub ledger: String,
    /// The step before which it was taken.
    pub version: Option<String>,
    /// Which way that step went.
    pub direction: Option<String>,
    /// What it holds.
    pub tables: Vec<TableCopy>,
}

/// The copy of a table, or of some of its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCopy {
    /// The schema of the table.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The name of the copy in the schema `taskmaster_backup`.
    pub copy: String,
    /// Its columns, which are the copy's.
    pub columns: Vec<String>,
    /// Those of them by which a row is found again; empty without a primary key.
    pub key: Vec<String>,
    /// Whether whole rows are copied, or a key and the columns that are lost.
    pub holds: Holds,
    /// How many rows.
    pub rows: i64,
    /// What they took up in the table.
    pub bytes: i64,
    /// The sum of the rows' hashes (`hashtextextended` of each row's text).
    pub checksum: String,
}

/// What of its rows a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// All columns.
    Rows,
    /// The key, and the columns that were to be lost.
    Columns,
}

impl TableCopy {
    /// The table, as SQL has it.
    pub(crate) fn table_sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// The copy, as SQL has it.
    pub(crate) fn copy_sql(&self) -> String {
        format!("{SCHEMA}.{}", quoted(&self.copy))
    }
}

/// Copies what would be lost and compares the copies. Gives what is to be told.
///
/// # Errors
/// [`MigrateError::BackupDiffers`] when a copy is not what it is a copy of; [`MigrateError::Server`]
/// and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn take(
    transaction: &Transaction<'_>,
    reason: &Reason<'_>,
    losses: &[Loss],
    settings: &Settings,
) -> Result<Vec<Event>, MigrateError> {
    let limit = settings.reply_timeout();
    // Rows that a policy hides would be missing: an error is better.
    let prepared = transaction.batch_execute(
        "SET LOCAL row_security = off; \
         DO $$ BEGIN IF to_regnamespace('taskmaster_backup') IS NULL THEN CREATE SCHEMA taskmaster_backup; END IF; END $$; \
         COMMENT ON SCHEMA taskmaster_backup IS 'Copies of rows, by \"taskmaster migrate\": see \"migrate backup --list\"'",
    );
    reply(DOING, limit, prepared).await?;
    let version = reason.change.map(|(version, _)| version.to_string());
    let direction = reason.change.map(|(_, direction)| direction.to_string());
    let tool_version = env!("CARGO_PKG_VERSION");
    let id: i64 = reply(
        DOING,
        limit,
        transaction.query_one(REGISTER, &[&reason.ledger, &version, &direction, &tool_version]),
    )
    .await?
    .get(0);
    let mut copies = Vec::with_capacity(losses.len());
    for (number, loss) in (1..).zip(losses) {
        copies.push(copy(transaction, format!("b{id}_{number}"), loss, settings).await?);
    }
    let tables = serde_json::to_string(&copies).map_err(|error| bad_manifest(id, &error))?;
    reply(DOING, limit, transaction.execute(COMPLETE, &[&id, &tables])).await?;
    reply(DOING, limit, transaction.batch_execute("SET LOCAL row_security = on")).await?;
    Ok(copies.into_iter().map(|copy| Event::BackedUp { backup: id, copy }).collect())
}

async fn copy(
    transaction: &Transaction<'_>,
    name: String,
    loss: &Loss,
    settings: &Settings,
) -> Result<TableCopy, MigrateError> {
    let limit = settings.reply_timeout();
    let key = key(transaction, &loss.sql(), settings).await?;
    let (holds, columns) = match &loss.what {
        // Without a key the columns alone could not be put back into their rows.
        Lost::Columns(lost) if !key.is_empty() => {
            let others = lost.iter().filter(|column| !key.contains(column));
            (Holds::Columns, key.iter().chain(others).cloned().collect())
        }
        _ => (Holds::Rows, loss.columns.clone()),
    };
    let mut made = TableCopy {
        schema: loss.schema.clone(),
        table: loss.table.clone(),
        copy: name,
        columns,
        key,
        holds,
        rows: 0,
        bytes: loss.bytes,
        checksum: String::new(),
    };
    // Others may read while the rows are copied, and not write.
    let sql = format!(
        "LOCK TABLE {table} IN SHARE MODE; CREATE TABLE {copy} AS SELECT {columns} FROM {table}; COMMENT ON TABLE {copy} IS {of}",
        table = made.table_sql(),
        copy = made.copy_sql(),
        columns = list(&made.columns),
        of = literal(&format!("{} as it was before a migration", made.table_sql())),
    );
    reply(DOING, limit, transaction.batch_execute(&sql)).await?;
    let source = count(transaction, &made.table_sql(), &made.columns, settings).await?;
    let copied = count(transaction, &made.copy_sql(), &made.columns, settings).await?;
    if source != copied {
        return Err(MigrateError::BackupDiffers { table: made.table_sql() });
    }
    (made.rows, made.checksum) = copied;
    Ok(made)
}

/// The columns of a table's primary key; none without one.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn key(
    client: &impl GenericClient,
    table: &str,
    settings: &Settings,
) -> Result<Vec<String>, MigrateError> {
    let asked = reply(DOING, settings.reply_timeout(), client.query_one(KEY, &[&table])).await?;
    Ok(asked.get(0))
}

/// Rows and the sum of their hashes.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn count(
    client: &impl GenericClient,
    table: &str,
    columns: &[String],
    settings: &Settings,
) -> Result<(i64, String), MigrateError> {
    let sql = format!(
        "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text FROM {table}",
        list(columns),
    );
    let row = reply(DOING, settings.reply_timeout(), client.query_one(&sql, &[])).await?;
    Ok((row.get(0), row.get(1)))
}

/// The backups that are there, the first one first.
///
/// # Errors
/// [`MigrateError::BadManifest`]; and as [`count`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn list_all(
    client: &impl GenericClient,
    settings: &Settings,
) -> Result<Vec<BackupRecord>, MigrateError> {
    if !crate::history::exists(client, settings).await? {
        return Ok(Vec::new());
    }
    let rows =
        reply("listing the backups", settings.reply_timeout(), client.query(LIST, &[])).await?;
    rows.iter().map(of_row).collect()
}

/// Drops a backup's copies and its record.
///
/// # Errors
/// As [`count`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn forget(
    transaction: &Transaction<'_>,
    backup: &BackupRecord,
    settings: &Settings,
) -> Result<(), MigrateError> {
    let mut sql = format!("DELETE FROM taskmaster_migrations.backups WHERE id = {}", backup.id);
    for copy in &backup.tables {
        sql.push_str(&format!("; DROP TABLE IF EXISTS {}", copy.copy_sql()));
    }
    reply("dropping the backup", settings.reply_timeout(), transaction.batch_execute(&sql)).await
}

/// Names as SQL has them.
pub(crate) fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

fn of_row(row: &Row) -> Result<BackupRecord, MigrateError> {
    let id = row.get(0);
    Ok(BackupRecord {
        id,
        taken_at: row.get(1),
        ledger: row.get(2),
        version: row.get(3),
        direction: row.get(4),
        tables: serde_json::from_str(row.get(5)).map_err(|error| bad_manifest(id, &error))?,
    })
}

fn bad_manifest(id: i64, error: &serde_json::Error) -> MigrateError {
    MigrateError::BadManifest { id, reason: error.to_string() }
}
