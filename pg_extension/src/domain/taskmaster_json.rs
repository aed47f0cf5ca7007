//! The file `tasks.json` of the command line tool Task Master: tags that hold tasks, which hold
//! subtasks, named by numbers and by numbers with a dot (`"3.1"`). What a file says and a task has no
//! column for is kept in the task's metadata under `taskmaster` and comes out again. It must not know
//! how tasks are stored.
//!
//! The format is that of `task-master-ai` from 0.16 on, and the one before, which had no tags.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::argument::Argument;
use super::document::require_object;
use super::task_list::TASKS_MAX;
use super::task_status::TaskStatus;
use crate::error::{DomainError, TaskRefusal};

/// The tag of files that have none.
const DEFAULT_TAG: &str = "master";

/// The keys of a task that are columns, or have places of their own.
const KNOWN: [&str; 7] =
    ["id", "title", "description", "status", "priority", "dependencies", "subtasks"];

const ARGUMENT: &str = "p_doc";

/// A task of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) tag: String,
    /// `"3"`, or `"3.1"` for a subtask.
    pub(crate) number: String,
    pub(crate) parent: Option<String>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) title: String,
    /// Columns by name, `status` and `metadata` among them.
    pub(crate) columns: Map<String, Value>,
}

/// A stored task to be written to a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) status: String,
    pub(crate) priority: i64,
    pub(crate) metadata: Value,
}

/// The tasks of a file, of every tag, parents before their subtasks.
///
/// # Errors
/// 22023 what is no such file, an unknown status, a number used twice; 23503 a dependency on a task
/// that is not there; 23514 no title; 54000 too many tasks.
pub(crate) fn parse(document: &Value) -> Result<Vec<Item>, DomainError> {
    let mut items = Vec::new();
    let root = require_object(ARGUMENT, document)?;
    match root.get("tasks") {
        Some(Value::Array(tasks)) => parse_tag(DEFAULT_TAG, tasks, &mut items)?,
        _ => {
            for (tag, content) in root {
                let Some(Value::Array(tasks)) = content.get("tasks") else {
                    return Err(wrong("tags that hold an array \"tasks\""));
                };
                parse_tag(tag, tasks, &mut items)?;
            }
        }
    }
    check_references(&items)?;
    Ok(items)
}

fn parse_tag(tag: &str, tasks: &[Value], items: &mut Vec<Item>) -> Result<(), DomainError> {
    Argument("tag").bounded(tag, 255)?;
    for task in tasks {
        let object = require_object(ARGUMENT, task)?;
        let item = parse_item(tag, object, None)?;
        let number = item.number.clone();
        items.push(item);
        for subtask in list(object, "subtasks")? {
            items.push(parse_item(tag, require_object(ARGUMENT, subtask)?, Some(&number))?);
        }
        let (size, size_max) = (items.len(), TASKS_MAX);
        if size > size_max {
            return Err(TaskRefusal::TooLarge {
                argument: ARGUMENT,
                size,
                size_max,
                unit: "entries",
            }
            .into());
        }
    }
    Ok(())
}

fn parse_item(
    tag: &str,
    object: &Map<String, Value>,
    parent: Option<&str>,
) -> Result<Item, DomainError> {
    let own = object.get("id").and_then(plain).ok_or_else(|| wrong("tasks with an \"id\""))?;
    let number = match parent {
        // Some writers put the whole number on a subtask.
        Some(parent) if !own.starts_with(&format!("{parent}.")) => format!("{parent}.{own}"),
        _ => own,
    };
    let title = object.get("title").and_then(Value::as_str).unwrap_or_default();
    let columns = columns(tag, &number, object)?;
    super::task_field::check(ARGUMENT, &columns, &["status"])?;
    let depends_on = list(object, "dependencies")?.iter().map(|value| {
        let name = plain(value).ok_or_else(|| wrong("numbers and texts as \"dependencies\""))?;
        // A bare number in a subtask means its brother.
        Ok(match parent {
            Some(parent) if value.is_number() => format!("{parent}.{name}"),
            _ => name,
        })
    });
    Ok(Item {
        tag: tag.to_owned(),
        parent: parent.map(str::to_owned),
        depends_on: depends_on.collect::<Result<_, DomainError>>()?,
        title: title.to_owned(),
        columns,
        number,
    })
}

fn columns(
    tag: &str,
    number: &str,
    object: &Map<String, Value>,
) -> Result<Map<String, Value>, DomainError> {
    let word = object.get("status").and_then(Value::as_str).unwrap_or("pending");
    let status = TaskStatus::parse(Argument("status"), Some(word))?;
    let mut columns = Map::new();
    columns.insert("title".into(), object.get("title").cloned().unwrap_or(json!("")));
    if let Some(description) = object.get("description") {
        columns.insert("description".into(), description.clone());
    }
    columns.insert("status".into(), json!(status.as_str()));
    columns.insert("priority".into(), json!(priority(object.get("priority"))?));
    let mut metadata = Map::new();
    let mut kept =
        Map::from_iter([("tag".to_owned(), json!(tag)), ("id".to_owned(), json!(number))]);
    let mut rest = Map::new();
    for (key, value) in object.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
        let place = if ["details", "testStrategy"].contains(&key.as_str()) {
            &mut metadata
        } else {
            &mut rest
        };
        place.insert(key.clone(), value.clone());
    }
    // A subtask has no priority of its own in most files: whether one was given comes out again.
    kept.insert("hasPriority".into(), json!(object.contains_key("priority")));
    if !rest.is_empty() {
        kept.insert("rest".into(), Value::Object(rest));
    }
    metadata.insert("taskmaster".into(), Value::Object(kept));
    columns.insert("metadata".into(), Value::Object(metadata));
    Ok(columns)
}

fn priority(value: Option<&Value>) -> Result<i64, DomainError> {
    match value.map(Value::as_str) {
        None => Ok(5),
        Some(Some("low")) => Ok(2),
        Some(Some("medium")) => Ok(5),
        Some(Some("high")) => Ok(8),
        Some(Some("critical")) => Ok(10),
        Some(_) => Err(wrong("low, medium, high or critical as \"priority\"")),
    }
}

/// The words of [`priority`].
fn band(priority: i64) -> &'static str {
    match priority {
        ..=2 => "low",
        3..=5 => "medium",
        6..=8 => "high",
        _ => "critical",
    }
}

fn check_references(items: &[Item]) -> Result<(), DomainError> {
    let mut known = HashMap::new();
    for item in items {
        if known.insert((&*item.tag, &*item.number), ()).is_some() {
            let reference = format!("{}:{}", item.tag, item.number);
            return Err(TaskRefusal::DuplicateReference { reference }.into());
        }
    }
    for item in items {
        for other in &item.depends_on {
            if !known.contains_key(&(&*item.tag, &**other)) {
                let reference = format!("{}:{other}", item.tag);
                return Err(TaskRefusal::UnknownReference { reference }.into());
            }
        }
    }
    Ok(())
}

/// A number or a text as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], DomainError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(wrong("arrays as \"dependencies\" and \"subtasks\"")),
    }
}

fn wrong(expected: &'static str) -> DomainError {
    TaskRefusal::WrongShape { argument: ARGUMENT, expected }.into()
}

/// The file that holds `tasks`, of one tag or of all. Tasks that never were in a file get numbers
/// after those that were; what is deeper than a subtask is written as a subtask.
pub(crate) fn write(tasks: &[Stored], tag: Option<&str>) -> Value {
    let file = File::new(tasks);
    let mut tags: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (place, task) in tasks.iter().enumerate() {
        let own = file.tag(place);
        if file.top[place] == place && tag.is_none_or(|tag| tag == own) {
            tags.entry(own).or_default().push(file.task(place, task));
        }
    }
    let content = |tasks: Vec<Value>| json!({ "tasks": tasks });
    tags.into_iter()
        .map(|(tag, tasks)| (tag.to_owned(), content(tasks)))
        .collect::<Map<_, _>>()
        .into()
}

/// Where each task stands in the file.
struct File<'a> {
    tasks: &'a [Stored],
    places: HashMap<&'a str, usize>,
    /// The top of each task's tree.
    top: Vec<usize>,
    numbers: Vec<String>,
}

impl<'a> File<'a> {
    fn new(tasks: &'a [Stored]) -> Self {
        let places: HashMap<&str, usize> =
            tasks.iter().enumerate().map(|(place, task)| (&*task.id, place)).collect();
        let parent =
            |place: &usize| tasks[*place].parent.as_deref().and_then(|id| places.get(id)).copied();
        // As many steps as there are tasks at most: parents may form a circle.
        let top = |place| std::iter::successors(Some(place), parent).take(tasks.len()).last();
        let top = (0..tasks.len()).map(|place| top(place).unwrap_or(place)).collect();
        let mut file = Self { tasks, places, top, numbers: Vec::new() };
        file.numbers = file.number();
        file
    }

    fn kept(&self, place: usize) -> &'a Value {
        &self.tasks[place].metadata["taskmaster"]
    }

    fn tag(&self, place: usize) -> &'a str {
        self.kept(self.top[place])["tag"].as_str().unwrap_or(DEFAULT_TAG)
    }

    /// The number of each task: its own, or the next in its tag or below its top.
    fn number(&self) -> Vec<String> {
        let is_top = |place: usize| self.top[place] == place;
        let mut last: HashMap<String, u64> = HashMap::new();
        let space = |file: &Self, place: usize, numbers: &[String]| {
            if is_top(place) {
                file.tag(place).to_owned()
            } else {
                format!("{}:{}", file.tag(place), numbers[file.top[place]])
            }
        };
        let mut numbers = vec![String::new(); self.tasks.len()];
        for tops in [true, false] {
            let places: Vec<_> =
                (0..self.tasks.len()).filter(|place| is_top(*place) == tops).collect();
            for &place in &places {
                if let Some(own) =
                    self.kept(place)["id"].as_str().filter(|own| own.contains('.') != tops)
                {
                    numbers[place] = own.to_owned();
                    let number =
                        own.rsplit('.').next().and_then(|own| own.parse().ok()).unwrap_or(0);
                    let highest = last.entry(space(self, place, &numbers)).or_default();
                    *highest = number.max(*highest);
                }
            }
            for place in places {
                if numbers[place].is_empty() {
                    let next = last.entry(space(self, place, &numbers)).or_default();
                    *next += 1;
                    numbers[place] = if tops {
                        next.to_string()
                    } else {
                        format!("{}.{next}", numbers[self.top[place]])
                    };
                }
            }
        }
        numbers
    }

    fn task(&self, place: usize, task: &Stored) -> Value {
        let mut object = self.entry(place, task);
        let below =
            (0..self.tasks.len()).filter(|other| *other != place && self.top[*other] == place);
        let subtasks: Vec<_> = below.map(|other| self.entry(other, &self.tasks[other])).collect();
        object.insert("subtasks".into(), subtasks.into());
        object.into()
    }

    fn entry(&self, place: usize, task: &Stored) -> Map<String, Value> {
        let kept = self.kept(place);
        let mut object = kept["rest"].as_object().cloned().unwrap_or_default();
        let own = self.numbers[place].rsplit('.').next().unwrap_or_default();
        object.insert("id".into(), number(own));
        object.insert("title".into(), json!(task.title));
        if let Some(description) = &task.description {
            object.insert("description".into(), json!(description));
        }
        object.insert("status".into(), json!(word(&task.status)));
        if kept["hasPriority"] != json!(false) {
            object.insert("priority".into(), json!(band(task.priority)));
        }
        for key in ["details", "testStrategy"] {
            if let Some(value) = task.metadata.get(key) {
                object.insert(key.into(), value.clone());
            }
        }
        object.insert("dependencies".into(), self.dependencies(place, task).into());
        object
    }

    /// Tops by number, brothers by number, others by the whole number as text.
    fn dependencies(&self, place: usize, task: &Stored) -> Vec<Value> {
        let others = task.depends_on.iter().filter_map(|id| self.places.get(&**id).copied());
        let within = others.filter(|other| self.tag(*other) == self.tag(place));
        within
            .map(|other| {
                let whole = &self.numbers[other];
                let is_top = |place: usize| self.top[place] == place;
                match (is_top(place), is_top(other)) {
                    (true, true) => number(whole),
                    (false, false) if self.top[place] == self.top[other] => {
                        number(whole.rsplit('.').next().unwrap_or_default())
                    }
                    _ => json!(whole),
                }
            })
            .collect()
    }
}

/// A number where the text is one.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// Task Master's word for a status. It has none for a failure, which somebody must look at.
fn word(status: &str) -> &str {
    match status {
        "in_progress" => "in-progress",
        "completed" => "done",
        "failed" => "blocked",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Value {
        json!({
            "master": { "tasks": [
                { "id": 1, "title": "Set up", "description": "d", "status": "done", "priority": "high",
                  "dependencies": [], "details": "long", "testStrategy": "run it", "subtasks": [
                    { "id": 1, "title": "Repository", "status": "done", "dependencies": [] },
                    { "id": 2, "title": "CI", "status": "in-progress", "dependencies": [1, "2"],
                      "details": "x", "parentTaskId": 1 },
                ] },
                { "id": 2, "title": "Build", "status": "pending", "priority": "medium",
                  "dependencies": [1, "1.2"], "complexityScore": 7, "subtasks": [] },
            ] },
            "other": { "tasks": [
                { "id": 1, "title": "Elsewhere", "status": "deferred", "priority": "low",
                  "dependencies": [], "subtasks": [] },
            ] },
        })
    }

    fn stored(items: &[Item]) -> Vec<Stored> {
        let id = |tag: &str, number: &str| format!("{tag}/{number}");
        let store = |item: &Item| Stored {
            id: id(&item.tag, &item.number),
            parent: item.parent.as_ref().map(|parent| id(&item.tag, parent)),
            depends_on: item.depends_on.iter().map(|other| id(&item.tag, other)).collect(),
            title: item.title.clone(),
            description: item.columns.get("description").and_then(Value::as_str).map(str::to_owned),
            status: item.columns["status"].as_str().unwrap().to_owned(),
            priority: item.columns["priority"].as_i64().unwrap(),
            metadata: item.columns["metadata"].clone(),
        };
        items.iter().map(store).collect()
    }

    #[test]
    fn a_file_comes_out_as_it_went_in() {
        let items = parse(&file()).unwrap();
        let numbers: Vec<_> = items.iter().map(|item| &*item.number).collect();
        assert_eq!(numbers, ["1", "1.1", "1.2", "2", "1"]);
        assert_eq!(items[2].depends_on, ["1.1", "2"]);
        assert_eq!(write(&stored(&items), None), file());
        assert_eq!(write(&stored(&items), Some("other")), json!({ "other": file()["other"] }));
    }

    #[test]
    fn a_file_without_tags_is_the_tag_master() {
        let old = json!({ "tasks": file()["master"]["tasks"], "metadata": {} });
        let items = parse(&old).unwrap();
        assert_eq!(write(&stored(&items), None)["master"], file()["master"]);
    }

    #[test]
    fn tasks_that_were_in_no_file_are_numbered_after_those_that_were() {
        let mut tasks = stored(&parse(&file()).unwrap());
        let new = |id: &str, parent: Option<&str>| Stored {
            id: id.into(),
            parent: parent.map(str::to_owned),
            title: id.into(),
            status: "failed".into(),
            ..Stored::default()
        };
        tasks.extend([
            new("n", None),
            new("m", Some("n")),
            new("deep", Some("m")),
            new("s", Some("master/1")),
        ]);
        let written = write(&tasks, Some("master"));
        let tasks = &written["master"]["tasks"];
        assert_eq!((&tasks[2]["id"], &tasks[2]["status"]), (&json!(3), &json!("blocked")));
        let titles: Vec<_> =
            tasks[2]["subtasks"].as_array().unwrap().iter().map(|s| &s["title"]).collect();
        assert_eq!(titles, ["m", "deep"]);
        assert_eq!(tasks[0]["subtasks"][2]["id"], 3);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for (document, sqlstate) in [
            (json!([]), "22023"),
            (json!({ "master": [] }), "22023"),
            (json!({ "tasks": [{ "title": "t" }] }), "22023"),
            (json!({ "tasks": [{ "id": 1 }] }), "23514"),
            (json!({ "tasks": [{ "id": 1, "title": "t", "status": "x" }] }), "22023"),
            (json!({ "tasks": [{ "id": 1, "title": "t", "priority": "x" }] }), "22023"),
            (json!({ "tasks": [{ "id": 1, "title": "t", "dependencies": [2] }] }), "23503"),
            (json!({ "tasks": [{ "id": 1, "title": "t" }, { "id": "1", "title": "t" }] }), "22023"),
        ] {
            assert_eq!(parse(&document).unwrap_err().sqlstate(), sqlstate, "{document}");
        }
    }
}
