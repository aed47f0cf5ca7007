//! `taskmaster.tasks`: new tasks and changes of their status. It must not know which changes are
//! allowed.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, JSONBOID, TEXTOID, UUIDOID, VARCHAROID};

use super::Jsonb;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::argument::Argument;
use crate::domain::status_change::StatusChange;
use crate::domain::task::NewTask;
use crate::domain::task_status::{TASK_STATUSES, TaskStatus, Transition};
use crate::error::DomainError;

/// What a new task refers to besides its own columns.
#[derive(Clone, Copy)]
pub(crate) struct TaskLinks {
    pub(crate) parent: Option<Uuid>,
    pub(crate) requirements: Option<Jsonb>,
    pub(crate) metadata: Option<Jsonb>,
}

thread_local! {
    // The parent is looked up in the same statement, for an error that says what is missing; the
    // foreign key still holds when the parent goes away meanwhile.
    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.tasks
            (title, description, type, priority, assigned_to, parent_task_id, requirements, metadata)
          SELECT $1, $2, $3, $4, $5, $6,
                 coalesce($7, '[]'::pg_catalog.jsonb), coalesce($8, '{}'::pg_catalog.jsonb)
          WHERE $6 IS NULL OR EXISTS (SELECT FROM taskmaster.tasks AS parent WHERE parent.id = $6)
          RETURNING id",
        &[VARCHAROID, TEXTOID, VARCHAROID, INT4OID, VARCHAROID, UUIDOID, JSONBOID, JSONBOID],
        Access::Write,
        &[Table::Tasks],
    ) };

    // NO KEY UPDATE: foreign key checks of log rows take KEY SHARE, which does not collide.
    static LOCK: Plan = const { Plan::new(
        c"SELECT status::pg_catalog.text FROM taskmaster.tasks WHERE id = $1 FOR NO KEY UPDATE",
        &[UUIDOID],
        Access::Write,
        &[Table::Tasks],
    ) };

    // A failed subtask is work still owed: it is retried or cancelled before its parent completes.
    static COUNT_OPEN_SUBTASKS: Plan = const { Plan::new(
        c"SELECT pg_catalog.count(*) FROM taskmaster.tasks
          WHERE parent_task_id = $1 AND id <> $1
            AND (status IS NULL OR status NOT IN ('completed', 'cancelled'))",
        &[UUIDOID],
        Access::Write,
        &[Table::Tasks],
    ) };

    // The history keeps its newest 50 entries. Metadata that is not an object, or a history that
    // is not a list, was written by someone else: the first stays as it is, the second starts anew.
    static SET_STATUS: Plan = const { Plan::new(
        c"UPDATE taskmaster.tasks SET
            status = $3,
            updated_at = pg_catalog.now(),
            completed_at = CASE WHEN $3 = 'completed' THEN pg_catalog.now() END,
            metadata = CASE
              WHEN pg_catalog.jsonb_typeof(coalesce(metadata, '{}')) = 'object' THEN
                coalesce(metadata, '{}') || pg_catalog.jsonb_build_object('status_history', (
                  SELECT CASE WHEN pg_catalog.jsonb_array_length(list) >= 50
                              THEN list - 0 ELSE list END
                         || pg_catalog.jsonb_build_object(
                              'from', $2, 'to', $3, 'user', $4, 'notes', $5,
                              'at', pg_catalog.now())
                  FROM (SELECT CASE
                    WHEN pg_catalog.jsonb_typeof(metadata -> 'status_history') = 'array'
                    THEN metadata -> 'status_history' ELSE '[]' END AS list) AS history))
              ELSE metadata END
          WHERE id = $1",
        &[UUIDOID, VARCHAROID, VARCHAROID, VARCHAROID, TEXTOID],
        Access::Write,
        &[Table::Tasks],
    ) };
}

/// Inserts the task and returns its id.
///
/// # Errors
/// 23503 when the parent does not exist, 22023 when the metadata is not an object.
pub(crate) fn insert(task: &NewTask<'_>, links: TaskLinks) -> Result<Uuid, DomainError> {
    let metadata = Jsonb::object(links.metadata, Argument("p_metadata"))?;
    let values = [
        bind(task.title),
        bind(task.description),
        bind(task.task_type),
        bind(task.priority),
        bind(task.assigned_to),
        bind(links.parent),
        bind(links.requirements),
        bind(metadata),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    id.ok_or_else(|| DomainError::ParentMissing { id: text(links.parent) })
}

/// Carries out the change under the task's row lock; a task that is there already stays untouched.
///
/// # Errors
/// P0002 no such task; 55000 the change is not allowed from where the task stands, or subtasks
/// are open.
pub(crate) fn change_status(id: Uuid, change: &StatusChange<'_>) -> Result<(), DomainError> {
    let from = lock(id)?;
    let Some(transition) = from.transition(change.target) else {
        return Err(illegal(id, from, change.target));
    };
    let Transition::To(to) = transition else { return Ok(()) };
    if to == TaskStatus::Completed {
        require_subtasks_ended(id)?;
    }
    write_status(id, (from, to), change);
    Ok(())
}

fn lock(id: Uuid) -> Result<TaskStatus, DomainError> {
    let word = LOCK.with(|plan| plan.row(&[bind(id)], |row| row.get::<String>(1)));
    let word = word.ok_or_else(|| DomainError::TaskMissing { id: id.to_string() })?;
    let status = word.as_deref().and_then(TaskStatus::from_word);
    status.ok_or_else(|| DomainError::UnknownStoredStatus {
        noun: "task",
        id: id.to_string(),
        status: word.unwrap_or_default(),
        allowed: TASK_STATUSES,
    })
}

fn require_subtasks_ended(id: Uuid) -> Result<(), DomainError> {
    let open = COUNT_OPEN_SUBTASKS.with(|plan| plan.row(&[bind(id)], |row| row.get_known(1)));
    match open {
        None | Some(0) => Ok(()),
        Some(open) => Err(DomainError::OpenSubtasks { id: id.to_string(), open }),
    }
}

fn write_status(id: Uuid, (from, to): (TaskStatus, TaskStatus), change: &StatusChange<'_>) {
    let values = [
        bind(id),
        bind(from.as_str()),
        bind(to.as_str()),
        bind(change.user_id),
        bind(change.notes),
    ];
    SET_STATUS.with(|plan| plan.run(&values));
}

fn illegal(id: Uuid, from: TaskStatus, to: TaskStatus) -> DomainError {
    DomainError::IllegalTransition {
        id: id.to_string(),
        from: from.as_str(),
        to: to.as_str(),
        allowed: from.successors(),
    }
}

fn text(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
