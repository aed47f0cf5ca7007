//! `taskmaster.api_access_logs` and the usage counters of `taskmaster.external_integrations`: calls
//! that have happened. It must not know any limit: a log never refuses for rate.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, TEXTOID, UUIDOID, VARCHAROID};

use super::diagnostic::warn;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::api_call::ApiCall;
use crate::error::{Constraint, DomainError};
use crate::warning::Warning;

/// An integration a name may stand for.
struct Candidate {
    id: Uuid,
    integration_type: String,
}

const TASK_FOREIGN_KEY: Constraint =
    Constraint { table: "api_access_logs", name: "api_access_logs_task_id_fkey" };

thread_local! {
    // The table's uniqueness is by type and name; two rows are enough to know that a name alone
    // does not tell which one is meant.
    static FIND: Plan = const { Plan::new(
        c"SELECT id, integration_type::pg_catalog.text FROM taskmaster.external_integrations
          WHERE integration_name = $1
          ORDER BY status IS DISTINCT FROM 'active', created_at, id LIMIT 2",
        &[VARCHAROID],
        Access::Write,
        &[Table::ExternalIntegrations],
    ) };

    // Usage counts calls since the window opened; clock_timestamp() because a long transaction's
    // now() would count into a window that is over.
    static INSERT: Plan = const { Plan::new(
        c"WITH used AS (
            UPDATE taskmaster.external_integrations SET
              last_used_at = clock.at,
              current_usage = CASE WHEN usage_reset_at > clock.at
                                   THEN coalesce(current_usage, 0) + 1 ELSE 1 END,
              usage_reset_at = CASE WHEN usage_reset_at > clock.at
                                    THEN usage_reset_at ELSE clock.at + interval '1 minute' END
            FROM (SELECT pg_catalog.clock_timestamp() AS at) AS clock
            WHERE id = $1)
          INSERT INTO taskmaster.api_access_logs
            (integration_id, endpoint, method, response_status, response_time_ms, task_id,
             user_id, error_message, request_headers)
          SELECT $1, $2, $3, $4, $5, $6, $7, $8,
                 CASE WHEN $1 IS NULL THEN
                   pg_catalog.jsonb_build_object('x-taskmaster-integration', $9) END
          WHERE $6 IS NULL OR EXISTS (SELECT FROM taskmaster.tasks WHERE id = $6)
          RETURNING id",
        &[UUIDOID, VARCHAROID, VARCHAROID, INT4OID, INT4OID, UUIDOID, VARCHAROID, TEXTOID,
          VARCHAROID],
        Access::Write,
        &[Table::ApiAccessLogs, Table::Tasks],
    ) };
}

/// Logs the call, counts it for its integration and returns the log row's id.
///
/// An unknown or ambiguous integration name draws a warning; the row is kept.
///
/// # Errors
/// 23503 when the task does not exist.
pub(crate) fn insert(call: &ApiCall<'_>, task: Option<Uuid>) -> Result<Uuid, DomainError> {
    let integration = find_integration(call.integration_name);
    let values = [
        bind(integration),
        bind(call.endpoint.as_ref()),
        bind(call.method),
        bind(call.response_status),
        bind(call.response_time_ms),
        bind(task),
        bind(call.user_id),
        bind(call.error_message),
        bind(call.integration_name),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    id.ok_or_else(|| DomainError::ReferencedTaskMissing {
        id: task.map(|task| task.to_string()).unwrap_or_default(),
        constraint: TASK_FOREIGN_KEY,
    })
}

fn find_integration(name: &str) -> Option<Uuid> {
    let candidates = FIND.with(|plan| {
        plan.rows(&[bind(name)], |row| Candidate {
            id: row.get_known(1),
            integration_type: row.get_known(2),
        })
    });
    let name = || name.to_owned();
    match candidates.as_slice() {
        [] => warn(&Warning::UnknownIntegration { name: name() }),
        [_] => {}
        [first, ..] => warn(&Warning::AmbiguousIntegration {
            name: name(),
            integration_type: first.integration_type.clone(),
        }),
    }
    candidates.first().map(|candidate| candidate.id)
}
