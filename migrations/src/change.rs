//! What a run does with one step: its statements, its record, its check.

use crate::header::DeclaredLoss;
use crate::ledger::{Applied, Ledger};
use crate::script::{Script, Statement};
use crate::statements::Progress;
use crate::step::file_name;
use crate::unbound;
use crate::{Direction, Header, MigrateError, Settings, Step, Transaction, Version};

/// One step on its way up or down.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) record: Record,
    pub(crate) transaction: Transaction,
    pub(crate) loss: DeclaredLoss,
    /// The bounds of its statements.
    pub(crate) settings: Settings,
    /// Their search_path.
    pub(crate) search_path: String,
}

/// What becomes of the ledger.
#[derive(Debug)]
pub(crate) enum Record {
    /// The step is written down; its check, if it has one, must not complain.
    Insert { step: Box<Step>, verify: Option<Script> },
    /// The step is struck out.
    Delete,
    /// The step never got through: there is no record of it.
    Abandon,
}

/// What holds for every change of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) settings: &'a Settings,
}

impl Change {
    /// The application of a step.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`].
    pub(crate) fn apply(step: Step, frame: Frame<'_>) -> Result<Self, MigrateError> {
        let file = |direction| file_name(step.version, &step.name, direction);
        let script = Script::parse(&file("up"), &step.up)?;
        let verify = verify(&step)?;
        // A way down that cannot be read must not wait for the day on which it is needed.
        if let Some(text) = step.down.as_deref() {
            let down = file("down");
            fits(&Script::parse(&down, text)?, Header::parse(&down, text)?.transaction)?;
        }
        let header = step.header()?;
        fits(&script, header.transaction)?;
        let (version, name) = (step.version, step.description());
        let record = Record::Insert { step: Box::new(step), verify };
        Ok(Self::new((version, name), script, record, header, frame))
    }

    /// The reversion of a step, by the text that was stored when it was applied.
    ///
    /// # Errors
    /// [`MigrateError::Irreversible`], [`MigrateError::StoredDownChanged`],
    /// [`MigrateError::BadScript`].
    pub(crate) fn revert(row: &Applied, frame: Frame<'_>) -> Result<Self, MigrateError> {
        let file = file_name(row.version, &row.description.replace(' ', "_"), "down");
        let text = row.down()?;
        let (script, header) = (Script::parse(&file, text)?, Header::parse(&file, text)?);
        let name = row.description.clone();
        Ok(Self::new((row.version, name), script, Record::Delete, header, frame))
    }

    /// The way back from a step that stopped on its way up.
    ///
    /// # Errors
    /// [`MigrateError::Irreversible`], [`MigrateError::BadScript`].
    pub(crate) fn abandon(progress: &Progress, frame: Frame<'_>) -> Result<Self, MigrateError> {
        let version = progress.version;
        let file = file_name(version, &progress.description.replace(' ', "_"), "down");
        let text = progress.down_sql.as_deref().ok_or(MigrateError::Irreversible { version })?;
        let (script, header) = (Script::parse(&file, text)?, Header::parse(&file, text)?);
        let of = (version, progress.description.clone());
        let mut change = Self::new(of, script, Record::Abandon, header, frame);
        // What of the way up was done is not known to the last statement, so each goes by itself.
        change.transaction = Transaction::Statements;
        Ok(change)
    }

    /// What the header leaves open is the runner's and the ledger's to say.
    fn new(
        of: (Version, String),
        script: Script,
        record: Record,
        header: Header,
        frame: Frame<'_>,
    ) -> Self {
        let settings = Settings {
            lock_timeout: header.lock_timeout.unwrap_or(frame.settings.lock_timeout),
            statement_timeout: header.statement_timeout.unwrap_or(frame.settings.statement_timeout),
            ..frame.settings.clone()
        };
        Self {
            version: of.0,
            name: of.1,
            script,
            record,
            transaction: header.transaction,
            loss: header.loss,
            settings,
            search_path: header
                .search_path
                .unwrap_or_else(|| frame.ledger.search_path().to_owned()),
        }
    }

    /// The schema of names that have none.
    pub(crate) fn first_schema(&self) -> &str {
        self.search_path.split(',').next().unwrap_or_default().trim().trim_matches('"')
    }

    /// Which way it goes.
    pub(crate) fn direction(&self) -> Direction {
        match self.record {
            Record::Insert { .. } => Direction::Up,
            Record::Delete | Record::Abandon => Direction::Down,
        }
    }
}

/// Whether the statements can be held together as the header says.
///
/// # Errors
/// [`MigrateError::BadScript`].
pub(crate) fn fits(script: &Script, transaction: Transaction) -> Result<(), MigrateError> {
    let bad = |statement: &Statement, reason: &str| {
        Err(MigrateError::BadScript {
            file: script.file.clone(),
            location: script.location(statement),
            reason: reason.to_owned(),
        })
    };
    for statement in &script.statements {
        if let Some(reason) = unbound::objection(&statement.node) {
            return bad(statement, reason);
        }
        if transaction == Transaction::Whole && unbound::is_unbound(&statement.node) {
            let reason = "PostgreSQL runs this outside of a transaction only: \
                open the file with the line \"-- taskmaster: transaction = false\"";
            return bad(statement, reason);
        }
    }
    Ok(())
}

/// The check of a step; none when its file holds nothing but comments.
///
/// # Errors
/// [`MigrateError::BadScript`].
pub(crate) fn verify(step: &Step) -> Result<Option<Script>, MigrateError> {
    let Some(text) = step.verify.as_deref() else { return Ok(None) };
    let says_nothing = |line: &str| line.trim().is_empty() || line.trim().starts_with("--");
    if text.lines().all(says_nothing) {
        return Ok(None);
    }
    Script::parse(&file_name(step.version, &step.name, "verify"), text).map(Some)
}
