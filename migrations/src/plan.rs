//! The order of the steps, and whether a database's ledger fits it. Pure: knows no connection.

use std::collections::BTreeMap;

use crate::change::{Change, Frame};
use crate::ledger::{Applied, Ledger};
use crate::{MigrateError, Settings, Step, StepState, StepStatus, UpTo, Version, embedded, graph};

/// Steps numbered from 1 without gap or duplicate.
#[derive(Debug, Clone)]
pub struct Plan {
    steps: Vec<Step>,
    ledger: Ledger,
}

impl Plan {
    /// The steps that this binary carries.
    pub fn embedded() -> Self {
        Self::new(embedded::steps()).expect("a test holds that the embedded steps are in order")
    }

    /// The same steps, recorded in the schema of this name: those of a project. The product's own
    /// are recorded in its own schema, which their first step makes.
    #[must_use]
    pub fn of_project(mut self, ledger_schema: &str) -> Self {
        self.ledger = Ledger::project(ledger_schema);
        self
    }

    /// Orders the steps.
    ///
    /// # Errors
    /// [`MigrateError::DuplicateStep`] and [`MigrateError::PlanGap`] when the numbers are not 1, 2,
    /// 3, ...; [`MigrateError::BadScript`] for a header, and [`MigrateError::BadGraph`] for what
    /// the headers ask for.
    pub fn new(mut steps: Vec<Step>) -> Result<Self, MigrateError> {
        steps.sort_by_key(|step| step.version);
        let mut expected = Version::FIRST;
        for step in &steps {
            if step.version < expected {
                return Err(duplicate(&steps, step.version));
            }
            if step.version > expected {
                return Err(MigrateError::PlanGap { missing: expected });
            }
            expected = expected.next();
        }
        let headers = steps.iter().map(Step::header).collect::<Result<Vec<_>, _>>()?;
        graph::check(&steps, &headers)?;
        Ok(Self { steps, ledger: Ledger::product() })
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Reads every text of every step, as a run does before it touches anything.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`] for the first one that cannot be run.
    pub fn validate(&self) -> Result<(), MigrateError> {
        let settings = Settings::default();
        let frame = Frame { ledger: &self.ledger, settings: &settings };
        self.steps.iter().try_for_each(|step| Change::apply(step.clone(), frame).map(|_change| ()))
    }

    /// Where the steps are recorded.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The steps that are to be applied, in order, when a database has the applied ones.
    ///
    /// # Errors
    /// When the ledger does not fit the plan: see [`Plan::check`]; and
    /// [`MigrateError::NoSuchStep`].
    pub(crate) fn pending(&self, applied: &[Applied], to: UpTo) -> Result<Vec<Step>, MigrateError> {
        self.check(applied)?;
        let last = match to {
            UpTo::Latest => self.steps.last().map(|step| step.version),
            UpTo::Version(version) => Some(self.find(version)?.version),
        };
        let wanted = self.steps.iter().skip(applied.len());
        Ok(wanted.filter(|step| Some(step.version) <= last).cloned().collect())
    }

    /// How each step stands: the plan's steps, then those of the ledger that the plan does not
    /// know.
    pub(crate) fn status(&self, applied: &[Applied]) -> Vec<StepStatus> {
        let mut rows: BTreeMap<Version, &Applied> =
            applied.iter().map(|row| (row.version, row)).collect();
        let mut status: Vec<StepStatus> = self
            .steps
            .iter()
            .map(|step| match rows.remove(&step.version) {
                None => StepStatus::pending(step),
                Some(row) if row.checksum == step.checksum() => row.status(StepState::Applied),
                Some(row) => row.status(StepState::Changed),
            })
            .collect();
        status.extend(rows.into_values().map(|row| row.status(StepState::Unknown)));
        status
    }

    /// Whether the ledger holds the plan's first steps as the plan has them.
    ///
    /// # Errors
    /// [`MigrateError::MissingStep`], [`MigrateError::UnknownStep`],
    /// [`MigrateError::ChecksumChanged`].
    fn check(&self, applied: &[Applied]) -> Result<(), MigrateError> {
        check_sequence(applied)?;
        for row in applied {
            let step = self.find(row.version).map_err(|_| MigrateError::UnknownStep {
                version: row.version,
                tool_version: row.tool_version.clone(),
            })?;
            if step.checksum() != row.checksum {
                return Err(MigrateError::ChecksumChanged {
                    version: row.version,
                    applied: row.checksum.clone(),
                    present: step.checksum(),
                });
            }
        }
        Ok(())
    }

    fn find(&self, version: Version) -> Result<&Step, MigrateError> {
        self.steps
            .iter()
            .find(|step| step.version == version)
            .ok_or(MigrateError::NoSuchStep { version, steps: self.steps.len() })
    }
}

fn duplicate(steps: &[Step], version: Version) -> MigrateError {
    let mut names =
        steps.iter().filter(|step| step.version == version).map(|step| step.name.to_string());
    let mut name = || names.next().unwrap_or_default();
    MigrateError::DuplicateStep { version, first: name(), second: name() }
}

/// Whether the ledger, in its order, has every number from 1 on.
pub(crate) fn check_sequence(applied: &[Applied]) -> Result<(), MigrateError> {
    let mut expected = Version::FIRST;
    for row in applied {
        if row.version != expected {
            return Err(MigrateError::MissingStep { missing: expected, later: row.version });
        }
        expected = expected.next();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::StepKind;

    fn step(number: &str, up: &'static str) -> Step {
        Step {
            version: number.parse().unwrap(),
            name: Cow::Borrowed("some_step"),
            kind: StepKind::Schema,
            up: Cow::Borrowed(up),
            down: Some(Cow::Borrowed("SELECT 1")),
            verify: None,
        }
    }

    fn applied(number: &str, up: &'static str) -> Applied {
        Applied {
            version: number.parse().unwrap(),
            description: "some step".to_owned(),
            checksum: step(number, up).checksum(),
            applied_at: String::new(),
            execution_time_ms: 1,
            tool_version: "9.9.9".to_owned(),
            down_sql: None,
            down_checksum: None,
        }
    }

    fn plan() -> Plan {
        Plan::new(vec![step("2", "two"), step("1", "one"), step("3", "three")]).unwrap()
    }

    #[test]
    fn the_embedded_steps_are_a_plan() {
        assert!(!Plan::embedded().steps().is_empty());
    }

    #[test]
    fn duplicates_and_gaps_are_no_plan() {
        let duplicate = Plan::new(vec![step("1", ""), step("2", ""), step("2", "")]).unwrap_err();
        assert!(matches!(duplicate, MigrateError::DuplicateStep { .. }), "{duplicate}");
        let gap = Plan::new(vec![step("1", ""), step("3", "")]).unwrap_err();
        assert!(matches!(gap, MigrateError::PlanGap { .. }), "{gap}");
        assert!(Plan::new(vec![step("2", "")]).is_err());
    }

    #[test]
    fn pending_are_the_steps_after_the_applied_ones_up_to_the_target() {
        let numbers = |applied: &[Applied], to| -> Vec<String> {
            plan().pending(applied, to).unwrap().iter().map(|s| s.version.to_string()).collect()
        };
        assert_eq!(numbers(&[], UpTo::Latest), ["0001", "0002", "0003"]);
        assert_eq!(numbers(&[applied("1", "one")], UpTo::Latest), ["0002", "0003"]);
        assert_eq!(numbers(&[applied("1", "one")], UpTo::Version("2".parse().unwrap())), ["0002"]);
        assert!(numbers(&[applied("1", "one")], UpTo::Version(Version::FIRST)).is_empty());
        let error = plan().pending(&[], UpTo::Version("9".parse().unwrap())).unwrap_err();
        assert!(matches!(error, MigrateError::NoSuchStep { steps: 3, .. }), "{error}");
    }

    #[test]
    fn a_ledger_that_does_not_fit_is_refused_with_the_reason() {
        let refuse = |rows: &[Applied]| plan().pending(rows, UpTo::Latest).unwrap_err();
        let changed = refuse(&[applied("1", "edited since")]);
        assert!(matches!(changed, MigrateError::ChecksumChanged { .. }), "{changed}");
        let gap = refuse(&[applied("1", "one"), applied("3", "three")]);
        assert!(matches!(gap, MigrateError::MissingStep { .. }), "{gap}");
        let newer = ["one", "two", "three", "four"];
        let rows: Vec<_> =
            ["1", "2", "3", "4"].iter().zip(newer).map(|(n, up)| applied(n, up)).collect();
        let unknown = refuse(&rows);
        assert!(matches!(unknown, MigrateError::UnknownStep { .. }), "{unknown}");
        assert!(unknown.to_string().contains("9.9.9"), "{unknown}");
    }

    #[test]
    fn status_tells_applied_changed_pending_and_unknown_apart() {
        let rows = [applied("1", "one"), applied("2", "edited"), applied("4", "newer")];
        let states: Vec<_> = plan().status(&rows).into_iter().map(|row| row.state).collect();
        let expected =
            [StepState::Applied, StepState::Changed, StepState::Pending, StepState::Unknown];
        assert_eq!(states, expected);
    }
}
