//! `taskmaster.tasks`: new tasks, one at a time. It must not know how tasks change.
//!
//! One without a parent is inserted without a plan where [`DirectInsert`] allows it, and so is its event.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{
    INT4OID, JSONBOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID, UUIDOID, VARCHAROID,
};

use super::direct_insert::{Cell, Column, DirectInsert};
use super::idempotency::{self, Request};
use super::plan::{Access, Bound, Plan, bind};
use super::schema::Table;
use super::{Jsonb, Number, dependencies, events, random};
use crate::domain::argument::Argument;
use crate::domain::task::NewTask;
use crate::error::DomainError;

/// What a new task has that is passed on as it came, and what it refers to.
pub(crate) struct TaskLinks {
    pub(crate) parent: Option<Uuid>,
    pub(crate) requirements: Option<Jsonb>,
    pub(crate) metadata: Option<Jsonb>,
    pub(crate) affected_files: Option<Jsonb>,
    pub(crate) acceptance_criteria: Option<Jsonb>,
    pub(crate) tags: Option<Jsonb>,
    pub(crate) estimated_hours: Option<Number>,
    pub(crate) run_after: Option<TimestampWithTimeZone>,
    pub(crate) depends_on: Option<Vec<Option<Uuid>>>,
}

/// The types of the values of a new task, in the order of [`values`].
const TYPES: &[pgrx::pg_sys::BuiltinOid] = &[
    VARCHAROID,
    TEXTOID,
    VARCHAROID,
    INT4OID,
    VARCHAROID,
    UUIDOID,
    JSONBOID,
    JSONBOID,
    INT4OID,
    JSONBOID,
    JSONBOID,
    JSONBOID,
    NUMERICOID,
    VARCHAROID,
    VARCHAROID,
    TIMESTAMPTZOID,
    INT4OID,
    VARCHAROID,
    INT4OID,
    UUIDOID,
];

/// Where the id stands among the values.
const ID: usize = 19;

thread_local! {
    static DIRECT: DirectInsert = const { DirectInsert::new(
        Table::Tasks,
        &[
            Column::varchar(c"title", 255),
            Column::new(c"description", TEXTOID),
            Column::varchar(c"type", 50),
            Column::new(c"priority", INT4OID),
            Column::varchar(c"assigned_to", 255),
            Column::new(c"parent_task_id", UUIDOID),
            Column::new(c"requirements", JSONBOID),
            Column::new(c"metadata", JSONBOID),
            Column::new(c"complexity_score", INT4OID),
            Column::new(c"affected_files", JSONBOID),
            Column::new(c"acceptance_criteria", JSONBOID),
            Column::new(c"tags", JSONBOID),
            Column::numeric(c"estimated_hours", Number::HOURS_MODIFIER),
            Column::varchar(c"repository_url", 500),
            Column::varchar(c"branch_name", 255),
            Column::new(c"run_after", TIMESTAMPTZOID),
            Column::new(c"max_attempts", INT4OID),
            Column::varchar(c"linear_issue_id", 255),
            Column::new(c"github_issue_number", INT4OID),
            Column::new(c"id", UUIDOID),
        ],
        c"id",
    ) };

    // The parent is looked up in the same statement, for an error that says what is missing; the
    // foreign key still holds when the parent goes away meanwhile.
    static INSERT: Plan = const { Plan::new(
        c"WITH made AS (
            INSERT INTO taskmaster.tasks
              (title, description, type, priority, assigned_to, parent_task_id, requirements,
               metadata, complexity_score, affected_files, acceptance_criteria, tags,
               estimated_hours, repository_url, branch_name, run_after, max_attempts,
               linear_issue_id, github_issue_number, id)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                   $19, coalesce($20, pg_catalog.gen_random_uuid())
            WHERE $6 IS NULL OR EXISTS (SELECT FROM taskmaster.tasks AS parent WHERE parent.id = $6)
            RETURNING id),
          logged AS (
            INSERT INTO taskmaster.task_events (task_id, kind, to_status)
            SELECT id, 'created', 'pending' FROM made)
          SELECT id FROM made",
        TYPES,
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    // Times as numbers, because their text depends on the session's time zone. The id is no part of
    // the request, and what the task waits for is appended by the caller.
    static HASH: Plan = const { Plan::new(
        c"SELECT pg_catalog.sha256(pg_catalog.convert_to(ROW($1, $2, $3, $4, $5, $6, $7, $8, $9,
            $10, $11, $12, $13, $14, $15, pg_catalog.date_part('epoch', $16), $17, $18, $19,
            $20::pg_catalog.uuid IS NULL)::pg_catalog.text
            || $21, 'UTF8'))",
        &[
            VARCHAROID, TEXTOID, VARCHAROID, INT4OID, VARCHAROID, UUIDOID, JSONBOID, JSONBOID,
            INT4OID, JSONBOID, JSONBOID, JSONBOID, NUMERICOID, VARCHAROID, VARCHAROID,
            TIMESTAMPTZOID, INT4OID, VARCHAROID, INT4OID, UUIDOID, TEXTOID,
        ],
        Access::Write,
        &[Table::Tasks],
    ) };
}

/// Inserts the task and returns its id; a request repeated by its key gets the id it made before.
///
/// # Errors
/// 23503 when the parent or a task to wait for does not exist, 22023 when a document has not the
/// form of its column, 22004 a null among the tasks to wait for, 23505 and 40001 as
/// [`idempotency::take`].
pub(crate) fn insert(task: &NewTask<'_>, links: TaskLinks) -> Result<Uuid, DomainError> {
    let (mut values, parent) = (values(task, &links)?, links.parent);
    let prerequisites = dependencies::require_ids("p_depends_on", links.depends_on)?;
    if let Some(key) = task.idempotency_key {
        let id = random::uuid();
        if let Request::Repeated(id) = idempotency::take(key, &hash(&values, &prerequisites), id)? {
            return Ok(id);
        }
        values[ID] = bind(id);
    }
    events::announce();
    let id = insert_directly(&values, parent)
        .or_else(|| INSERT.with(|plan| plan.row(&values, |row| row.get_known(1))));
    let id = id.ok_or_else(|| DomainError::ParentMissing {
        id: parent.map(|id| id.to_string()).unwrap_or_default(),
    })?;
    if !prerequisites.is_empty() {
        dependencies::insert_of_new(id, prerequisites)?;
    }
    Ok(id)
}

/// None when it takes a plan: also to look for the parent, as who calls sees it.
fn insert_directly(values: &[Bound], parent: Option<Uuid>) -> Option<Uuid> {
    if parent.is_some() {
        return None;
    }
    let mut cells: Vec<_> = values.iter().map(|value| Cell::Value(*value)).collect();
    if values[ID].is_none() {
        cells[ID] = Cell::Default;
    }
    let id = DIRECT.with(|insert| insert.one(&cells))?;
    events::insert_created(id);
    Some(id)
}

fn values(task: &NewTask<'_>, links: &TaskLinks) -> Result<Vec<Bound>, DomainError> {
    let metadata = Jsonb::object(links.metadata, Argument("p_metadata"))?;
    Ok(vec![
        bind(task.title),
        bind(task.description),
        bind(task.task_type),
        bind(task.priority),
        bind(task.assigned_to),
        bind(links.parent),
        bind(or_empty(links.requirements)),
        bind(metadata.unwrap_or_else(Jsonb::empty_object)),
        bind(task.complexity_score),
        bind(or_empty(Jsonb::texts(links.affected_files, "p_affected_files")?)),
        bind(or_empty(Jsonb::array(links.acceptance_criteria, "p_acceptance_criteria")?)),
        bind(or_empty(Jsonb::texts(links.tags, "p_tags")?)),
        bind(Number::hours(links.estimated_hours, "p_estimated_hours")?),
        bind(task.repository_url),
        bind(task.branch_name),
        bind(links.run_after),
        bind(task.max_attempts),
        bind(task.linear_issue_id),
        bind(task.github_issue_number),
        None,
    ])
}

fn or_empty(array: Option<Jsonb>) -> Jsonb {
    array.unwrap_or_else(Jsonb::empty_array)
}

fn hash(values: &[Bound], prerequisites: &[Uuid]) -> Vec<u8> {
    let prerequisites: Vec<_> = prerequisites.iter().map(ToString::to_string).collect();
    let mut values = values.to_vec();
    values.push(bind(prerequisites.join(",")));
    let hash = HASH.with(|plan| plan.row(&values, |row| row.get_known(1)));
    hash.expect("a SELECT without FROM yields one row")
}
