//! `log_api_call`.

use pgrx::{Uuid, default, pg_extern};

use crate::domain::api_call::{ApiCall, ApiCallArguments};
use crate::store::api_calls::{CallContext, CallDocuments};
use crate::store::{Jsonb, Number, Varchar, api_calls};

/// Logs a call to an external API and returns the log row's id. It never refuses: the call has
/// happened. What does not fit is cut or put right, which `adjustments` says; secrets are redacted.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn log_api_call(
    p_integration_name: Option<Varchar<'_>>,
    p_endpoint: Option<Varchar<'_>>,
    p_method: Option<Varchar<'_>>,
    p_response_status: Option<i32>,
    p_response_time_ms: Option<i32>,
    p_task_id: default!(Option<Uuid>, "NULL"),
    p_user_id: default!(Option<Varchar<'_>>, "NULL"),
    p_error_message: default!(Option<&str>, "NULL"),
    p_correlation_id: default!(Option<Varchar<'_>>, "NULL"),
    p_request_headers: default!(Option<Jsonb>, "NULL"),
    p_request_body: default!(Option<Jsonb>, "NULL"),
    p_response_headers: default!(Option<Jsonb>, "NULL"),
    p_response_body: default!(Option<Jsonb>, "NULL"),
    p_retry_count: default!(Option<i32>, "0"),
    p_integration_type: default!(Option<Varchar<'_>>, "NULL"),
    p_tokens_in: default!(Option<i64>, "NULL"),
    p_tokens_out: default!(Option<i64>, "NULL"),
    p_cost_usd: default!(Option<Number>, "NULL"),
) -> Uuid {
    let arguments = ApiCallArguments {
        integration_name: Varchar::text(&p_integration_name),
        endpoint: Varchar::text(&p_endpoint),
        method: Varchar::text(&p_method),
        response_status: p_response_status,
        response_time_ms: p_response_time_ms,
        user_id: Varchar::text(&p_user_id),
        error_message: p_error_message,
        correlation_id: Varchar::text(&p_correlation_id),
        retry_count: p_retry_count,
        tokens_in: p_tokens_in,
        tokens_out: p_tokens_out,
    };
    let context = CallContext {
        integration_type: Varchar::text(&p_integration_type),
        task: p_task_id,
        cost_usd: p_cost_usd,
    };
    let documents = CallDocuments {
        request_headers: p_request_headers,
        request_body: p_request_body,
        response_headers: p_response_headers,
        response_body: p_response_body,
    };
    api_calls::insert(ApiCall::normalised(arguments), context, documents)
}
