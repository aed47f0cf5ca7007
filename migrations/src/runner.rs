//! Brings a database up or down, one step at a time, alone.

use crate::catalog::Catalog;
use crate::change::{Change, Frame};
use crate::extension::{self, Update};
use crate::history::{self, Action, Entry};
use crate::ledger::{Applied, Maker};
use crate::plan::check_sequence;
use crate::retry::Backoff;
use crate::statements::{self, Progress};
use crate::{
    Connection, Direction, DownTo, Drift, Event, MigrateError, Plan, Report, Settings, Status,
    StepRun, StepState, Transaction, UpTo, Version, apply, lock, needs,
};

/// Whoever wants to know how a run goes.
pub(crate) type Observer<'a> = &'a mut (dyn FnMut(&Event) + Send);

/// Applies and reverts steps over one connection. Several runners may be started on one database:
/// they take turns.
#[derive(Debug)]
pub struct Runner {
    pub(crate) connection: Connection,
    pub(crate) plan: Plan,
    pub(crate) settings: Settings,
}

/// What a run begins with.
struct Start {
    applied: Vec<Applied>,
    /// The step that is not through.
    unfinished: Option<Progress>,
    /// The catalog before what comes next.
    catalog: Catalog,
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
        self.release(&outcome).await;
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
        self.release(&outcome).await;
        outcome
    }

    /// Reverts the last applied step and applies it again, with the text that the plan has now.
    ///
    /// # Errors
    /// As [`Runner::up`]; a failure after the way down leaves the step reverted.
    ///
    /// # Cancel safety
    /// As [`Runner::up`].
    pub async fn redo(&mut self, observe: Observer<'_>) -> Result<Report, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = async {
            let down = self.down_alone(DownTo::Previous, observe).await?;
            let Some(run) = down.steps.first() else { return Ok(down) };
            let up = self.up_alone(UpTo::Version(run.version), observe).await?;
            let steps = down.steps.into_iter().chain(up.steps).collect();
            Ok(Report { steps, partitions_made: up.partitions_made })
        }
        .await;
        self.release(&outcome).await;
        outcome
    }

    /// Goes on with the step that stopped between two of its statements, whichever way it went.
    ///
    /// # Errors
    /// As [`Runner::up`].
    ///
    /// # Cancel safety
    /// As [`Runner::up`].
    pub async fn resume(&mut self, observe: Observer<'_>) -> Result<Report, MigrateError> {
        lock::acquire(&self.connection, &self.settings, observe).await?;
        let outcome = self.resume_alone(observe).await;
        self.release(&outcome).await;
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
        let applied = self.plan.ledger().read(client, &self.settings).await?;
        let mut steps = self.plan.status(&applied);
        if let Some(progress) = statements::unfinished(client, self.frame()).await? {
            for step in steps.iter_mut().filter(|step| step.version == progress.version) {
                step.state = StepState::Unfinished;
            }
        }
        Ok(Status { steps, extension: extension::read(client, DOING, &self.settings).await? })
    }

    /// What holds for every change of a run.
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame { ledger: self.plan.ledger(), settings: &self.settings }
    }

    /// Frees the lock and writes a failure into the history, as far as the connection still goes.
    pub(crate) async fn release<T>(&mut self, outcome: &Result<T, MigrateError>) {
        if let Err(error) = outcome {
            self.record_failure(error).await;
        }
        lock::release(&self.connection.client, &self.settings).await;
    }

    async fn record_failure(&mut self, error: &MigrateError) {
        let client = &self.connection.client;
        let text = error.to_string();
        let entry = Entry {
            version: error.version(),
            reason: Some(&text),
            ..Entry::new(&self.plan.ledger().schema, Action::Failed)
        };
        let there = history::exists(client, &self.settings).await;
        if let (Ok(true), Some(_)) = (there, error.version())
            && let Err(error) = history::record(client, &entry, &[], &self.settings).await
        {
            tracing::debug!(%error, "the failure is not in the history");
        }
    }

    /// Looks at the database, makes what the runner needs in it, and tells what others have changed.
    async fn start(&mut self, observe: Observer<'_>) -> Result<Start, MigrateError> {
        let Self { connection, plan, settings } = self;
        let frame = Frame { ledger: plan.ledger(), settings };
        let transaction = apply::begin(&mut connection.client, settings, "pg_catalog").await?;
        history::ensure(&transaction, settings).await?;
        let limit = settings.reply_timeout();
        crate::reply::reply("beginning", limit, transaction.commit()).await?;
        let applied = plan.ledger().read(&connection.client, settings).await?;
        let unfinished = statements::unfinished(&connection.client, frame).await?;
        let transaction = apply::begin(&mut connection.client, settings, "pg_catalog").await?;
        let standing = history::standing(&transaction, settings).await?.unwrap_or_default();
        if unfinished.is_some() {
            return Ok(Start { applied, unfinished, catalog: standing });
        }
        let catalog = Catalog::read(&transaction, settings).await?;
        let differences = standing.differences(&catalog);
        let objects: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let first = standing == Catalog::default() && !history::any(&transaction, settings).await?;
        if !first && !objects.is_empty() {
            if settings.drift == Drift::Refused {
                return Err(MigrateError::Drifted { objects });
            }
            observe(&Event::Drift { objects });
        }
        if first || !differences.is_empty() {
            let action = if first { Action::Found } else { Action::Drift };
            let fingerprint = Some(catalog.fingerprint());
            let entry = Entry { fingerprint, ..Entry::new(&plan.ledger().schema, action) };
            history::record(&transaction, &entry, &differences, settings).await?;
        }
        let catalog = make_ledger(&transaction, catalog, frame).await?;
        crate::reply::reply("beginning", limit, transaction.commit()).await?;
        Ok(Start { applied, unfinished, catalog })
    }

    async fn up_alone(&mut self, to: UpTo, observe: Observer<'_>) -> Result<Report, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        let mut changes = self.pending_changes(&applied, to).await?;
        let Start { unfinished, mut catalog, .. } = self.start(observe).await?;
        let mut steps = Vec::new();
        if let Some(progress) = unfinished {
            let is_first = changes.first().is_some_and(|change| change.version == progress.version);
            // On its way down, or up by a file that is gone or beyond what was asked for.
            if progress.direction == Direction::Down || !is_first {
                return Err(self.stopped(&progress));
            }
            // Before the extension: what the step has made by now is none of an update's doing.
            let first = changes.drain(..1).collect();
            steps = self.run(first, &mut catalog, Some(progress.version), observe).await?;
        }
        self.update_extension(&mut catalog, observe).await?;
        steps.extend(self.run(changes, &mut catalog, None, observe).await?);
        let partitions_made = self.make_partitions(observe).await?;
        Ok(Report { steps, partitions_made })
    }

    /// The steps that are to be applied, read and checked whole before anything is touched.
    pub(crate) async fn pending_changes(
        &self,
        applied: &[Applied],
        to: UpTo,
    ) -> Result<Vec<Change>, MigrateError> {
        let pending = self.plan.pending(applied, to)?;
        let headers = pending.iter().map(|step| Ok((step.version, step.header()?)));
        let headers = headers.collect::<Result<Vec<_>, MigrateError>>()?;
        needs::check(&self.connection.client, &headers, &self.settings).await?;
        pending.into_iter().map(|step| Change::apply(step, self.frame())).collect()
    }

    async fn down_alone(
        &mut self,
        to: DownTo,
        observe: Observer<'_>,
    ) -> Result<Report, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        check_sequence(&applied)?;
        let mut kept = kept(&applied, to)?;
        let Start { unfinished, mut catalog, .. } = self.start(observe).await?;
        let mut changes = Vec::new();
        let recorded = |version| applied.iter().any(|row| row.version == version);
        if let Some(progress) = unfinished.as_ref().filter(|one| !recorded(one.version)) {
            changes.push(Change::abandon(progress, self.frame())?);
            if to == DownTo::Previous {
                kept = applied.len();
            }
        }
        for row in applied[kept..].iter().rev() {
            let client = &self.connection.client;
            needs::check_dependents(client, self.plan.ledger(), row.version, &self.settings)
                .await?;
            changes.push(Change::revert(row, self.frame())?);
        }
        let unfinished = unfinished.map(|one| one.version);
        Ok(Report {
            steps: self.run(changes, &mut catalog, unfinished, observe).await?,
            partitions_made: 0,
        })
    }

    async fn resume_alone(&mut self, observe: Observer<'_>) -> Result<Report, MigrateError> {
        let Start { applied, unfinished, mut catalog } = self.start(observe).await?;
        let Some(progress) = unfinished else { return Ok(Report::default()) };
        let row = applied.iter().find(|row| row.version == progress.version);
        let change = match (progress.direction, row) {
            (Direction::Down, Some(row)) => Change::revert(row, self.frame())?,
            (Direction::Down, None) => Change::abandon(&progress, self.frame())?,
            (Direction::Up, _) => {
                let to = UpTo::Version(progress.version);
                let mut changes = self.pending_changes(&applied, to).await?;
                changes.pop().ok_or_else(|| self.stopped(&progress))?
            }
        };
        let steps = self.run(vec![change], &mut catalog, Some(progress.version), observe).await?;
        Ok(Report { steps, partitions_made: 0 })
    }

    pub(crate) fn stopped(&self, progress: &Progress) -> MigrateError {
        let Progress { version, direction, done, .. } = *progress;
        MigrateError::Unfinished { version, direction, done }
    }

    async fn run(
        &mut self,
        changes: Vec<Change>,
        catalog: &mut Catalog,
        unfinished: Option<Version>,
        observe: Observer<'_>,
    ) -> Result<Vec<StepRun>, MigrateError> {
        let mut steps = Vec::with_capacity(changes.len());
        for mut change in changes {
            let (direction, version, name) =
                (change.direction(), change.version, change.name.clone());
            if unfinished == Some(version) {
                // What it says of itself now cannot hold together what is done in part.
                change.transaction = Transaction::Statements;
            }
            observe(&Event::Started { direction, version, name: name.clone() });
            let run = self.run_one(change, catalog, observe).await?;
            observe(&Event::Finished { direction, version, name, duration: run.duration });
            steps.push(run);
        }
        Ok(steps)
    }

    /// Tries a change until it is in, or fails for a reason that waiting does not cure.
    async fn run_one(
        &mut self,
        change: Change,
        catalog: &mut Catalog,
        observe: Observer<'_>,
    ) -> Result<StepRun, MigrateError> {
        let mut tries = Tries::new(&self.settings, format!("{} {}", change.version, change.name));
        loop {
            let Self { connection, plan, settings } = self;
            let frame = Frame { ledger: plan.ledger(), settings };
            let client = &mut connection.client;
            let outcome = match change.transaction {
                Transaction::Whole => {
                    apply::attempt(client, &change, catalog, frame, observe).await
                }
                Transaction::Statements => {
                    statements::attempt(client, &change, catalog, frame, observe).await
                }
            };
            self.pass_notices_on(observe);
            match outcome {
                Ok(done) => {
                    done.events.iter().for_each(&mut *observe);
                    *catalog = done.catalog;
                    let Change { version, name, .. } = change;
                    return Ok(StepRun {
                        version,
                        name,
                        duration: done.duration,
                        attempts: tries.attempt,
                    });
                }
                Err(error) => tries.again(error, observe).await?,
            }
        }
    }

    /// Before the steps, which may use what the update brings.
    async fn update_extension(
        &mut self,
        catalog: &mut Catalog,
        observe: Observer<'_>,
    ) -> Result<(), MigrateError> {
        let mut tries = Tries::new(&self.settings, "the extension".to_owned());
        loop {
            let Self { connection, plan, settings } = self;
            let frame = Frame { ledger: plan.ledger(), settings };
            let outcome = extension::update(&mut connection.client, catalog, frame).await;
            self.pass_notices_on(observe);
            match outcome {
                Ok(Some(Update { from, to, catalog: after })) => {
                    *catalog = after;
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

/// Makes the ledger where the runner does, and takes it into the history: it is nobody's drift.
async fn make_ledger(
    transaction: &tokio_postgres::Transaction<'_>,
    before: Catalog,
    frame: Frame<'_>,
) -> Result<Catalog, MigrateError> {
    if frame.ledger.maker == Maker::FirstStep
        || frame.ledger.exists(transaction, frame.settings).await?
    {
        return Ok(before);
    }
    frame.ledger.create(transaction, frame.settings).await?;
    let catalog = Catalog::read(transaction, frame.settings).await?;
    let entry = Entry {
        description: Some("the ledger is made"),
        fingerprint: Some(catalog.fingerprint()),
        ..Entry::new(&frame.ledger.schema, Action::Found)
    };
    history::record(transaction, &entry, &before.differences(&catalog), frame.settings).await?;
    Ok(catalog)
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
pub(crate) fn kept(applied: &[Applied], to: DownTo) -> Result<usize, MigrateError> {
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
