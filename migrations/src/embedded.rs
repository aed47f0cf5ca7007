//! The list of steps that the binary carries. A test holds that it names every file in `steps/`.

use std::borrow::Cow;

use crate::{Step, StepKind, Version};

/// The text of one file in `steps/`.
macro_rules! sql {
    ($stem:literal, $direction:literal) => {
        Cow::Borrowed(include_str!(concat!("../steps/", $stem, ".", $direction, ".sql")))
    };
}

/// A step whose three files begin with the stem.
macro_rules! step {
    ($stem:literal, $kind:ident) => {
        parse_step(
            $stem,
            StepKind::$kind,
            sql!($stem, "up"),
            sql!($stem, "down"),
            sql!($stem, "verify"),
        )
    };
}

/// Every step of the product, in order.
pub(crate) fn steps() -> Vec<Step> {
    vec![
        step!("0001_schema", Schema),
        step!("0002_core_tables", Schema),
        step!("0003_constraints", Schema),
        step!("0004_indexes", Index),
        step!("0005_partitions", Function),
        step!("0006_updated_at", Schema),
        step!("0007_search", Index),
        step!("0008_extension", Extension),
        step!("0009_session_reports", Extension),
        step!("0010_task_lifecycle", Schema),
        step!("0011_task_lifecycle_valid", Schema),
        step!("0012_task_dependencies", Schema),
        step!("0013_task_events", Schema),
        step!("0014_task_indexes", Index),
        step!("0015_task_views", Schema),
        step!("0016_task_search", Function),
        step!("0017_integrations", Schema),
        step!("0018_workflow_steps", Schema),
        step!("0019_metric_rollups", Schema),
        step!("0020_upkeep", Function),
        step!("0021_identity", Function),
        step!("0022_roles", Schema),
        step!("0023_audit", Schema),
        step!("0024_protection", Schema),
        step!("0025_privacy", Schema),
    ]
}

fn parse_step(
    stem: &'static str,
    kind: StepKind,
    up: Cow<'static, str>,
    down: Cow<'static, str>,
    verify: Cow<'static, str>,
) -> Step {
    let (number, name) = stem.split_once('_').expect("the stems above hold an underscore");
    let version: Version = number.parse().expect("the stems above begin with a number");
    Step { version, name: Cow::Borrowed(name), kind, up, down: Some(down), verify: Some(verify) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::script::Script;
    use crate::step::file_name;

    #[test]
    fn every_file_in_steps_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("steps");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: BTreeSet<String> = steps()
            .iter()
            .flat_map(|step| {
                ["up", "down", "verify"].map(|d| file_name(step.version, &step.name, d))
            })
            .collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn every_text_is_a_script_without_transaction_control() {
        for step in steps() {
            for text in
                [Some(&step.up), step.down.as_ref(), step.verify.as_ref()].into_iter().flatten()
            {
                let script = Script::parse("step", text).unwrap();
                assert!(!script.statements.is_empty(), "a text of step {} is empty", step.name);
            }
        }
    }
}
