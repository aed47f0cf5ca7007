//! The table `schema_migrations`: which steps a database has.
//!
//! Step 0001 of the product makes its table with its schema, and the way down of that step drops
//! both; a database that has no table has nothing applied. A project's table is made by the runner,
//! in a schema of its own.

use std::time::Duration;

use tokio_postgres::{GenericClient, Row, Transaction};

use crate::reply::reply;
use crate::step::checksum;
use crate::{MigrateError, Settings, Step, StepState, StepStatus, Version};

const DOING: &str = "reading the ledger";

/// The columns of the table. A test holds that the product's first step makes the same ones.
const TABLE: &str = "
    version text PRIMARY KEY,
    description text NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    checksum varchar(64) NOT NULL,
    migration_type text NOT NULL,
    rollback_available boolean NOT NULL,
    execution_time_ms bigint NOT NULL,
    applied_by text NOT NULL DEFAULT session_user,
    tool_version text NOT NULL,
    down_sql text,
    down_checksum varchar(64),
    CONSTRAINT schema_migrations_version_check CHECK (version ~ '^[0-9]{4}$'),
    CONSTRAINT schema_migrations_down_check
        CHECK (rollback_available = (down_sql IS NOT NULL) AND (down_sql IS NULL) = (down_checksum IS NULL))";

/// Where the record of a plan's steps is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The schema of its table.
    pub(crate) schema: String,
    pub(crate) maker: Maker,
}

/// Who makes the table of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// The first step.
    FirstStep,
    /// The runner, before the first step.
    Runner,
}

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

impl Ledger {
    /// The product's own.
    pub(crate) fn product() -> Self {
        Self { schema: "taskmaster".to_owned(), maker: Maker::FirstStep }
    }

    /// One of a project, in the schema of this name.
    pub(crate) fn project(schema: &str) -> Self {
        Self { schema: schema.to_owned(), maker: Maker::Runner }
    }

    /// The search_path of the statements of its steps, unless they say another. The product's name
    /// every schema: with pg_catalog alone one that is forgotten fails.
    pub(crate) fn search_path(&self) -> &'static str {
        match self.maker {
            Maker::FirstStep => "pg_catalog",
            Maker::Runner => "public",
        }
    }

    /// The table, as SQL has it.
    fn table(&self) -> String {
        format!("{}.schema_migrations", quoted(&self.schema))
    }

    /// Makes the table, and its schema, where there is none.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Part of the transaction.
    pub(crate) async fn create(
        &self,
        transaction: &Transaction<'_>,
        settings: &Settings,
    ) -> Result<(), MigrateError> {
        if self.exists(transaction, settings).await? {
            return Ok(());
        }
        let sql = format!(
            "DO $$ BEGIN IF to_regnamespace({}) IS NULL THEN CREATE SCHEMA {}; END IF; END $$; \
             CREATE TABLE {} ({TABLE})",
            literal(&quoted(&self.schema)),
            quoted(&self.schema),
            self.table(),
        );
        let made = transaction.batch_execute(&sql);
        reply("making the ledger", settings.reply_timeout(), made).await
    }

    /// Whether the table is there.
    pub(crate) async fn exists(
        &self,
        client: &impl GenericClient,
        settings: &Settings,
    ) -> Result<bool, MigrateError> {
        const EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";
        let table = self.table();
        Ok(reply(DOING, settings.reply_timeout(), client.query_one(EXISTS, &[&table]))
            .await?
            .get(0))
    }

    /// The rows, by version; none when there is no table.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    pub(crate) async fn read(
        &self,
        client: &impl GenericClient,
        settings: &Settings,
    ) -> Result<Vec<Applied>, MigrateError> {
        if !self.exists(client, settings).await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            r#"SELECT version, description, checksum, execution_time_ms, tool_version, down_sql, down_checksum,
                      to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS applied_at
                 FROM {} ORDER BY version"#,
            self.table(),
        );
        let rows = reply(DOING, settings.reply_timeout(), client.query(&sql, &[])).await?;
        rows.iter().map(parse).collect()
    }

    /// Records a step, in the transaction that applied it.
    pub(crate) async fn insert(
        &self,
        transaction: &Transaction<'_>,
        step: &Step,
        took: Duration,
    ) -> Result<(), tokio_postgres::Error> {
        let sql = format!(
            "INSERT INTO {} (version, description, checksum, migration_type, rollback_available, execution_time_ms, \
             tool_version, down_sql, down_checksum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.table(),
        );
        let down = step.stored_down();
        let down_checksum = down.as_deref().map(checksum);
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
            &step.version.to_string(),
            &step.description(),
            &step.checksum(),
            &step.kind.to_string(),
            &down.is_some(),
            &took_ms,
            &env!("CARGO_PKG_VERSION"),
            &down,
            &down_checksum,
        ];
        transaction.execute(&sql, &row).await.map(|_one_row| ())
    }

    /// Removes a step's record, in the transaction that reverts it.
    pub(crate) async fn delete(
        &self,
        transaction: &Transaction<'_>,
        version: Version,
    ) -> Result<(), tokio_postgres::Error> {
        let sql = format!("DELETE FROM {} WHERE version = $1", self.table());
        transaction.execute(&sql, &[&version.to_string()]).await.map(|_one_row| ())
    }

    /// Brings a step's record in line with its file.
    pub(crate) async fn update(
        &self,
        transaction: &Transaction<'_>,
        step: &Step,
    ) -> Result<(), tokio_postgres::Error> {
        let sql = format!(
            "UPDATE {} SET checksum = $2, description = $3, migration_type = $4, rollback_available = $5::text IS NOT NULL, \
             down_sql = $5::text, down_checksum = $6 WHERE version = $1",
            self.table(),
        );
        let down = step.stored_down();
        let down_checksum = down.as_deref().map(checksum);
        let row: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &step.version.to_string(),
            &step.checksum(),
            &step.description(),
            &step.kind.to_string(),
            &down,
            &down_checksum,
        ];
        transaction.execute(&sql, &row).await.map(|_one_row| ())
    }
}

/// A name as SQL has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it, with `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_makes_the_same_table() {
        let step = include_str!("../steps/0001_schema.up.sql");
        let made = format!("CREATE TABLE taskmaster.schema_migrations ({TABLE}\n);");
        assert!(step.contains(&made), "the step makes another table than:\n{made}");
    }
}
