//! What a runner tells of a database without changing it.

use std::time::Duration;

use tokio_postgres::Row;

use crate::apply::{self, begin};
use crate::catalog::Catalog;
use crate::change;
use crate::history;
use crate::reply::reply;
use crate::{
    BackupRecord, Difference, HistoryEvent, MigrateError, Runner, Version, backup, statements,
};

/// The fingerprint of a catalog, beside that which the runner left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the catalog as it is.
    pub present: String,
    /// Of the catalog as the last migration left it; none when there was none.
    pub recorded: Option<String>,
}

/// One finding of [`Runner::doctor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, and what to do about it.
    pub text: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// A migration may be slow, or wait.
    Warning,
    /// A migration will fail, or should not be tried.
    Problem,
}

impl Severity {
    /// As a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What may be in the way of a migration: severity and text, a row each.
const DOCTOR: &str = r#"
    SELECT 'problem', format('the server is PostgreSQL %s: the steps need 14 or later', current_setting('server_version'))
     WHERE current_setting('server_version_num')::int < 140000
    UNION ALL
    SELECT 'problem', 'the server is a standby, which takes no writes: migrate its primary' WHERE pg_is_in_recovery()
    UNION ALL
    SELECT 'problem', format('role "%s" may not create schemas in database "%s": GRANT CREATE ON DATABASE, or migrate as its owner',
                             current_user, current_database())
     WHERE NOT has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    SELECT 'problem', 'transactions are read only here (default_transaction_read_only): turn that off for this role'
     WHERE current_setting('transaction_read_only') = 'on' AND NOT pg_is_in_recovery()
    UNION ALL
    SELECT 'problem', 'track_counts is off: rows that a step deletes cannot be counted, so they are not backed up; turn it on'
     WHERE current_setting('track_counts') <> 'on'
    UNION ALL
    SELECT 'warning', format('index %s is not valid: DROP INDEX CONCURRENTLY it, or REINDEX INDEX CONCURRENTLY it', i.indexrelid::regclass)
      FROM pg_index AS i WHERE NOT i.indisvalid
    UNION ALL
    SELECT 'warning', format('constraint %s of %s is not validated: ALTER TABLE %s VALIDATE CONSTRAINT %s',
                             quote_ident(c.conname), c.conrelid::regclass, c.conrelid::regclass, quote_ident(c.conname))
      FROM pg_constraint AS c WHERE NOT c.convalidated
    UNION ALL
    SELECT 'warning', format('process %s (%s) has been in one transaction for %s: a step that needs its tables waits for it',
                             pid, coalesce(nullif(application_name, ''), usename, 'unnamed'), date_trunc('second', clock_timestamp() - xact_start))
      FROM pg_stat_activity
     WHERE xact_start < clock_timestamp() - interval '1 minute' AND pid <> pg_backend_pid() AND datname = current_database()
    UNION ALL
    SELECT 'warning', format('prepared transaction %s has been open since %s: COMMIT PREPARED or ROLLBACK PREPARED it',
                             quote_literal(gid), date_trunc('second', prepared))
      FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'warning', format('standby %s is %s bytes behind: a step that rewrites a table makes it wait longer',
                             coalesce(nullif(application_name, ''), 'unnamed'), pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))
      FROM pg_stat_replication
     WHERE NOT pg_is_in_recovery() AND pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > 64 * 1024 * 1024
    UNION ALL
    SELECT 'warning', 'the contrib extension pg_trgm is not available: searches read whole tables; install the contrib package'
     WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')
    UNION ALL
    SELECT 'warning', 'the extension taskmaster is not available on this server: step 0008 of the product needs its files'
     WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'taskmaster')"#;

impl Runner {
    /// Every event, the first one first.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn history(&self) -> Result<Vec<HistoryEvent>, MigrateError> {
        history::list(&self.connection.client, &self.settings).await
    }

    /// What somebody else changed since the last run, object by object.
    ///
    /// # Errors
    /// As [`Runner::history`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn drift(&mut self) -> Result<Vec<Difference>, MigrateError> {
        let (standing, present) = self.catalogs().await?;
        Ok(standing.map(|standing| standing.differences(&present)).unwrap_or_default())
    }

    /// The fingerprint of the catalog.
    ///
    /// # Errors
    /// As [`Runner::history`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn fingerprint(&mut self) -> Result<Fingerprint, MigrateError> {
        let (standing, present) = self.catalogs().await?;
        let recorded = standing.map(|standing| standing.fingerprint());
        Ok(Fingerprint { present: present.fingerprint(), recorded })
    }

    async fn catalogs(&mut self) -> Result<(Option<Catalog>, Catalog), MigrateError> {
        let transaction = begin(&mut self.connection.client, &self.settings, "pg_catalog").await?;
        let standing = history::standing(&transaction, &self.settings).await?;
        let present = Catalog::read(&transaction, &self.settings).await?;
        Ok((standing, present))
    }

    /// Runs the checks of the applied steps as the database is now. Gives how many there were.
    ///
    /// # Errors
    /// [`MigrateError::Verify`] for the first one that complains, and those of [`Runner::history`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn verify(&mut self) -> Result<Vec<Version>, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        let mut checked = Vec::new();
        for step in self.plan.steps() {
            let is_applied = applied.iter().any(|row| row.version == step.version);
            let Some(script) = change::verify(step)?.filter(|_| is_applied) else { continue };
            let path = self.plan.ledger().search_path();
            let transaction = begin(&mut self.connection.client, &self.settings, path).await?;
            apply::check(&transaction, step.version, &script, &self.settings).await?;
            checked.push(step.version);
        }
        Ok(checked)
    }

    /// The backups that are there, the first one first.
    ///
    /// # Errors
    /// As [`Runner::history`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn backups(&self) -> Result<Vec<BackupRecord>, MigrateError> {
        backup::list_all(&self.connection.client, &self.settings).await
    }

    /// What may be in the way of a migration.
    ///
    /// # Errors
    /// As [`Runner::history`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn doctor(&mut self) -> Result<Vec<Finding>, MigrateError> {
        const DOING: &str = "looking the server over";
        let client = &self.connection.client;
        let rows = reply(DOING, Duration::from_secs(60), client.query(DOCTOR, &[])).await?;
        let mut findings: Vec<Finding> = rows.iter().map(finding).collect();
        if let Some(progress) = statements::unfinished(client, self.frame()).await? {
            let text = format!("{}: \"migrate resume\" goes on with it", self.stopped(&progress));
            findings.push(Finding { severity: Severity::Problem, text });
        }
        let drift = self.drift().await?;
        if !drift.is_empty() {
            let text = "somebody else has changed the database since the last migration: \"migrate drift\" shows what".to_owned();
            findings.push(Finding { severity: Severity::Warning, text });
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }
}

fn finding(row: &Row) -> Finding {
    let severity =
        if row.get::<_, &str>(0) == "problem" { Severity::Problem } else { Severity::Warning };
    Finding { severity, text: row.get(1) }
}
