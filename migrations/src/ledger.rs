//! The table `taskmaster.schema_migrations`: what a database has.
//!
//! Step 0001 makes the table with its schema, and the way down of that step drops both. A database
//! that went down to nothing has therefore no trace of the runner, and one that has no table has
//! nothing applied.

use std::time::Duration;

use tokio_postgres::{Client, Row, Transaction};

use crate::reply::reply;
use crate::step::checksum;
use crate::{MigrateError, Settings, Step, StepState, StepStatus, Version};

const EXISTS: &str = "SELECT to_regclass('taskmaster.schema_migrations') IS NOT NULL";

const READ: &str = r#"
    SELECT version, description, checksum, execution_time_ms, tool_version, down_sql, down_checksum,
           to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS applied_at
      FROM taskmaster.schema_migrations
     ORDER BY version"#;

const INSERT: &str = "
    INSERT INTO taskmaster.schema_migrations (version, description, checksum, migration_type, rollback_available,
                                              execution_time_ms, tool_version, down_sql, down_checksum)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const DELETE: &str = "DELETE FROM taskmaster.schema_migrations WHERE version = $1";

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) version: Version,
    pub(crate) description: String,
    pub(crate) checksum: String,
    /// RFC 3339, UTC.
    pub(crate) applied_at: String,
    pub(crate) execution_time_ms: i64,
    pub(crate) tool_version: String,
    pub(crate) down_sql: Option<String>,
    pub(crate) down_checksum: Option<String>,
}

impl Applied {
    /// The stored way down.
    ///
    /// # Errors
    /// [`MigrateError::Irreversible`]; [`MigrateError::StoredDownChanged`] when the text is not
    /// what was stored.
    pub(crate) fn down(&self) -> Result<&str, MigrateError> {
        let version = self.version;
        let down = self.down_sql.as_deref().ok_or(MigrateError::Irreversible { version })?;
        if self.down_checksum.as_ref() != Some(&checksum(down)) {
            return Err(MigrateError::StoredDownChanged { version });
        }
        Ok(down)
    }

    pub(crate) fn status(&self, state: StepState) -> StepStatus {
        StepStatus {
            version: self.version,
            name: self.description.clone(),
            state,
            applied_at: Some(self.applied_at.clone()),
            execution_time_ms: Some(self.execution_time_ms),
        }
    }
}

/// The rows, by version; none when there is no table.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
pub(crate) async fn read(
    client: &Client,
    settings: &Settings,
) -> Result<Vec<Applied>, MigrateError> {
    const DOING: &str = "reading the ledger";
    let limit = settings.reply_timeout();
    let exists = reply(DOING, limit, client.query_one(EXISTS, &[])).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = reply(DOING, limit, client.query(READ, &[])).await?;
    rows.iter().map(parse).collect()
}

/// Records a step, in the transaction that applied it.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    step: &Step,
    took: Duration,
) -> Result<(), tokio_postgres::Error> {
    let down = step.stored_down();
    let down_checksum = down.as_deref().map(checksum);
    let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    transaction
        .execute(
            INSERT,
            &[
                &step.version.to_string(),
                &step.description(),
                &step.checksum(),
                &step.kind.to_string(),
                &down.is_some(),
                &took_ms,
                &env!("CARGO_PKG_VERSION"),
                &down,
                &down_checksum,
            ],
        )
        .await
        .map(|_one_row| ())
}

/// Removes a step's record, in the transaction that reverts it.
pub(crate) async fn delete(
    transaction: &Transaction<'_>,
    version: Version,
) -> Result<(), tokio_postgres::Error> {
    transaction.execute(DELETE, &[&version.to_string()]).await.map(|_one_row| ())
}

fn parse(row: &Row) -> Result<Applied, MigrateError> {
    Ok(Applied {
        version: row.get::<_, &str>("version").parse()?,
        description: row.get("description"),
        checksum: row.get("checksum"),
        applied_at: row.get("applied_at"),
        execution_time_ms: row.get("execution_time_ms"),
        tool_version: row.get("tool_version"),
        down_sql: row.get("down_sql"),
        down_checksum: row.get("down_checksum"),
    })
}
