//! `log_api_call`.

use pgrx::{Uuid, default, pg_extern};

use crate::domain::api_call::{ApiCall, ApiCallArguments};
use crate::store::{OrRaise, Varchar, api_calls};

/// Logs a call to an external API and returns the log row's id. It never refuses for rate: the
/// call has happened.
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
) -> Uuid {
    let arguments = ApiCallArguments {
        integration_name: Varchar::text(&p_integration_name),
        endpoint: Varchar::text(&p_endpoint),
        method: Varchar::text(&p_method),
        response_status: p_response_status,
        response_time_ms: p_response_time_ms,
        user_id: Varchar::text(&p_user_id),
        error_message: p_error_message,
    };
    ApiCall::parse(arguments).and_then(|call| api_calls::insert(&call, p_task_id)).or_raise()
}
