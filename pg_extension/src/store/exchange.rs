//! Tasks in and out by the files of Task Master. It must not know their format.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::TEXTOID;
use serde_json::Value;

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{random, task_lists};
use crate::domain::taskmaster_import::{Fate, Import, Present};
use crate::domain::taskmaster_json::{self, Stored};
use crate::error::DomainError;

/// A task of a file, and what became of it.
pub(crate) struct Imported {
    pub(crate) tag: String,
    pub(crate) number: String,
    pub(crate) title: String,
    pub(crate) action: &'static str,
    /// None for one that a trial run would make.
    pub(crate) task: Option<Uuid>,
}

/// Whether an import is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Trial,
    Real,
}

thread_local! {
    // Two imports at once wait for each other, so that neither makes what the other has made.
    static SERIALIZE: Plan = const { Plan::new(
        c"SELECT pg_catalog.pg_advisory_xact_lock(
            pg_catalog.hashtextextended('taskmaster.import_taskmaster_json', 0))",
        &[],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static PRESENT: Plan = const { Plan::new(
        c"SELECT metadata #>> '{taskmaster,tag}', metadata #>> '{taskmaster,id}', id::pg_catalog.text
          FROM taskmaster.tasks WHERE metadata #>> '{taskmaster,tag}' IS NOT NULL
            AND metadata #>> '{taskmaster,id}' IS NOT NULL",
        &[],
        Access::Write,
        &[Table::Tasks],
    ) };

    static PARSE_ID: Plan = const { Plan::new(
        c"SELECT $1::pg_catalog.uuid",
        &[TEXTOID],
        Access::Write,
        &[],
    ) };

    static ALL: Plan = const { Plan::new(
        c"SELECT t.id::pg_catalog.text, t.parent_task_id::pg_catalog.text,
                 ARRAY(SELECT d.depends_on::pg_catalog.text FROM taskmaster.task_dependencies AS d
                       JOIN taskmaster.tasks AS other ON other.id = d.depends_on
                       WHERE d.task_id = t.id AND d.dependency_type = 'blocks'
                       ORDER BY other.display_id),
                 t.title::pg_catalog.text, t.description, t.status::pg_catalog.text,
                 coalesce(t.priority, 0)::pg_catalog.int8,
                 coalesce(t.metadata, '{}')::pg_catalog.text
          FROM taskmaster.tasks AS t ORDER BY t.display_id",
        &[],
        Access::Read,
        &[Table::Tasks, Table::TaskDependencies],
    ) };
}

/// Makes the tasks of the file that are not there yet, or says which it would.
///
/// # Errors
/// Those of [`taskmaster_json::parse`] and [`Import::rows`].
pub(crate) fn import(document: &Value, run: Run) -> Result<Vec<Imported>, DomainError> {
    let items = taskmaster_json::parse(document)?;
    if run == Run::Real {
        SERIALIZE.with(|plan| plan.run(&[]));
    }
    let present = PRESENT.with(|plan| {
        plan.rows(&[], |row| ((row.get_known(1), row.get_known(2)), row.get_known(3)))
    });
    let present: Present = present.into_iter().collect();
    let import = Import::new(items, &present, || random::uuid().to_string());
    let rows = import.rows()?;
    if run == Run::Real {
        task_lists::insert_rows(&rows, "imported")?;
    }
    let imported = import.outcomes().map(|(item, id, fate)| Imported {
        tag: item.tag.clone(),
        number: item.number.clone(),
        title: item.title.clone(),
        action: fate.as_str(),
        task: (run == Run::Real || fate == Fate::Skip).then(|| parse_id(id)),
    });
    Ok(imported.collect())
}

fn parse_id(text: &str) -> Uuid {
    let id = PARSE_ID.with(|plan| plan.row(&[bind(text)], |row| row.get_known(1)));
    id.expect("a SELECT without FROM yields one row")
}

/// The file of every task, or of those of one tag.
pub(crate) fn export(tag: Option<&str>) -> Value {
    let tasks = ALL.with(|plan| {
        plan.rows(&[], |row| Stored {
            id: row.get_known(1),
            parent: row.get(2),
            depends_on: row.get_known(3),
            title: row.get_known(4),
            description: row.get(5),
            status: row.get::<String>(6).unwrap_or_else(|| "pending".to_owned()),
            priority: row.get_known(7),
            // Metadata that a JSON library cannot hold has nothing of Task Master in it.
            metadata: serde_json::from_str(&row.get_known::<String>(8)).unwrap_or_default(),
        })
    });
    taskmaster_json::write(&tasks, tag)
}
