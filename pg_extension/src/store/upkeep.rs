//! `taskmaster.tick`: runs the jobs of periodic work, each in a subtransaction of its own. It must not know what they do.

use pgrx::IntoDatum;
use pgrx::JsonB;
use pgrx::pg_sys::BuiltinOid::{INT4OID, TEXTARRAYOID, TEXTOID};
use serde_json::Value;

use super::clock::now;
use super::diagnostic::warn;
use super::partitions;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::upkeep::{JOBS, Job, Outcome, Tick, busy};
use crate::warning::Warning;

thread_local! {
    static LOCK: Plan = const { Plan::new(
        c"SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('taskmaster.tick', 0))",
        &[],
        Access::Write,
        &[Table::RetentionPolicies],
    ) };

    static PRESENT: Plan = const { Plan::new(
        c"SELECT DISTINCT proname::pg_catalog.text FROM pg_catalog.pg_proc AS p
          JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
          WHERE n.nspname = 'taskmaster' AND proname = ANY ($1)",
        &[TEXTARRAYOID],
        Access::Write,
        &[],
    ) };

    static FIRST: Plan = const { Plan::new(
        c"SELECT value ->> 'first' FROM taskmaster.maintenance_state WHERE key = 'tick'",
        &[],
        Access::Write,
        &[],
    ) };

    static LEAVE: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.maintenance_state (key, value)
          VALUES ('tick', pg_catalog.jsonb_build_object('first', $1))
          ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = pg_catalog.now()
          WHERE maintenance_state.value <> excluded.value",
        &[TEXTOID],
        Access::Write,
        &[],
    ) };

    static ATTEMPT: Plan = const { Plan::new(
        c"SELECT taskmaster.attempt($1)",
        &[TEXTOID],
        Access::Write,
        &[],
    ) };

    // For the background worker, which may come to a database before the function does.
    static TICK: Plan = const { Plan::new(
        c"SELECT taskmaster.tick($1)",
        &[INT4OID],
        Access::Write,
        &[],
    ) };

    static TICK_IS_THERE: Plan = const { Plan::new(
        c"SELECT pg_catalog.to_regprocedure('taskmaster.tick(integer)') IS NOT NULL
             AND pg_catalog.to_regclass('taskmaster.retention_policies') IS NOT NULL
             AND NOT pg_catalog.pg_is_in_recovery()",
        &[],
        Access::Read,
        &[],
    ) };
}

/// Runs jobs until nothing is left or `budget_ms` are over; at least one.
pub(crate) fn tick(budget_ms: i32) -> Value {
    let began = now();
    let elapsed_ms = || (now().0 - began.0) / 1000;
    if LOCK.with(|plan| plan.row(&[], |row| row.get_known::<bool>(1))) != Some(true) {
        return busy();
    }
    let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
    let present = PRESENT.with(|plan| plan.rows(&[names.into_datum()], |row| row.get_known(1)));
    let first = FIRST.with(|plan| plan.row(&[], |row| row.get::<String>(1))).flatten();
    let mut tick = Tick::new(&present, first.as_deref());
    while let Some(job) = tick.next() {
        tick.note(job, attempt(job));
        if elapsed_ms() >= i64::from(budget_ms) {
            break;
        }
    }
    LEAVE.with(|plan| plan.run(&[bind(tick.first_left())]));
    tick.report(elapsed_ms(), &problems())
}

/// Runs one tick in the database of a background worker, if it is there.
pub(crate) fn tick_by_worker(budget_ms: i32) {
    if TICK_IS_THERE.with(|plan| plan.row(&[], |row| row.get_known::<bool>(1))) == Some(true) {
        TICK.with(|plan| plan.run(&[bind(budget_ms)]));
    }
}

fn attempt(job: &Job) -> Outcome {
    let result = ATTEMPT.with(|plan| plan.row(&[bind(job.statement)], |row| row.get::<JsonB>(1)));
    let outcome = Outcome::parse(&result.flatten().map_or(Value::Null, |result| result.0));
    if let Outcome::Failed { sqlstate, message } = &outcome {
        let (sqlstate, message) = (sqlstate.clone(), message.clone());
        warn(&Warning::JobFailed { job: job.name, sqlstate, message });
    }
    outcome
}

fn problems() -> Vec<String> {
    let of = |status: partitions::PartitionStatus| {
        let partition = status.partition.unwrap_or(status.table_name);
        status.problem.map(|problem| format!("{partition}: {problem}"))
    };
    partitions::status().into_iter().filter_map(of).collect()
}
