//! Workflows as they are read: one with its steps, and how all of a kind perform. It must not
//! change anything.

use pgrx::datum::Interval;
use pgrx::pg_sys::BuiltinOid::{INTERVALOID, UUIDOID};
use pgrx::{AnyNumeric, JsonB, Uuid};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::error::DomainError;

/// One row of `get_workflow_performance()`.
pub(crate) struct Performance {
    pub(crate) workflow_type: Option<String>,
    pub(crate) total: i64,
    pub(crate) success_rate: Option<AnyNumeric>,
    pub(crate) average: Option<Interval>,
    pub(crate) average_retries: Option<AnyNumeric>,
    pub(crate) p50: Option<Interval>,
    pub(crate) p95: Option<Interval>,
}

thread_local! {
    static GET: Plan = const { Plan::new(
        c"SELECT pg_catalog.to_jsonb(w) - 'idempotency_hash' || pg_catalog.jsonb_build_object(
            'deadline_at', coalesce(w.resumed_at, w.started_at)
                           + w.timeout_minutes * interval '1 minute',
            'steps_finished', (SELECT pg_catalog.count(*) FROM taskmaster.workflow_steps s
              WHERE s.workflow_id = w.id AND s.status IN ('completed', 'skipped')),
            'steps', (SELECT coalesce(pg_catalog.jsonb_agg(
                pg_catalog.to_jsonb(s) - 'workflow_id' ORDER BY s.step_no), '[]')
              FROM taskmaster.workflow_steps s WHERE s.workflow_id = w.id))
          FROM taskmaster.workflows w WHERE w.id = $1",
        &[UUIDOID],
        Access::Read,
        &[Table::Workflows, Table::WorkflowSteps],
    ) };

    static PERFORMANCE: Plan = const { Plan::new(
        c"SELECT workflow_type::pg_catalog.text, pg_catalog.count(*),
            pg_catalog.round(100.0 * pg_catalog.count(*) FILTER (WHERE status = 'completed')
              / nullif(pg_catalog.count(*) FILTER (
                  WHERE status NOT IN ('initialized', 'running')), 0), 2),
            pg_catalog.avg(taken), pg_catalog.round(pg_catalog.avg(retry_count), 2),
            pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY taken),
            pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY taken)
          FROM (SELECT *, CASE WHEN status = 'completed' THEN completed_at - started_at END AS taken
                FROM taskmaster.workflows
                WHERE started_at >= pg_catalog.now() - $1) AS workflows
          GROUP BY workflow_type ORDER BY workflow_type",
        &[INTERVALOID],
        Access::Read,
        &[Table::Workflows],
    ) };
}

/// The workflow with its steps.
///
/// # Errors
/// P0002 no such workflow.
pub(crate) fn get(id: Uuid) -> Result<JsonB, DomainError> {
    let workflow = GET.with(|plan| plan.row(&[bind(id)], |row| row.get_known(1)));
    workflow.ok_or_else(|| DomainError::WorkflowMissing { id: id.to_string() })
}

/// How the workflows of each kind that began since then performed.
pub(crate) fn performance(since: Interval) -> Vec<Performance> {
    PERFORMANCE.with(|plan| {
        plan.rows(&[bind(since)], |row| Performance {
            workflow_type: row.get(1),
            total: row.get_known(2),
            success_rate: row.get(3),
            average: row.get(4),
            average_retries: row.get(5),
            p50: row.get(6),
            p95: row.get(7),
        })
    })
}
