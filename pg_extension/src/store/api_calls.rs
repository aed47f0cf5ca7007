//! `taskmaster.api_access_logs`, and what a call counts for: the usage of its integration and the
//! budget of its task. It must not know any limit: a log never refuses.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, INT8OID, NUMERICOID, TEXTOID, UUIDOID, VARCHAROID};

use super::diagnostic::warn;
use super::integrations::{IntegrationName, find};
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{Jsonb, Number, rate_limits};
use crate::domain::api_call::{Adjustments, ApiCall, DOCUMENT_READ_MAX, StoredDocument};
use crate::warning::Warning;

/// What `log_api_call` was passed besides scalars.
#[derive(Clone, Copy)]
pub(crate) struct CallDocuments {
    pub(crate) request_headers: Option<Jsonb>,
    pub(crate) request_body: Option<Jsonb>,
    pub(crate) response_headers: Option<Jsonb>,
    pub(crate) response_body: Option<Jsonb>,
}

/// Who made a call, for what, and what it cost.
#[derive(Clone, Copy)]
pub(crate) struct CallContext<'a> {
    pub(crate) integration_type: Option<&'a str>,
    pub(crate) task: Option<Uuid>,
    pub(crate) cost_usd: Option<Number>,
}

/// The documents as JSON text, in the order of [`CallDocuments`].
type StoredDocuments = [Option<String>; 4];

thread_local! {
    // Usage counts calls since the window opened; clock_timestamp() because a long transaction's
    // now() would count into a window that is over. A cost that is no sum of money is left out, and
    // a task that does not exist; both are noted.
    static INSERT: Plan = const { Plan::new(
        c"WITH task AS (SELECT id FROM taskmaster.tasks WHERE id = $6),
          cost AS (SELECT CASE WHEN $18 >= 0 AND $18 < 1000000000 THEN $18 END AS usd),
          used AS (
            UPDATE taskmaster.external_integrations SET
              last_used_at = clock.at,
              current_usage = CASE WHEN usage_reset_at > clock.at
                                   THEN coalesce(current_usage, 0) + 1 ELSE 1 END,
              usage_reset_at = CASE WHEN usage_reset_at > clock.at
                                    THEN usage_reset_at ELSE clock.at + interval '1 minute' END
            FROM (SELECT pg_catalog.clock_timestamp() AS at) AS clock
            WHERE id = $1),
          spent AS (
            INSERT INTO taskmaster.task_budgets AS budget (task_id, tokens_used, cost_usd_used)
            SELECT task.id, coalesce($16, 0) + coalesce($17, 0), coalesce(cost.usd, 0)
              FROM task, cost WHERE coalesce($16, $17) IS NOT NULL OR cost.usd IS NOT NULL
            ON CONFLICT (task_id) DO UPDATE SET
              tokens_used = budget.tokens_used + excluded.tokens_used,
              cost_usd_used = budget.cost_usd_used + excluded.cost_usd_used)
          INSERT INTO taskmaster.api_access_logs
            (integration_id, endpoint, method, response_status, response_time_ms, task_id,
             user_id, error_message, request_headers, request_body, response_headers,
             response_body, correlation_id, retry_count, tokens_in, tokens_out, cost_usd,
             adjustments)
          SELECT $1, $2, $3, $4, $5, (SELECT id FROM task), $7, $8,
            CASE WHEN $1 IS NULL THEN
              CASE WHEN pg_catalog.jsonb_typeof($10::jsonb) = 'object' THEN $10::jsonb
                   ELSE '{}' END
              || pg_catalog.jsonb_build_object('x-taskmaster-integration', $9)
            ELSE $10::jsonb END,
            $11::jsonb, $12::jsonb, $13::jsonb, $14, $15, $16, $17, cost.usd,
            nullif(coalesce($19::jsonb, '{}')
              || CASE WHEN $18 IS NOT NULL AND cost.usd IS NULL
                 THEN pg_catalog.jsonb_build_object('cost_usd', $18::pg_catalog.text)
                 ELSE '{}' END
              || CASE WHEN $6 IS NOT NULL AND NOT EXISTS (SELECT FROM task)
                 THEN pg_catalog.jsonb_build_object('task_id', $6) ELSE '{}' END, '{}')
          FROM cost
          RETURNING id",
        &[UUIDOID, VARCHAROID, VARCHAROID, INT4OID, INT4OID, UUIDOID, VARCHAROID, TEXTOID,
          VARCHAROID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, VARCHAROID, INT4OID, INT8OID, INT8OID,
          NUMERICOID, TEXTOID],
        Access::Write,
        &[Table::ApiAccessLogs, Table::Tasks, Table::TaskBudgets],
    ) };
}

/// Logs the call, counts it, heeds what the answer's headers say of limits, and returns the log
/// row's id.
///
/// An unknown or ambiguous integration name draws a warning; the row is kept.
pub(crate) fn insert(
    mut call: ApiCall<'_>,
    context: CallContext<'_>,
    documents: CallDocuments,
) -> Uuid {
    let name: &str = &call.integration_name;
    let integration = find(IntegrationName { name, integration_type: context.integration_type });
    if integration.is_none() {
        warn(&Warning::UnknownIntegration { name: name.to_owned() });
    }
    let stored = documents.stored(&mut call.adjustments);
    let id = insert_row(&call, context, integration, &stored);
    if let (Some(integration), Some(headers)) = (integration, documents.response_headers) {
        rate_limits::observe_logged(integration, headers);
    }
    id
}

fn insert_row(
    call: &ApiCall<'_>,
    context: CallContext<'_>,
    integration: Option<Uuid>,
    documents: &StoredDocuments,
) -> Uuid {
    let [request_headers, request_body, response_headers, response_body] = documents;
    let values = [
        bind(integration),
        bind(call.endpoint.as_ref()),
        bind(call.method),
        bind(call.response_status),
        bind(call.response_time_ms),
        bind(context.task),
        bind(call.user_id.as_deref()),
        bind(call.error_message.as_deref()),
        bind(call.integration_name.as_ref()),
        bind(request_headers.as_deref()),
        bind(request_body.as_deref()),
        bind(response_headers.as_deref()),
        bind(response_body.as_deref()),
        bind(call.correlation_id.as_deref()),
        bind(call.retry_count),
        bind(call.tokens_in),
        bind(call.tokens_out),
        bind(context.cost_usd),
        bind(call.adjustments.to_json()),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    id.expect("INSERT of one row returns one row")
}

impl CallDocuments {
    fn stored(self, adjustments: &mut Adjustments) -> StoredDocuments {
        let mut store = |column, document: Option<Jsonb>| {
            document.map(|document| match stored(document) {
                StoredDocument::Whole(json) => json,
                StoredDocument::Cut(json) => {
                    adjustments.note_cut(column);
                    json
                }
            })
        };
        [
            store("request_headers", self.request_headers),
            store("request_body", self.request_body),
            store("response_headers", self.response_headers),
            store("response_body", self.response_body),
        ]
    }
}

fn stored(document: Jsonb) -> StoredDocument {
    let bytes = document.size();
    if bytes > DOCUMENT_READ_MAX {
        return StoredDocument::unread(bytes);
    }
    StoredDocument::of(&document.text())
}
