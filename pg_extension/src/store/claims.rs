//! Leases of tasks to workers: the next task that is ready and that nobody else is taking at this
//! moment. It must not know what the work is.
//!
//! A worker may ask for tasks whose files nobody else is at work on. That no two take such tasks at
//! the same time is arranged by advisory locks on the files' names, tried before the tasks at work
//! are looked at once more: whoever holds them has either not committed, and then the other passes
//! on, or has, and then its task is seen.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::{
    self,
    BuiltinOid::{BOOLOID, INT8OID, JSONBOID, TEXTARRAYOID, TEXTOID, UUIDARRAYOID, UUIDOID},
};

use super::plan::{Access, Plan, Row, bind, sql};
use super::schema::Table;
use super::{JsonText, Jsonb, events};
use crate::domain::claim::ClaimRequest;
use crate::error::{DomainError, TaskRefusal};

/// Which tasks a worker takes.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) types: Option<Vec<Option<String>>>,
    pub(crate) tags: Option<Jsonb>,
    pub(crate) task: Option<Uuid>,
    pub(crate) overlap: Overlap,
}

/// Whether tasks may be handed out whose files are being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Allowed,
    Refused,
}

/// A task that was handed out.
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) token: i64,
    pub(crate) attempt: i32,
    pub(crate) expires_at: TimestampWithTimeZone,
    pub(crate) title: String,
    pub(crate) payload: JsonText,
}

/// What one look at the queue yields.
enum Found {
    Claimed(Claimed),
    /// A task with files, which are to be seen to first.
    WithFiles(Uuid),
}

/// How many tasks whose files are being taken one call passes over.
const PASSED_OVER_MAX: usize = 64;

/// The task that is next, locked. Conditions on other rows are written so that each is a probe of an
/// index for one task, and none is turned into a join over all of them. Every condition that is not
/// the index's own is coalesced: the planner then believes that half of the tasks fulfil it, where a
/// comparison with NULL would make it believe that hardly any does, and a claim would be planned,
/// and compiled, as if it read the whole queue.
macro_rules! candidate {
    ($which:literal) => {
        concat!(
            "WITH candidate AS (
               SELECT t.id, $4 AND t.affected_files <> '[]' AS has_files
               FROM taskmaster.tasks AS t
               WHERE t.status = 'pending' AND t.open_deps = 0 AND t.open_gates = 0
                 AND t.run_after IS NULL AND ", $which, "
                 AND coalesce(t.assigned_to = $1, true)
                 AND coalesce(t.type::pg_catalog.text = ANY ($5), true)
                 AND coalesce(coalesce(t.tags, '[]') @> $6, true)
                 AND coalesce((
                      SELECT false FROM taskmaster.task_dependencies AS d
                      WHERE d.task_id = t.id AND d.dependency_type = 'blocks' AND NOT d.satisfied
                      LIMIT 1), true)
                 AND coalesce((
                      SELECT false FROM taskmaster.tasks AS child
                      WHERE child.parent_task_id = t.id
                        AND child.status NOT IN ('completed', 'cancelled') LIMIT 1), true)
                 AND coalesce(NOT ($4 AND t.affected_files <> '[]' AND ",
            busy!(),
            "), true)
               ORDER BY t.priority DESC, t.created_at, t.id LIMIT 1
               FOR NO KEY UPDATE OF t SKIP LOCKED), ",
            claimed!("t.id = ANY (ARRAY(SELECT id FROM candidate WHERE NOT has_files))"),
            " UNION ALL
             SELECT id, NULL, NULL, NULL, NULL, NULL FROM candidate WHERE has_files"
        )
    };
}

/// A task at work on one of the files of `t`.
macro_rules! busy {
    () => {
        "(SELECT true FROM taskmaster.tasks AS busy
          WHERE busy.status = 'in_progress' AND busy.affected_files <> '[]'
            AND busy.affected_files ?| ARRAY(
              SELECT pg_catalog.jsonb_array_elements_text(t.affected_files)) LIMIT 1)"
    };
}

/// Gives the lease of the tasks that fit, with its event and what the worker needs.
macro_rules! claimed {
    ($which:expr) => {
        concat!(
            "claimed AS (
               UPDATE taskmaster.tasks AS t SET
                 status = 'in_progress', claimed_by = $1, attempt = t.attempt + 1,
                 claim_token = pg_catalog.nextval('taskmaster.claim_token_seq'),
                 heartbeat_at = pg_catalog.clock_timestamp(),
                 claim_expires_at = pg_catalog.clock_timestamp() + $2 * interval '1 microsecond'
               WHERE ", $which, "
               RETURNING t.*),
             logged AS (
               INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status, payload)
               SELECT id, 'claimed', 'pending', 'in_progress', pg_catalog.jsonb_build_object(
                 'worker', $1, 'attempt', attempt, 'claim_token', claim_token) FROM claimed)
             SELECT id, claim_token, attempt, claim_expires_at, title::pg_catalog.text,
                    pg_catalog.jsonb_build_object(
                      'display_id', display_id, 'description', description, 'type', type,
                      'priority', priority, 'requirements', requirements, 'metadata', metadata,
                      'affected_files', affected_files, 'tags', tags,
                      'acceptance_criteria', acceptance_criteria,
                      'parent_task_id', parent_task_id, 'repository_url', repository_url,
                      'branch_name', branch_name, 'max_attempts', max_attempts
                    )::pg_catalog.text
             FROM claimed"
        )
    };
}

thread_local! {
    // Tasks whose time has come join those that are ready. Only so many at a time: the next call
    // goes on.
    static PROMOTE: Plan = const { Plan::new(
        c"UPDATE taskmaster.tasks SET run_after = NULL
          WHERE id = ANY (ARRAY(
            SELECT id FROM taskmaster.tasks
            WHERE status = 'pending' AND run_after IS NOT NULL
              AND run_after <= (SELECT pg_catalog.clock_timestamp())
            ORDER BY run_after LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED))",
        &[],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static CLAIM_NEXT: Plan = const { Plan::new(
        sql!(candidate!("t.id <> ALL ($3)")),
        &[TEXTOID, INT8OID, UUIDARRAYOID, BOOLOID, TEXTARRAYOID, JSONBOID],
        Access::Write,
        &[],
    ).planned_once() };

    static CLAIM_ONE: Plan = const { Plan::new(
        sql!(candidate!("t.id = $3")),
        &[TEXTOID, INT8OID, UUIDOID, BOOLOID, TEXTARRAYOID, JSONBOID],
        Access::Write,
        &[],
    ).planned_once() };

    // Names share 1,024 locks, so that a task with many files does not fill the server's table of
    // them; two names that share one only pass each other over for a moment.
    static TRY_FILES: Plan = const { Plan::new(
        c"SELECT coalesce(pg_catalog.bool_and(
                   pg_catalog.pg_try_advisory_xact_lock(29806, stripe)), true)
          FROM (SELECT DISTINCT pg_catalog.hashtext(file) & 1023 AS stripe
                FROM taskmaster.tasks,
                     pg_catalog.jsonb_array_elements_text(affected_files) AS file
                WHERE id = $1 ORDER BY 1) AS stripes",
        &[UUIDOID],
        Access::Write,
        &[],
    ).planned_once() };

    static CLAIM_WITH_FILES: Plan = const { Plan::new(
        sql!("WITH ", claimed!(concat!("t.id = $3 AND ", busy!(), " IS NULL"))),
        &[TEXTOID, INT8OID, UUIDOID],
        Access::Write,
        &[],
    ).planned_once() };

    static EXISTS: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.tasks WHERE id = $1",
        &[UUIDOID],
        Access::Write,
        &[],
    ) };
}

/// Leases the next tasks to a worker, the most urgent first; fewer than asked for when there are no
/// more. A task that is wanted by its id and cannot be had yields nothing.
///
/// # Errors
/// P0002 no such task; 25001 in a transaction with an old snapshot, when files are to be kept
/// apart.
pub(crate) fn claim(
    request: &ClaimRequest<'_>,
    wanted: &Wanted,
) -> Result<Vec<Claimed>, DomainError> {
    PROMOTE.with(|plan| plan.run(&[]));
    events::announce();
    let (mut claimed, mut passed_over) = (Vec::new(), Vec::new());
    while claimed.len() < request.limit && passed_over.len() < PASSED_OVER_MAX {
        match next(request, wanted, &passed_over) {
            None => break,
            Some(Found::Claimed(task)) => claimed.push(task),
            Some(Found::WithFiles(id)) => match claim_with_files(request, id)? {
                Some(task) => claimed.push(task),
                None => passed_over.push(id),
            },
        }
        if wanted.task.is_some() {
            break;
        }
    }
    match wanted.task {
        Some(id) if claimed.is_empty() => require_task(id)?,
        _ => {}
    }
    Ok(claimed)
}

fn next(request: &ClaimRequest<'_>, wanted: &Wanted, passed_over: &[Uuid]) -> Option<Found> {
    let which = match wanted.task {
        Some(id) => bind(id),
        None => bind(passed_over.to_vec()),
    };
    let values = [
        bind(request.worker),
        bind(request.lease_us),
        which,
        bind(wanted.overlap == Overlap::Refused),
        bind(wanted.types.clone()),
        bind(wanted.tags),
    ];
    let plan = if wanted.task.is_some() { &CLAIM_ONE } else { &CLAIM_NEXT };
    plan.with(|plan| plan.row(&values, read_found))
}

fn claim_with_files(request: &ClaimRequest<'_>, id: Uuid) -> Result<Option<Claimed>, DomainError> {
    // SAFETY: a plain look-up of the transaction's state.
    if unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 } {
        return Err(TaskRefusal::OldSnapshot { function: "claim_task" }.into());
    }
    let are_free = TRY_FILES.with(|plan| plan.row(&[bind(id)], |row| row.get_known(1)));
    if are_free != Some(true) {
        return Ok(None);
    }
    let values = [bind(request.worker), bind(request.lease_us), bind(id)];
    let claimed = CLAIM_WITH_FILES.with(|plan| plan.row(&values, read_claimed));
    Ok(claimed)
}

fn require_task(id: Uuid) -> Result<(), DomainError> {
    let exists = EXISTS.with(|plan| plan.row(&[bind(id)], |row| row.get_known::<bool>(1)));
    exists.map(|_| ()).ok_or_else(|| DomainError::TaskMissing { id: id.to_string() })
}

fn read_found(row: &Row) -> Found {
    match row.get::<i64>(2) {
        Some(_) => Found::Claimed(read_claimed(row)),
        None => Found::WithFiles(row.get_known(1)),
    }
}

fn read_claimed(row: &Row) -> Claimed {
    Claimed {
        id: row.get_known(1),
        token: row.get_known(2),
        attempt: row.get_known(3),
        expires_at: row.get_known(4),
        title: row.get_known(5),
        payload: JsonText(row.get_known(6)),
    }
}
