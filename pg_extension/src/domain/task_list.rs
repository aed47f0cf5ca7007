//! Tasks that are made together: a JSON array in which tasks name each other by `ref`. It must not
//! know how ids are made or rows are stored.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::document::require_object;
use super::graph;
use super::task_field::{check, is_uuid};
use crate::error::{DomainError, TaskRefusal};

/// The most tasks one call may make.
pub(crate) const TASKS_MAX: usize = 50_000;

/// The most tasks that one task may wait for.
pub(crate) const PREREQUISITES_MAX: usize = 1_000;

/// What an entry may hold besides the columns of a task.
const OTHERS: [&str; 3] = ["ref", "parent", "depends_on"];

/// A checked list.
#[derive(Debug)]
pub(crate) struct TaskList {
    entries: Vec<Entry>,
    /// Indexes of the entries, what they wait for first.
    order: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    columns: Map<String, Value>,
    parent: Option<Target>,
    depends_on: Vec<Target>,
}

/// The task that an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// By its index in the list.
    Local(usize),
    /// By its id.
    Stored(String),
}

/// What to store, with ids in the place of references.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    /// An array of objects: `ord` (from 1), `id`, and columns of `tasks`.
    pub(crate) tasks: Value,
    /// An array of objects: `ord`, `task_id`, `depends_on`; what a task waits for has its own
    /// edges before it.
    pub(crate) edges: Value,
    /// The tasks outside the list that it names.
    pub(crate) referenced: Vec<String>,
}

impl TaskList {
    /// Checks the document of `create_tasks`.
    ///
    /// # Errors
    /// Those of each field; 22023 not an array, a reference used twice; 23503 an unknown
    /// reference; 23514 a cycle; 54000 too many.
    pub(crate) fn parse(document: &Value) -> Result<Self, DomainError> {
        let argument = "p_tasks";
        let Some(list) = document.as_array() else {
            let expected = "a JSON array of objects";
            return Err(TaskRefusal::WrongShape { argument, expected }.into());
        };
        require_count(argument, list.len(), TASKS_MAX)?;
        let objects = list.iter().map(|entry| require_object(argument, entry));
        let objects = objects.collect::<Result<Vec<_>, _>>()?;
        let names = names(&objects)?;
        let entries = objects.iter().map(|object| Entry::parse(object, &names));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let order = order(&entries, &objects)?;
        Ok(Self { entries, order })
    }

    /// How many tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The rows, when entry `n` gets id `ids[n]`.
    pub(crate) fn rows(self, ids: &[String]) -> Rows {
        let mut referenced = Vec::new();
        let mut edges = Vec::new();
        let mut id_of = |target: &Target| match target {
            Target::Local(index) => ids[*index].clone(),
            Target::Stored(id) => {
                referenced.push(id.clone());
                id.clone()
            }
        };
        let mut tasks: Vec<Value> = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            let mut columns = entry.columns.clone();
            columns.insert("ord".into(), json!(index + 1));
            columns.insert("id".into(), json!(ids[index]));
            if let Some(parent) = &entry.parent {
                columns.insert("parent_task_id".into(), json!(id_of(parent)));
            }
            tasks.push(Value::Object(columns));
        }
        for (ord, index) in self.order.iter().enumerate() {
            edges.extend(self.entries[*index].depends_on.iter().map(
                |target| json!({ "ord": ord, "task_id": ids[*index], "depends_on": id_of(target) }),
            ));
        }
        referenced.sort();
        referenced.dedup();
        Rows { tasks: Value::Array(tasks), edges: Value::Array(edges), referenced }
    }
}

impl Entry {
    fn parse(
        object: &Map<String, Value>,
        names: &HashMap<&str, usize>,
    ) -> Result<Self, DomainError> {
        check("p_tasks", object, &OTHERS)?;
        if !object.contains_key("title") {
            return Err(DomainError::Null { argument: "title" });
        }
        let resolve = |value: &Value| Target::resolve(value, names);
        let parents = ["parent", "parent_task_id"]
            .map(|key| object.get(key).filter(|value| !value.is_null()));
        let parent = parents.into_iter().flatten().next().map(resolve).transpose()?;
        let mut depends_on = Vec::new();
        for value in prerequisites(object)? {
            let target = resolve(value)?;
            if !depends_on.contains(&target) {
                depends_on.push(target);
            }
        }
        let mut columns = object.clone();
        columns.retain(|key, value| !OTHERS.contains(&key.as_str()) && !value.is_null());
        Ok(Self { columns, parent, depends_on })
    }
}

impl Target {
    fn resolve(value: &Value, names: &HashMap<&str, usize>) -> Result<Self, DomainError> {
        let name = reference("depends_on", value)?;
        match names.get(name) {
            Some(index) => Ok(Self::Local(*index)),
            None if is_uuid(name) => Ok(Self::Stored(name.to_ascii_lowercase())),
            None => {
                let reference = name.chars().take(100).collect();
                Err(TaskRefusal::UnknownReference { reference }.into())
            }
        }
    }
}

fn require_count(argument: &'static str, size: usize, size_max: usize) -> Result<(), DomainError> {
    if size > size_max {
        return Err(TaskRefusal::TooLarge { argument, size, size_max, unit: "entries" }.into());
    }
    Ok(())
}

fn prerequisites(object: &Map<String, Value>) -> Result<&[Value], DomainError> {
    let argument = "depends_on";
    let list = match object.get(argument) {
        None | Some(Value::Null) => return Ok(&[]),
        Some(Value::Array(list)) => list,
        Some(_) => {
            let expected = "a JSON array of references and ids";
            return Err(TaskRefusal::WrongShape { argument, expected }.into());
        }
    };
    require_count(argument, list.len(), PREREQUISITES_MAX)?;
    Ok(list)
}

fn reference<'a>(argument: &'static str, value: &'a Value) -> Result<&'a str, DomainError> {
    let wrong = TaskRefusal::WrongShape { argument, expected: "a text" };
    value.as_str().ok_or(wrong.into())
}

/// Where in the list each reference stands.
fn names<'a>(objects: &[&'a Map<String, Value>]) -> Result<HashMap<&'a str, usize>, DomainError> {
    let mut names = HashMap::new();
    for (index, object) in objects.iter().enumerate() {
        let Some(value) = object.get("ref").filter(|value| !value.is_null()) else { continue };
        let name = reference("ref", value)?;
        if names.insert(name, index).is_some() {
            let reference = name.chars().take(100).collect();
            return Err(TaskRefusal::DuplicateReference { reference }.into());
        }
    }
    Ok(names)
}

/// The entries, what they wait for first.
fn order(entries: &[Entry], objects: &[&Map<String, Value>]) -> Result<Vec<usize>, DomainError> {
    let local = |targets: &[Target]| {
        let indexes = targets.iter().filter_map(|target| match target {
            Target::Local(index) => Some(*index),
            Target::Stored(_) => None,
        });
        indexes.collect::<Vec<_>>()
    };
    let edges: Vec<_> = entries.iter().map(|entry| local(&entry.depends_on)).collect();
    let name = |index: &usize| match objects[*index].get("ref").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => format!("#{}", index + 1),
    };
    let refuse =
        |path: Vec<usize>| TaskRefusal::CycleInList { path: path.iter().map(name).collect() };
    let parents: Vec<_> = entries.iter().map(|entry| local(entry.parent.as_slice())).collect();
    graph::order(&parents)
        .map_err(|path| TaskRefusal::BelowItself { id: name(&path[0]), parent: name(&path[1]) })?;
    Ok(graph::order(&edges).map_err(refuse)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-0000000000aa";

    fn refusal(document: Value) -> DomainError {
        TaskList::parse(&document).unwrap_err()
    }

    #[test]
    fn references_become_ids_and_edges_come_in_order() {
        let document = json!([
            { "ref": "b", "title": "B", "depends_on": ["a", ID, "a"], "parent": "a" },
            { "ref": "a", "title": "A", "priority": 3, "description": null },
        ]);
        let rows = TaskList::parse(&document).unwrap().rows(&["1".into(), "2".into()]);
        assert_eq!(
            rows.tasks,
            json!([
                { "ord": 1, "id": "1", "title": "B", "parent_task_id": "2" },
                { "ord": 2, "id": "2", "title": "A", "priority": 3 },
            ])
        );
        assert_eq!(
            rows.edges,
            json!([
                { "ord": 1, "task_id": "1", "depends_on": "2" },
                { "ord": 1, "task_id": "1", "depends_on": ID },
            ])
        );
        assert_eq!(rows.referenced, [ID]);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        for (document, sqlstate) in [
            (json!({}), "22023"),
            (json!(["a"]), "22023"),
            (json!([{}]), "22004"),
            (json!([{ "title": "t", "depends_on": "a" }]), "22023"),
            (json!([{ "title": "t", "depends_on": ["nobody"] }]), "23503"),
            (json!([{ "title": "t", "ref": "a" }, { "title": "t", "ref": "a" }]), "22023"),
            (json!([{ "title": "t", "ref": "a", "parent": "a" }]), "23514"),
        ] {
            assert_eq!(refusal(document.clone()).sqlstate(), sqlstate, "{document}");
        }
    }

    #[test]
    fn a_cycle_is_named() {
        let document = json!([
            { "title": "t", "ref": "a", "depends_on": ["b"] },
            { "title": "t", "ref": "b", "depends_on": ["c"] },
            { "title": "t", "ref": "c", "depends_on": ["a"] },
        ]);
        let error = refusal(document);
        assert_eq!(error.sqlstate(), "23514");
        assert_eq!(error.detail(), r#"{"path":["a","b","c","a"]}"#);
    }
}
