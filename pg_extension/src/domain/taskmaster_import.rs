//! What an import makes of the tasks of a file: those that are not there yet, with what they wait
//! for. A task that was imported before is left as it is. It must not know how tasks are stored.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::graph;
use super::task_list::Rows;
use super::taskmaster_json::Item;
use crate::error::{DomainError, TaskRefusal};

/// Where tasks that were imported before are, by tag and number.
pub(crate) type Present = HashMap<(String, String), String>;

/// The tasks of a file, and where each is or will be.
#[derive(Debug)]
pub(crate) struct Import {
    items: Vec<Item>,
    /// The id of each, and whether it is new.
    ids: Vec<(String, Fate)>,
}

/// What becomes of a task of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Create,
    Skip,
}

impl Fate {
    /// The word callers see.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Skip => "skip",
        }
    }
}

impl Import {
    /// Tells the tasks that are there from those that are not; `new_id` makes their ids.
    pub(crate) fn new(
        items: Vec<Item>,
        present: &Present,
        mut new_id: impl FnMut() -> String,
    ) -> Self {
        let ids =
            items.iter().map(|item| match present.get(&(item.tag.clone(), item.number.clone())) {
                Some(id) => (id.clone(), Fate::Skip),
                None => (new_id(), Fate::Create),
            });
        let ids = ids.collect();
        Self { items, ids }
    }

    /// Each task with its id and fate.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&Item, &str, Fate)> {
        self.items.iter().zip(&self.ids).map(|(item, (id, fate))| (item, &**id, *fate))
    }

    /// The rows of the new tasks.
    ///
    /// # Errors
    /// 23514 tasks that wait for each other.
    pub(crate) fn rows(&self) -> Result<Rows, DomainError> {
        let places: HashMap<(&str, &str), usize> = self
            .items
            .iter()
            .enumerate()
            .map(|(place, item)| ((&*item.tag, &*item.number), place))
            .collect();
        let place = |item: &Item, number: &str| places.get(&(&*item.tag, number)).copied();
        let edges: Vec<Vec<usize>> = self
            .items
            .iter()
            .map(|item| item.depends_on.iter().filter_map(|other| place(item, other)).collect())
            .collect();
        let order = graph::order(&edges).map_err(|path| TaskRefusal::CycleInList {
            path: path.iter().map(|place| self.items[*place].number.clone()).collect(),
        })?;
        let mut rows = Rows { tasks: json!([]), edges: json!([]), referenced: Vec::new() };
        let parents = self
            .items
            .iter()
            .map(|item| item.parent.as_deref().and_then(|parent| place(item, parent)));
        let tasks = self.items.iter().zip(parents).enumerate();
        rows.tasks = tasks
            .filter(|(place, _)| self.is_new(*place))
            .map(|(place, (item, parent))| self.task(place, item, parent))
            .collect();
        let new = order.iter().enumerate().filter(|(_, place)| self.is_new(**place));
        rows.edges = new
            .flat_map(|(ord, place)| edges[*place].iter().map(move |other| (ord, *place, *other)))
            .map(|(ord, place, other)| {
                json!({ "ord": ord, "task_id": self.ids[place].0, "depends_on": self.ids[other].0 })
            })
            .collect();
        let present = self.ids.iter().filter(|(_, fate)| *fate == Fate::Skip);
        rows.referenced = present.map(|(id, _)| id.clone()).collect();
        Ok(rows)
    }

    fn is_new(&self, place: usize) -> bool {
        self.ids[place].1 == Fate::Create
    }

    fn task(&self, place: usize, item: &Item, parent: Option<usize>) -> Value {
        let mut columns = item.columns.clone();
        columns.insert("ord".into(), json!(place + 1));
        columns.insert("id".into(), json!(self.ids[place].0));
        if let Some(parent) = parent {
            columns.insert("parent_task_id".into(), json!(self.ids[parent].0));
        }
        columns.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::taskmaster_json::parse;
    use super::*;

    #[test]
    fn only_what_is_not_there_is_made() {
        let file = json!({ "tasks": [
            { "id": 1, "title": "one", "subtasks": [{ "id": 1, "title": "sub", "dependencies": [] }] },
            { "id": 2, "title": "two", "dependencies": [1, "1.1"] },
        ] });
        let present = Present::from([(("master".into(), "1".into()), "A".into())]);
        let mut ids = ["B", "C"].into_iter();
        let import = Import::new(parse(&file).unwrap(), &present, || ids.next().unwrap().into());
        let rows = import.rows().unwrap();
        assert_eq!(rows.tasks[0]["parent_task_id"], "A");
        assert_eq!(rows.tasks[1]["title"], "two");
        assert_eq!(rows.edges[0]["depends_on"], "A");
        assert_eq!(rows.edges[1]["depends_on"], "B");
        assert_eq!(rows.referenced, ["A"]);
        let fates: Vec<_> = import.outcomes().map(|(_, id, fate)| (id, fate.as_str())).collect();
        assert_eq!(fates, [("A", "skip"), ("B", "create"), ("C", "create")]);
    }

    #[test]
    fn a_file_in_a_circle_is_refused() {
        let file = json!({ "tasks": [
            { "id": 1, "title": "one", "dependencies": [2] },
            { "id": 2, "title": "two", "dependencies": [1] },
        ] });
        let import = Import::new(parse(&file).unwrap(), &Present::new(), || "x".into());
        assert_eq!(import.rows().unwrap_err().detail(), r#"{"path":["1","2","1"]}"#);
    }
}
