//! What a runner changes besides applying and reverting steps: its records, and rows of backups.

use std::time::Duration;

use crate::apply::begin;
use crate::catalog::Catalog;
use crate::history::{self, Action, Entry};
use crate::loss::{self, Loss};
use crate::reply::reply;
use crate::runner::Observer;
use crate::{
    BackupRecord, Event, MigrateError, Present, Runner, StepState, Version, backup, lock, restore,
    statements,
};

/// A session that held the lock of the runners and was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// Who it was.
    pub holder: String,
}

/// When the session that holds the lock is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlock {
    /// When it has been idle outside of a transaction for this long: its program is gone.
    IdleFor(Duration),
    /// Whatever it does.
    Now,
}

impl Runner {
    /// Records the plan's first steps as applied without running them: the database has what they
    /// make from elsewhere. Their checks must not complain. Gives the steps that were recorded.
    ///
    /// # Errors
    /// [`MigrateError::Verify`], [`MigrateError::NoSuchStep`], [`MigrateError::Unfinished`], the refusals of a ledger that does not
    /// fit, and those of the server: then nothing was recorded.
    ///
    /// # Cancel safety
    /// All steps are recorded or none.
    pub async fn baseline(
        &mut self,
        to: Version,
        observe: Observer<'_>,
    ) -> Result<Vec<Version>, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.baseline_alone(to).await;
        self.release(&outcome).await;
        outcome
    }

    async fn baseline_alone(&mut self, to: Version) -> Result<Vec<Version>, MigrateError> {
        self.refuse_unfinished().await?;
        let Self { connection, plan, settings } = self;
        let applied = plan.ledger().read(&connection.client, settings).await?;
        let pending = plan.pending(&applied, crate::UpTo::Version(to))?;
        let limit = settings.reply_timeout();
        let transaction =
            begin(&mut connection.client, settings, plan.ledger().search_path()).await?;
        history::ensure(&transaction, settings).await?;
        plan.ledger().create(&transaction, settings).await?;
        let before = history::standing(&transaction, settings).await?.unwrap_or_default();
        let catalog = Catalog::read(&transaction, settings).await?;
        let differences = before.differences(&catalog);
        let mut recorded = Vec::new();
        for step in &pending {
            let insert = plan.ledger().insert(&transaction, step, Duration::ZERO);
            reply("recording the step", limit, insert).await?;
            // Without a fingerprint of its own: what the step would have changed is not known.
            let name = step.description();
            let entry = Entry {
                version: Some(step.version),
                description: Some(&name),
                ..Entry::new(&plan.ledger().schema, Action::Baseline)
            };
            let found = if recorded.is_empty() { &differences[..] } else { &[] };
            history::record(&transaction, &entry, found, settings).await?;
            recorded.push(step.version);
        }
        for step in &pending {
            if let Some(script) = crate::change::verify(step)? {
                crate::apply::check(&transaction, step.version, &script, settings).await?;
            }
        }
        reply("committing the records", limit, transaction.commit()).await?;
        Ok(recorded)
    }

    /// Takes the files of applied steps that were changed since as what was applied: their checksum,
    /// name and way down. Says why in the history. Gives the steps whose records were changed.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`]: then nothing was changed.
    ///
    /// # Cancel safety
    /// All records are changed or none.
    pub async fn repair(
        &mut self,
        reason: &str,
        observe: Observer<'_>,
    ) -> Result<Vec<Version>, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.repair_alone(reason).await;
        self.release(&outcome).await;
        outcome
    }

    async fn repair_alone(&mut self, reason: &str) -> Result<Vec<Version>, MigrateError> {
        let Self { connection, plan, settings } = self;
        let applied = plan.ledger().read(&connection.client, settings).await?;
        let states = plan.status(&applied);
        let limit = settings.reply_timeout();
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        history::ensure(&transaction, settings).await?;
        let mut repaired = Vec::new();
        for (step, state) in plan.steps().iter().zip(states) {
            let row = applied.iter().find(|row| row.version == step.version);
            let other_down = row.is_some_and(|row| row.down_sql != step.stored_down());
            if row.is_none() || (state.state == StepState::Applied && !other_down) {
                continue;
            }
            reply("repairing the record", limit, plan.ledger().update(&transaction, step)).await?;
            let name = step.description();
            let entry = Entry {
                version: Some(step.version),
                description: Some(&name),
                reason: Some(reason),
                ..Entry::new(&plan.ledger().schema, Action::Repair)
            };
            history::record(&transaction, &entry, &[], settings).await?;
            repaired.push(step.version);
        }
        reply("committing the records", limit, transaction.commit()).await?;
        Ok(repaired)
    }

    /// Takes what somebody else changed since the last run as it is, and says why in the history. Gives
    /// how many objects that were.
    ///
    /// # Errors
    /// [`MigrateError::Unfinished`] while a step is not through; [`MigrateError::Server`] and [`MigrateError::NoAnswer`]: then nothing was written.
    ///
    /// # Cancel safety
    /// Part of a transaction.
    pub async fn accept_drift(
        &mut self,
        reason: &str,
        observe: Observer<'_>,
    ) -> Result<usize, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.accept_drift_alone(reason).await;
        self.release(&outcome).await;
        outcome
    }

    async fn accept_drift_alone(&mut self, reason: &str) -> Result<usize, MigrateError> {
        self.refuse_unfinished().await?;
        let Self { connection, plan, settings } = self;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        history::ensure(&transaction, settings).await?;
        let before = history::standing(&transaction, settings).await?.unwrap_or_default();
        let catalog = Catalog::read(&transaction, settings).await?;
        let differences = before.differences(&catalog);
        if !differences.is_empty() {
            let entry = Entry {
                reason: Some(reason),
                fingerprint: Some(catalog.fingerprint()),
                ..Entry::new(&plan.ledger().schema, Action::Drift)
            };
            history::record(&transaction, &entry, &differences, settings).await?;
        }
        reply("committing", settings.reply_timeout(), transaction.commit()).await?;
        Ok(differences.len())
    }

    /// Copies tables into the schema `taskmaster_backup` and compares the copies.
    ///
    /// # Errors
    /// [`MigrateError::NoSuchTable`]; [`MigrateError::BackupDiffers`], [`MigrateError::Server`],
    /// [`MigrateError::NoAnswer`]: then nothing was changed.
    ///
    /// # Cancel safety
    /// All tables are copied or none.
    pub async fn backup(
        &mut self,
        tables: &[String],
        observe: Observer<'_>,
    ) -> Result<Vec<Event>, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.backup_alone(tables).await;
        self.release(&outcome).await;
        outcome
    }

    async fn backup_alone(&mut self, tables: &[String]) -> Result<Vec<Event>, MigrateError> {
        let Self { connection, plan, settings } = self;
        let transaction =
            begin(&mut connection.client, settings, plan.ledger().search_path()).await?;
        history::ensure(&transaction, settings).await?;
        let mut losses = Vec::new();
        for table in tables {
            let loss = Loss::of_table(&transaction, table, settings).await?;
            losses.push(loss.ok_or_else(|| MigrateError::NoSuchTable { table: table.clone() })?);
        }
        let losses = loss::weigh(&transaction, losses, settings).await?;
        if losses.is_empty() {
            return Ok(Vec::new());
        }
        let reason = backup::Reason { ledger: &plan.ledger().schema, change: None };
        let events = backup::take(&transaction, &reason, &losses, settings).await?;
        let tables = tables.join(", ");
        let entry = Entry {
            description: Some(&tables),
            ..Entry::new(&plan.ledger().schema, Action::Backup)
        };
        history::record(&transaction, &entry, &[], settings).await?;
        reply("committing the backup", settings.reply_timeout(), transaction.commit()).await?;
        Ok(events)
    }

    /// Brings the rows of a backup back into their tables. The backup stays.
    ///
    /// # Errors
    /// [`MigrateError::Restore`] and those of the server: then nothing was changed.
    ///
    /// # Cancel safety
    /// All tables are filled or none.
    pub async fn restore(
        &mut self,
        id: i64,
        present: Present,
        observe: Observer<'_>,
    ) -> Result<Vec<Event>, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.restore_alone(id, present).await;
        self.release(&outcome).await;
        outcome
    }

    async fn restore_alone(
        &mut self,
        id: i64,
        present: Present,
    ) -> Result<Vec<Event>, MigrateError> {
        let found = self.find_backup(id).await?;
        let Self { connection, plan, settings } = self;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        let restored = restore::run(&transaction, &found, present, settings).await?;
        let description = format!("backup {id}");
        let entry = Entry {
            description: Some(&description),
            ..Entry::new(&plan.ledger().schema, Action::Restore)
        };
        history::record(&transaction, &entry, &[], settings).await?;
        reply("committing the rows", settings.reply_timeout(), transaction.commit()).await?;
        Ok(restored.into_iter().map(Event::Restored).collect())
    }

    /// Drops a backup.
    ///
    /// # Errors
    /// [`MigrateError::Restore`] when there is none of this number, and those of the server.
    ///
    /// # Cancel safety
    /// The backup is dropped as a whole or not at all.
    pub async fn forget(&mut self, id: i64, observe: Observer<'_>) -> Result<(), MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.forget_alone(id).await;
        self.release(&outcome).await;
        outcome
    }

    async fn forget_alone(&mut self, id: i64) -> Result<(), MigrateError> {
        let found = self.find_backup(id).await?;
        let Self { connection, plan, settings } = self;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        backup::forget(&transaction, &found, settings).await?;
        let description = format!("backup {id}");
        let entry = Entry {
            description: Some(&description),
            ..Entry::new(&plan.ledger().schema, Action::Forget)
        };
        history::record(&transaction, &entry, &[], settings).await?;
        reply("committing", settings.reply_timeout(), transaction.commit()).await
    }

    /// What a step that is not through has done would be taken for somebody else's deed.
    async fn refuse_unfinished(&self) -> Result<(), MigrateError> {
        match statements::unfinished(&self.connection.client, self.frame()).await? {
            Some(progress) => Err(self.stopped(&progress)),
            None => Ok(()),
        }
    }

    async fn find_backup(&self, id: i64) -> Result<BackupRecord, MigrateError> {
        let found = self.backups().await?.into_iter().find(|backup| backup.id == id);
        found.ok_or_else(|| MigrateError::Restore {
            id,
            reason: "there is no such backup".to_owned(),
        })
    }

    /// Ends the session that holds the runners' lock, if one does.
    ///
    /// # Errors
    /// [`MigrateError::AtWork`] when it is at work or was a moment ago; those of the server, such as
    /// 42501 for a session of a role that this one may not end.
    ///
    /// # Cancel safety
    /// The session is ended or it is not.
    pub async fn unlock(&mut self, when: Unlock) -> Result<Option<Unlocked>, MigrateError> {
        lock::end_holder(&self.connection.client, when, &self.settings).await
    }
}
