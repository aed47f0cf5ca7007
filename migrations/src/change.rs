//! What one transaction of a run does: a step's statements, its record, its check.

use crate::ledger::Applied;
use crate::script::Script;
use crate::step::file_name;
use crate::{Direction, MigrateError, Step, Version};

/// One step on its way up or down.
pub(crate) struct Change {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) record: Record,
}

/// What becomes of the ledger.
pub(crate) enum Record {
    /// The step is written down; its check, if it has one, must not complain.
    Insert { step: Box<Step>, verify: Option<Script> },
    /// The step is struck out.
    Delete,
}

impl Change {
    /// The application of a step.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`].
    pub(crate) fn apply(step: Step) -> Result<Self, MigrateError> {
        let file = |direction| file_name(step.version, &step.name, direction);
        let script = Script::parse(&file("up"), &step.up)?;
        let verify =
            step.verify.as_deref().map(|text| Script::parse(&file("verify"), text)).transpose()?;
        // A way down that cannot be read must not wait for the day on which it is needed.
        step.down.as_deref().map(|text| Script::parse(&file("down"), text)).transpose()?;
        let (version, name) = (step.version, step.description());
        Ok(Self { version, name, script, record: Record::Insert { step: Box::new(step), verify } })
    }

    /// The reversion of a step, by the text that was stored when it was applied.
    ///
    /// # Errors
    /// [`MigrateError::Irreversible`], [`MigrateError::StoredDownChanged`],
    /// [`MigrateError::BadScript`].
    pub(crate) fn revert(row: &Applied) -> Result<Self, MigrateError> {
        let file = file_name(row.version, &row.description.replace(' ', "_"), "down");
        let script = Script::parse(&file, row.down()?)?;
        let name = row.description.clone();
        Ok(Self { version: row.version, name, script, record: Record::Delete })
    }

    /// Which way it goes.
    pub(crate) fn direction(&self) -> Direction {
        match self.record {
            Record::Insert { .. } => Direction::Up,
            Record::Delete => Direction::Down,
        }
    }
}
