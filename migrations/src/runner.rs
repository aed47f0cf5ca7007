//! Brings a database up or down, one step at a time, alone.

use crate::change::Change;
use crate::extension::{self, Update};
use crate::ledger::{self, Applied};
use crate::plan::check_sequence;
use crate::retry::Backoff;
use crate::{
    Connection, DownTo, Event, MigrateError, Plan, Report, Settings, Status, StepRun, UpTo,
    Version, apply, lock,
};

/// Whoever wants to know how a run goes.
type Observer<'a> = &'a mut (dyn FnMut(&Event) + Send);

/// Applies and reverts steps over one connection. Several runners may be started on one database:
/// they take turns.
#[derive(Debug)]
pub struct Runner {
    connection: Connection,
    plan: Plan,
    settings: Settings,
}

impl Runner {
    /// A runner of the steps that this binary carries.
    pub fn new(connection: Connection) -> Self {
        Self::with_plan(connection, Plan::embedded())
    }

    /// A runner of other steps.
    pub fn with_plan(connection: Connection, plan: Plan) -> Self {
        Self { connection, plan, settings: Settings::default() }
    }

    /// The same runner with other bounds.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Updates the extension if it is installed and older than the server's files of it, applies what is pending, then makes
    /// the partitions that must stand. Each step and its record are one transaction, so a run that fails leaves the steps
    /// before the failing one, whole.
    ///
    /// # Errors
    /// Refusals before anything is touched, and the failure of a step: see [`MigrateError`].
    ///
    /// # Cancel safety
    /// The step at work is rolled back; those before it stay. The runner is to be dropped then.
    pub async fn up(&mut self, to: UpTo, observe: Observer<'_>) -> Result<Report, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.up_alone(to, observe).await;
        lock::release(&self.connection.client, &self.settings).await;
        outcome
    }

    /// Reverts applied steps, the last one first, by the statements stored when they were applied:
    /// an older binary can revert what a newer one did.
    ///
    /// # Errors
    /// As [`Runner::up`].
    ///
    /// # Cancel safety
    /// As [`Runner::up`].
    pub async fn down(
        &mut self,
        to: DownTo,
        observe: Observer<'_>,
    ) -> Result<Report, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.down_alone(to, observe).await;
        lock::release(&self.connection.client, &self.settings).await;
        outcome
    }

    /// How the steps and the extension stand. Changes nothing and waits for nobody.
    ///
    /// # Errors
    /// [`MigrateError::Server`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn status(&mut self) -> Result<Status, MigrateError> {
        const DOING: &str = "looking for the extension";
        let client = &self.connection.client;
        let steps = self.plan.status(&ledger::read(client, &self.settings).await?);
        Ok(Status { steps, extension: extension::read(client, DOING, &self.settings).await? })
    }

    async fn up_alone(&mut self, to: UpTo, observe: Observer<'_>) -> Result<Report, MigrateError> {
        let applied = ledger::read(&self.connection.client, &self.settings).await?;
        let pending = self.plan.pending(&applied, to)?;
        let changes = pending.into_iter().map(Change::apply).collect::<Result<Vec<_>, _>>()?;
        self.update_extension(observe).await?;
        let steps = self.run(changes, observe).await?;
        let partitions_made = self.make_partitions(observe).await?;
        Ok(Report { steps, partitions_made })
    }

    async fn down_alone(
        &mut self,
        to: DownTo,
        observe: Observer<'_>,
    ) -> Result<Report, MigrateError> {
        let applied = ledger::read(&self.connection.client, &self.settings).await?;
        check_sequence(&applied)?;
        let kept = kept(&applied, to)?;
        let changes =
            applied[kept..].iter().rev().map(Change::revert).collect::<Result<Vec<_>, _>>()?;
        Ok(Report { steps: self.run(changes, observe).await?, partitions_made: 0 })
    }

    async fn run(
        &mut self,
        changes: Vec<Change>,
        observe: Observer<'_>,
    ) -> Result<Vec<StepRun>, MigrateError> {
        let mut steps = Vec::with_capacity(changes.len());
        for change in changes {
            let (direction, version, name) =
                (change.direction(), change.version, change.name.clone());
            observe(&Event::Started { direction, version, name: name.clone() });
            let run = self.run_one(change, observe).await?;
            observe(&Event::Finished { direction, version, name, duration: run.duration });
            steps.push(run);
        }
        Ok(steps)
    }

    /// Tries a change until it is in, or fails for a reason that waiting does not cure.
    async fn run_one(
        &mut self,
        change: Change,
        observe: Observer<'_>,
    ) -> Result<StepRun, MigrateError> {
        let mut tries = Tries::new(&self.settings, format!("{} {}", change.version, change.name));
        loop {
            let outcome =
                apply::attempt(&mut self.connection.client, &change, &self.settings).await;
            self.pass_notices_on(observe);
            match outcome {
                Ok(duration) => {
                    let Change { version, name, .. } = change;
                    return Ok(StepRun { version, name, duration, attempts: tries.attempt });
                }
                Err(error) => tries.again(error, observe).await?,
            }
        }
    }

    /// Before the steps, which may use what the update brings.
    async fn update_extension(&mut self, observe: Observer<'_>) -> Result<(), MigrateError> {
        let mut tries = Tries::new(&self.settings, "the extension".to_owned());
        loop {
            let outcome = extension::update(&mut self.connection.client, &self.settings).await;
            self.pass_notices_on(observe);
            match outcome {
                Ok(Some(Update { from, to })) => {
                    observe(&Event::ExtensionUpdated { from, to });
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(error) => tries.again(error, observe).await?,
            }
        }
    }

    async fn make_partitions(&mut self, observe: Observer<'_>) -> Result<i32, MigrateError> {
        let mut tries = Tries::new(&self.settings, "partitions".to_owned());
        loop {
            let outcome = apply::make_partitions(&mut self.connection.client, &self.settings).await;
            self.pass_notices_on(observe);
            match outcome {
                Ok(count) => {
                    observe(&Event::PartitionsMade { count });
                    return Ok(count);
                }
                Err(error) => tries.again(error, observe).await?,
            }
        }
    }

    fn pass_notices_on(&mut self, observe: Observer<'_>) {
        while let Some(notice) = self.connection.take_notice() {
            observe(&notice);
        }
    }
}

/// The attempts at one thing.
struct Tries {
    what: String,
    attempt: u32,
    attempts_max: u32,
    backoff: Backoff,
}

impl Tries {
    fn new(settings: &Settings, what: String) -> Self {
        let backoff = Backoff::new(settings.backoff_min, settings.backoff_max);
        Self { what, attempt: 1, attempts_max: settings.attempts_max, backoff }
    }

    /// Waits before the next attempt, or gives the error back when there is none.
    async fn again(
        &mut self,
        error: MigrateError,
        observe: Observer<'_>,
    ) -> Result<(), MigrateError> {
        if !error.is_transient() || self.attempt >= self.attempts_max {
            return Err(error);
        }
        let wait = self.backoff.next_wait();
        observe(&Event::Retrying {
            what: self.what.clone(),
            attempt: self.attempt,
            sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
            wait,
        });
        self.attempt += 1;
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// How many of the applied steps stay.
fn kept(applied: &[Applied], to: DownTo) -> Result<usize, MigrateError> {
    match to {
        DownTo::Nothing => Ok(0),
        DownTo::Previous => Ok(applied.len().saturating_sub(1)),
        DownTo::Version(version) => position(applied, version).map(|index| index + 1),
    }
}

fn position(applied: &[Applied], version: Version) -> Result<usize, MigrateError> {
    applied
        .iter()
        .position(|row| row.version == version)
        .ok_or(MigrateError::NotApplied { version })
}
