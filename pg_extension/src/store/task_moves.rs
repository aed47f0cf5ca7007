//! Changes of a task's status. A change locks the task and those that wait for it, in the order of
//! their ids, before it writes: an end also moves the counters of the others. It must not know
//! which changes are allowed.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{
    INT4OID, INT8OID, JSONBOID, NUMERICOID, TEXTOID, UUIDOID, VARCHAROID,
};
use serde_json::{Value, json};

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use super::{Jsonb, Number, events};
use crate::domain::standing::{Claim, Lease, Rule, Standing, Transition};
use crate::domain::status_change::StatusChange;
use crate::domain::task_status::{TASK_STATUSES, TaskStatus};
use crate::error::DomainError;

/// What a change writes.
pub(super) struct Move {
    pub(super) to: TaskStatus,
    /// What the event is called.
    pub(super) kind: &'static str,
    pub(super) payload: Value,
    /// How long a pending task waits.
    pub(super) delay_us: Option<i64>,
    /// The number of attempts, when it changes.
    pub(super) attempt: Option<i32>,
    pub(super) actual_hours: Option<Number>,
}

thread_local! {
    // NO KEY UPDATE: foreign key checks of log rows take KEY SHARE, which does not collide.
    static LOCK: Plan = const { Plan::new(
        c"WITH locked AS (
            SELECT t.id, t.status, t.open_deps, t.open_gates, t.attempt, t.max_attempts,
                   t.claimed_by, t.claim_expires_at, t.claim_token
            FROM taskmaster.tasks AS t
            WHERE t.id = ANY (ARRAY(
              SELECT $1 UNION ALL
              SELECT d.task_id FROM taskmaster.task_dependencies AS d WHERE d.depends_on = $1))
            ORDER BY t.id FOR NO KEY UPDATE)
          SELECT t.status::pg_catalog.text, t.open_deps, t.open_gates, t.attempt, t.max_attempts,
                 t.claimed_by, coalesce(t.claim_expires_at > pg_catalog.clock_timestamp(), false),
                 t.claim_token, rule.to_status IS NOT NULL, rule.guard::pg_catalog.text
          FROM locked AS t LEFT JOIN taskmaster.task_status_transitions AS rule
            ON rule.from_status = t.status AND rule.to_status = $2
          WHERE t.id = $1",
        &[UUIDOID, VARCHAROID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static SUCCESSORS: Plan = const { Plan::new(
        c"SELECT to_status::pg_catalog.text FROM taskmaster.task_status_transitions
          WHERE from_status = $1",
        &[VARCHAROID],
        Access::Write,
        &[],
    ) };

    // A failed subtask is work still owed: it is retried or cancelled before its parent completes.
    static COUNT_OPEN_SUBTASKS: Plan = const { Plan::new(
        c"SELECT pg_catalog.count(*) FROM taskmaster.tasks
          WHERE parent_task_id = $1 AND id <> $1
            AND (status IS NULL OR status NOT IN ('completed', 'cancelled'))",
        &[UUIDOID],
        Access::Write,
        &[],
    ) };

    static MOVE: Plan = const { Plan::new(
        c"WITH moved AS (
            UPDATE taskmaster.tasks SET
              status = $3,
              completed_at = CASE WHEN $3 = 'completed' THEN pg_catalog.now() END,
              claimed_by = NULL, claim_expires_at = NULL,
              run_after = CASE WHEN $3 = 'pending'
                THEN pg_catalog.clock_timestamp() + $6 * interval '1 microsecond' END,
              attempt = coalesce($7, attempt),
              actual_hours = coalesce($8, actual_hours)
            WHERE id = $1 RETURNING id, run_after),
          logged AS (
            INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status, payload)
            SELECT id, $4, $2, $3, $5::pg_catalog.jsonb FROM moved)
          SELECT run_after FROM moved",
        &[UUIDOID, VARCHAROID, VARCHAROID, VARCHAROID, TEXTOID, INT8OID, INT4OID, NUMERICOID],
        Access::Write,
        &[],
    ) };

    static ADD_CONTEXT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_contexts (task_id, context_type, attempt, context_data)
          VALUES ($1, $2, $3, $4)",
        &[UUIDOID, VARCHAROID, INT4OID, JSONBOID],
        Access::Write,
        &[],
    ) };
}

impl Move {
    /// A change that leaves everything else as it is.
    pub(super) fn new(to: TaskStatus, kind: &'static str, payload: Value) -> Self {
        Self { to, kind, payload, delay_us: None, attempt: None, actual_hours: None }
    }
}

/// Carries out the change under the task's row lock; a task that is there already stays untouched.
///
/// # Errors
/// P0002 no such task; 55000 the change is not allowed from where the task stands, or what it
/// waits for or its subtasks are open; 55006 the lease is somebody else's.
pub(crate) fn change_status(id: Uuid, change: &StatusChange<'_>) -> Result<(), DomainError> {
    let to = change.target;
    let standing = lock(id, to)?;
    if !is_to_move(id, &standing, to, change.claim)? {
        return Ok(());
    }
    let mut payload = json!({});
    for (key, value) in [("user", change.user_id), ("notes", change.notes)] {
        if let Some(value) = value {
            payload[key] = value.into();
        }
    }
    if change.claim == Claim::Force {
        payload["forced"] = true.into();
    }
    write(id, standing.status, &Move::new(to, "status_changed", payload));
    Ok(())
}

/// Locks the task and those that wait for it, and reads how it stands for a move to `to`.
///
/// # Errors
/// P0002 no such task, 55000 a stored status that is none.
pub(super) fn lock(id: Uuid, to: TaskStatus) -> Result<Standing, DomainError> {
    let values = [bind(id), bind(to.as_str())];
    let standing = LOCK.with(|plan| plan.row(&values, |row| read_standing(id, row)));
    standing.ok_or_else(|| DomainError::TaskMissing { id: id.to_string() })?
}

fn read_standing(id: Uuid, row: &Row) -> Result<Standing, DomainError> {
    let word = row.get::<String>(1);
    let status = word.as_deref().and_then(TaskStatus::from_word);
    let status = status.ok_or_else(|| DomainError::UnknownStoredStatus {
        noun: "task",
        id: id.to_string(),
        status: word.unwrap_or_default(),
        allowed: TASK_STATUSES,
    })?;
    let is_live = row.get_known(7);
    Ok(Standing {
        id: id.to_string(),
        status,
        open_deps: row.get_known(2),
        open_gates: row.get_known(3),
        attempt: row.get_known(4),
        max_attempts: row.get_known(5),
        lease: row.get(6).map(|holder| Lease { holder, is_live }),
        last_token: row.get(8),
        rule: Rule::of_row(row.get_known(9), row.get::<String>(10).as_deref()),
    })
}

/// Whether there is something to write; the refusal when it must not be written.
///
/// # Errors
/// 55000 and 55006 as [`change_status`].
pub(super) fn is_to_move(
    id: Uuid,
    standing: &Standing,
    to: TaskStatus,
    claim: Claim,
) -> Result<bool, DomainError> {
    match standing.permit(to, claim)? {
        None => Err(illegal(standing, to)),
        Some(Transition::None) => Ok(false),
        Some(Transition::Now) => Ok(true),
        Some(Transition::AfterSubtasks) => require_subtasks_ended(id).map(|()| true),
    }
}

fn require_subtasks_ended(id: Uuid) -> Result<(), DomainError> {
    let open = COUNT_OPEN_SUBTASKS.with(|plan| plan.row(&[bind(id)], |row| row.get_known(1)));
    match open {
        None | Some(0) => Ok(()),
        Some(open) => Err(DomainError::OpenSubtasks { id: id.to_string(), open }),
    }
}

/// The refusal of a move that the table of transitions does not have.
pub(super) fn illegal(standing: &Standing, to: TaskStatus) -> DomainError {
    let from = standing.status;
    let words = SUCCESSORS.with(|plan| {
        plan.rows(&[bind(from.as_str())], |row| TaskStatus::from_word(&row.get_known::<String>(1)))
    });
    let mut allowed: Vec<_> = words.into_iter().flatten().collect();
    allowed.sort_unstable();
    DomainError::IllegalTransition {
        id: standing.id.clone(),
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.into_iter().map(TaskStatus::as_str).collect(),
    }
}

/// Writes the change of a locked task and its event; gives until when a pending task waits. The
/// lease is over.
pub(super) fn write(id: Uuid, from: TaskStatus, change: &Move) -> Option<TimestampWithTimeZone> {
    events::announce();
    let values = [
        bind(id),
        bind(from.as_str()),
        bind(change.to.as_str()),
        bind(change.kind),
        bind(change.payload.to_string()),
        bind(change.delay_us),
        bind(change.attempt),
        bind(change.actual_hours),
    ];
    MOVE.with(|plan| plan.row(&values, |row| row.get(1))).flatten()
}

/// Keeps a document with the task's attempt, such as its result.
pub(super) fn add_context(id: Uuid, kind: &str, attempt: i32, document: Option<Jsonb>) {
    if document.is_some() {
        let values = [bind(id), bind(kind), bind(attempt), bind(document)];
        ADD_CONTEXT.with(|plan| plan.run(&values));
    }
}
