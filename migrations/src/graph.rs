//! What steps declare about each other, checked as a whole before anything runs. Pure.

use std::collections::BTreeMap;

use crate::step::file_name;
use crate::{Header, MigrateError, Step, Version};

/// Checks the headers of steps that stand in order.
///
/// # Errors
/// [`MigrateError::BadGraph`] with the file for a step that requires itself, a later one, one that
/// is not there, or each other in a circle; for two steps of one plan that declare a conflict; and
/// for a step that has neither a way down nor a reason for that, or both.
pub(crate) fn check(steps: &[Step], headers: &[Header]) -> Result<(), MigrateError> {
    let known: BTreeMap<Version, &Header> =
        steps.iter().zip(headers).map(|(step, header)| (step.version, header)).collect();
    for (step, header) in steps.iter().zip(headers) {
        let bad = |reason: String| {
            Err(MigrateError::BadGraph { file: file_name(step.version, &step.name, "up"), reason })
        };
        for required in own(&header.requires) {
            match required {
                _ if !known.contains_key(&required) => {
                    return bad(format!("requires step {required}, which is not there"));
                }
                _ if required < step.version => {}
                _ => return bad(later(step.version, required, &known)),
            }
        }
        if let Some(other) = own(&header.conflicts).find(|other| known.contains_key(other)) {
            return bad(format!("conflicts with step {other}, which is among the same steps"));
        }
        match (&step.down, &header.irreversible) {
            (None, None) => {
                let file = file_name(step.version, &step.name, "down");
                return bad(format!(
                    "there is no way back: write {file}, or declare irreversible = \"why\""
                ));
            }
            (Some(_), Some(_)) => {
                return bad("declared irreversible, though it has a way down".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The references to steps of the same plan.
fn own(references: &[crate::Reference]) -> impl Iterator<Item = Version> {
    references.iter().filter(|one| one.ledger.is_none()).map(|one| one.version)
}

/// Why a step cannot require a later one: they wait for each other, or it comes too late.
fn later(version: Version, required: Version, known: &BTreeMap<Version, &Header>) -> String {
    if version == required {
        return "requires itself".to_owned();
    }
    match path(required, version, known, &mut Vec::new()) {
        Some(path) => {
            let circle: Vec<String> =
                std::iter::once(version).chain(path).map(|step| step.to_string()).collect();
            format!("steps require each other in a circle: {}", circle.join(" -> "))
        }
        None => format!("requires step {required}, which comes after it"),
    }
}

/// The way from one step to another along what they require.
fn path(
    from: Version,
    to: Version,
    known: &BTreeMap<Version, &Header>,
    seen: &mut Vec<Version>,
) -> Option<Vec<Version>> {
    if from == to {
        return Some(vec![to]);
    }
    if seen.contains(&from) {
        return None;
    }
    seen.push(from);
    let next = known.get(&from).map(|header| own(&header.requires).collect::<Vec<_>>())?;
    let rest = next.into_iter().find_map(|next| path(next, to, known, seen))?;
    Some(std::iter::once(from).chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepKind;

    fn step(number: u16, header: &str, down: Option<&'static str>) -> Step {
        Step {
            version: number.to_string().parse().unwrap(),
            name: "some_step".into(),
            kind: StepKind::Schema,
            up: format!("{header}\nSELECT 1").into(),
            down: down.map(Into::into),
            verify: None,
        }
    }

    fn complaint(headers: &[&str]) -> String {
        let steps = (1..).zip(headers).map(|(number, header)| {
            step(number, &format!("-- taskmaster: {header}"), Some("SELECT 1"))
        });
        crate::Plan::new(steps.collect()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_file_and_the_reason() {
        let file = "0001_some_step.up.sql: ";
        assert_eq!(complaint(&["requires = [\"1\"]"]), format!("{file}requires itself"));
        let late = complaint(&["requires = [\"2\"]", "type = \"data\""]);
        assert_eq!(late, format!("{file}requires step 0002, which comes after it"));
        let gone = complaint(&["requires = [\"7\"]"]);
        assert_eq!(gone, format!("{file}requires step 0007, which is not there"));
        let circle = complaint(&["requires = [\"3\"]", "requires = [\"1\"]", "requires = [\"2\"]"]);
        assert_eq!(
            circle,
            format!("{file}steps require each other in a circle: 0001 -> 0003 -> 0002 -> 0001")
        );
        let conflict = complaint(&["type = \"data\"", "conflicts = [\"1\"]"]);
        assert!(
            conflict.starts_with("0002_some_step.up.sql: conflicts with step 0001"),
            "{conflict}"
        );
    }

    #[test]
    fn a_step_goes_back_or_says_why_not() {
        let refused = |header: &str, down| {
            crate::Plan::new(vec![step(1, header, down)]).unwrap_err().to_string()
        };
        assert!(refused("", None).contains("0001_some_step.down.sql"));
        let both = refused("-- taskmaster: irreversible = \"merged\"", Some("SELECT 1"));
        assert!(both.contains("though it has a way down"), "{both}");
        let fine = step(1, "-- taskmaster: irreversible = \"merged\"", None);
        crate::Plan::new(vec![fine]).unwrap();
    }
}
