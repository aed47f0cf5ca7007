//! Whether a way down leads to what was there before the step. Pure.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Difference, Object};

/// What a way down left otherwise than it was before the step: one line for each object.
///
/// `step` is what the step changed when it was applied, `start` the catalog when the way down
/// began, `end` when it was through. An object that somebody else changed since the step is not the
/// way down's to answer for.
pub(crate) fn amiss(step: &[Difference], start: &Catalog, end: &Catalog) -> Vec<String> {
    let touched: BTreeSet<&Object> = step.iter().map(|one| &one.object).collect();
    let missed = step
        .iter()
        .filter(|one| start.get(&one.object) == one.after.as_ref())
        .filter(|one| end.get(&one.object) != one.before.as_ref())
        .map(|one| {
            missed(&one.object, one.before.as_deref(), end.get(&one.object).map(String::as_str))
        });
    let strange = start
        .differences(end)
        .into_iter()
        .filter(|one| !touched.contains(&one.object) && one.after.is_some())
        .map(|one| format!("{} is changed, which the step had not touched", one.object));
    missed.chain(strange).collect()
}

/// What became of an object that was to be as it was before.
pub(crate) fn missed(object: &Object, before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (None, _) => format!("{object} is left behind"),
        (_, None) => format!("{object} does not come back"),
        (Some(before), Some(after)) => {
            format!("{object} is not what it was before ({}, was {})", short(after), short(before))
        }
    }
}

/// A definition in one line, cut where it is long.
fn short(definition: &str) -> String {
    const SHOWN_MAX: usize = 120;
    let line = definition.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{} ...", &line[..at]),
        None => line,
    }
}

/// What went with the objects of the step though the step had not made it.
pub(crate) fn also_gone(step: &[Difference], start: &Catalog, end: &Catalog) -> Vec<Object> {
    let touched: BTreeSet<&Object> = step.iter().map(|one| &one.object).collect();
    let gone = start.differences(end).into_iter().filter(|one| one.after.is_none());
    gone.map(|one| one.object).filter(|object| !touched.contains(object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(objects: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (name, definition) in objects {
            let object = Object { kind: "table".to_owned(), name: (*name).to_owned() };
            let after = Some((*definition).to_owned());
            catalog.apply(Difference { object, before: None, after });
        }
        catalog
    }

    #[test]
    fn a_way_down_answers_for_what_the_step_changed() {
        let before = catalog(&[("kept", "1"), ("changed", "1"), ("dropped", "1")]);
        let after = catalog(&[("kept", "1"), ("changed", "2"), ("made", "1")]);
        let step = before.differences(&after);
        assert!(amiss(&step, &after, &before).is_empty());
        let expected = [
            "table changed is not what it was before (2, was 1)",
            "table dropped does not come back",
            "table made is left behind",
        ];
        assert_eq!(amiss(&step, &after, &after), expected);
        let strange = catalog(&[("kept", "2"), ("changed", "1"), ("dropped", "1")]);
        assert_eq!(
            amiss(&step, &after, &strange),
            ["table kept is changed, which the step had not touched"]
        );
    }

    #[test]
    fn what_others_did_since_is_theirs() {
        let (before, after) = (catalog(&[]), catalog(&[("made", "1")]));
        let step = before.differences(&after);
        let start = catalog(&[("made", "altered"), ("theirs", "1")]);
        let end = catalog(&[("made", "altered")]);
        assert!(amiss(&step, &start, &end).is_empty());
        let gone: Vec<_> = also_gone(&step, &start, &end).iter().map(Object::to_string).collect();
        assert_eq!(gone, ["table theirs"]);
    }
}
