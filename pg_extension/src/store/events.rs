//! `taskmaster.task_events` as a stream: readers go on from the number of the last event they have
//! seen, and must not miss one.
//!
//! Numbers are drawn before their transactions commit, so an event may become visible after one with
//! a higher number. Before it draws its first number a transaction therefore announces, by a shared
//! advisory lock that ends with it, the last number drawn so far: whatever it draws is higher. A
//! reader asks for these locks first, then takes a new snapshot, and stops at the lowest number
//! announced. It must not know what any event means.

use std::cell::Cell;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{INT4OID, INT8OID, UUIDOID, VARCHAROID};
use pgrx::{IntoDatum, Uuid, direct_function_call, pg_sys};

use super::JsonText;
use super::direct_insert::{self, Column, DirectInsert};
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::error::{DomainError, TaskRefusal};

/// One event.
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) occurred_at: TimestampWithTimeZone,
    pub(crate) task_id: Uuid,
    pub(crate) kind: String,
    pub(crate) from_status: Option<String>,
    pub(crate) to_status: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) payload: JsonText,
}

/// The upper sixteen bits of the announcing lock's key, `tm`; the number is in the others.
const KEY_SPACE: i64 = 0x746D << 48;

thread_local! {
    /// The transaction that has announced, and what.
    static ANNOUNCED: Cell<(u64, i64)> = const { Cell::new((0, 0)) };

    static DIRECT: DirectInsert = const { DirectInsert::without_key(
        Table::TaskEvents,
        &[
            Column::new(c"task_id", UUIDOID),
            Column::varchar(c"kind", 50),
            Column::varchar(c"to_status", 50),
        ],
    ) };

    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_events (task_id, kind, to_status) VALUES ($1, $2, $3)",
        &[UUIDOID, VARCHAROID, VARCHAROID],
        Access::Write,
        &[Table::TaskEvents],
    ) };

    static ANNOUNCED_BY_OTHERS: Plan = const { Plan::new(
        c"SELECT pg_catalog.min(((classid::pg_catalog.int8 & 65535) << 32) | objid::pg_catalog.int8)
          FROM pg_catalog.pg_locks
          WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock'
            AND classid::pg_catalog.int8 >> 16 = 29805 AND pid <> pg_catalog.pg_backend_pid()
            AND database = (SELECT oid FROM pg_catalog.pg_database
                            WHERE datname = pg_catalog.current_database())",
        &[],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static READ: Plan = const { Plan::new(
        c"SELECT seq, occurred_at, task_id, kind::pg_catalog.text, from_status::pg_catalog.text,
                 to_status::pg_catalog.text, actor, payload::pg_catalog.text
          FROM taskmaster.task_events
          WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
        &[INT8OID, INT8OID, INT4OID],
        Access::Write,
        &[],
    ) };

    static READ_TASK: Plan = const { Plan::new(
        c"SELECT seq, occurred_at, task_id, kind::pg_catalog.text, from_status::pg_catalog.text,
                 to_status::pg_catalog.text, actor, payload::pg_catalog.text
          FROM taskmaster.task_events
          WHERE task_id = $4 AND seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
        &[INT8OID, INT8OID, INT4OID, UUIDOID],
        Access::Write,
        &[],
    ) };
}

/// Writes that a task was created. [`announce`] comes before it.
pub(super) fn insert_created(task: Uuid) {
    let values = [bind(task), bind("created"), bind("pending")];
    if !DIRECT.with(|insert| insert.row(&values.map(direct_insert::Cell::Value))) {
        INSERT.with(|plan| plan.run(&values));
    }
}

/// Announces that this transaction is about to draw numbers of events. Every statement that writes
/// events comes after it.
pub(super) fn announce() {
    Table::Tasks.require();
    Table::TaskEvents.require();
    // SAFETY: the caller writes in this transaction anyway, so that its id is assigned now costs
    // nothing.
    let transaction = unsafe { pg_sys::GetTopFullTransactionId().value };
    let (announcer, number) = ANNOUNCED.get();
    let number = if announcer == transaction { number } else { last_number() };
    // Taken again in the same transaction it only counts up; after ROLLBACK TO SAVEPOINT, which may
    // have released it, it is taken anew with the same number.
    // SAFETY: the function (lockfuncs.c) takes one bigint.
    unsafe {
        direct_function_call::<()>(
            pg_sys::pg_advisory_xact_lock_shared_int8,
            &[(KEY_SPACE | number).into_datum()],
        );
    }
    ANNOUNCED.set((transaction, number));
}

/// The last number drawn so far.
fn last_number() -> i64 {
    // SAFETY: a syscache look-up by a zero-terminated name, then a function (sequence.c) that takes
    // an oid and gives null for a sequence that nobody drew from.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"taskmaster".as_ptr(), false);
        let sequence = pg_sys::get_relname_relid(c"task_events_seq_seq".as_ptr(), schema);
        direct_function_call::<i64>(pg_sys::pg_sequence_last_value, &[sequence.into_datum()])
    }
    .unwrap_or(0)
}

/// The events after number `after`, at most `limit`, of one task or of all.
///
/// # Errors
/// 25001 in a transaction whose snapshot is older than the call, 55000 on a replica: neither could
/// tell which events are still to come.
pub(crate) fn read(after: i64, limit: i32, task: Option<Uuid>) -> Result<Vec<Event>, DomainError> {
    // SAFETY: two plain look-ups of the transaction's and the server's state.
    let (is_replica, has_old_snapshot) = unsafe {
        (pg_sys::RecoveryInProgress(), pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32)
    };
    if is_replica {
        return Err(TaskRefusal::OnReplica.into());
    }
    if has_old_snapshot {
        return Err(TaskRefusal::OldSnapshot { function: "get_task_events" }.into());
    }
    let until = ANNOUNCED_BY_OTHERS.with(|plan| plan.row(&[], |row| row.get::<i64>(1)));
    let until = until.flatten().unwrap_or(i64::MAX);
    let values = [bind(after), bind(until), bind(limit)];
    Ok(match task {
        None => READ.with(|plan| plan.rows(&values, read_event)),
        Some(task) => {
            let [after, until, limit] = values;
            READ_TASK.with(|plan| plan.rows(&[after, until, limit, bind(task)], read_event))
        }
    })
}

fn read_event(row: &Row) -> Event {
    Event {
        seq: row.get_known(1),
        occurred_at: row.get_known(2),
        task_id: row.get_known(3),
        kind: row.get_known(4),
        from_status: row.get(5),
        to_status: row.get(6),
        actor: row.get(7),
        payload: JsonText(row.get_known(8)),
    }
}
