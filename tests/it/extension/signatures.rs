//! What the catalog says of the functions: names, types, defaults, results, and the promises the
//! planner builds on.

use super::session::fresh;

const SIGNATURES: &str = "\
acquire_rate_limit(p_integration_name character varying, p_cost integer DEFAULT 1, p_algorithm character varying DEFAULT 'window'::character varying, p_task_id uuid DEFAULT NULL::uuid, p_mode character varying DEFAULT 'report'::character varying, p_integration_type character varying DEFAULT NULL::character varying) -> TABLE(allowed boolean, remaining integer, reset_at timestamp with time zone, retry_after_ms integer, reason text)
calculate_task_completion(p_task_id uuid) -> numeric
cancel_workflow(p_workflow_id uuid, p_reason text DEFAULT NULL::text) -> boolean
check_rate_limit(p_integration_name character varying) -> boolean
create_task(p_title character varying, p_description text DEFAULT NULL::text, p_type character varying DEFAULT 'general'::character varying, p_priority integer DEFAULT 0, p_assigned_to character varying DEFAULT NULL::character varying, p_parent_task_id uuid DEFAULT NULL::uuid, p_requirements jsonb DEFAULT '[]'::jsonb, p_metadata jsonb DEFAULT '{}'::jsonb) -> uuid
create_workflow(p_task_id uuid, p_workflow_type character varying DEFAULT 'standard'::character varying, p_total_steps integer DEFAULT 0, p_timeout_minutes integer DEFAULT 60, p_steps jsonb DEFAULT NULL::jsonb, p_max_retries integer DEFAULT 3, p_metadata jsonb DEFAULT '{}'::jsonb, p_idempotency_key character varying DEFAULT NULL::character varying) -> uuid
due_health_checks(p_limit integer DEFAULT 10, p_lease interval DEFAULT '00:01:00'::interval) -> TABLE(integration_id uuid, integration_type text, integration_name text, health_check_url text, breaker text, leased_until timestamp with time zone)
expire_workflows(p_limit integer DEFAULT 100) -> integer
get_system_health() -> TABLE(component character varying, status character varying, last_check timestamp with time zone, metrics_count bigint, avg_response_time numeric)
get_task_hierarchy(p_task_id uuid) -> TABLE(task_id uuid, title character varying, status character varying, level integer, path text)
get_workflow(p_workflow_id uuid) -> jsonb
get_workflow_performance(p_since interval DEFAULT '30 days'::interval) -> TABLE(workflow_type character varying, total_workflows bigint, success_rate numeric, avg_duration interval, avg_retry_count numeric, p50_duration interval, p95_duration interval)
health_snapshot(p_detail boolean DEFAULT true) -> jsonb
host_stats() -> jsonb
integration_status() -> TABLE(integration_id uuid, integration_type text, integration_name text, status text, health_status text, breaker text, last_health_check timestamp with time zone, rate_limit_ok boolean, blocked_until timestamp with time zone, remote_limits jsonb, calls_last_hour bigint, errors_last_hour bigint, avg_response_time_ms numeric, p95_response_time_ms double precision, tokens_last_hour numeric, cost_usd_last_hour numeric)
log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid DEFAULT NULL::uuid, p_user_id character varying DEFAULT NULL::character varying, p_error_message text DEFAULT NULL::text, p_correlation_id character varying DEFAULT NULL::character varying, p_request_headers jsonb DEFAULT NULL::jsonb, p_request_body jsonb DEFAULT NULL::jsonb, p_response_headers jsonb DEFAULT NULL::jsonb, p_response_body jsonb DEFAULT NULL::jsonb, p_retry_count integer DEFAULT 0, p_integration_type character varying DEFAULT NULL::character varying, p_tokens_in bigint DEFAULT NULL::bigint, p_tokens_out bigint DEFAULT NULL::bigint, p_cost_usd numeric DEFAULT NULL::numeric) -> uuid
observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying DEFAULT NULL::character varying) -> jsonb
record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer DEFAULT NULL::integer, p_error text DEFAULT NULL::text, p_integration_type character varying DEFAULT NULL::character varying) -> text
record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying DEFAULT NULL::character varying, p_metric_type character varying DEFAULT 'gauge'::character varying, p_tags jsonb DEFAULT '{}'::jsonb) -> uuid
register_integration(p_type character varying, p_name character varying, p_configuration jsonb DEFAULT '{}'::jsonb, p_rate_limit_per_minute integer DEFAULT NULL::integer, p_health_check_url character varying DEFAULT NULL::character varying) -> uuid
retry_workflow(p_workflow_id uuid, p_from_step character varying DEFAULT NULL::character varying) -> integer
set_task_budget(p_task_id uuid, p_tokens_max bigint DEFAULT NULL::bigint, p_cost_usd_max numeric DEFAULT NULL::numeric, p_warn_ratio numeric DEFAULT 0.8) -> boolean
task_budget(p_task_id uuid) -> TABLE(state text, tokens_used bigint, tokens_max bigint, cost_usd_used numeric, cost_usd_max numeric)
update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying DEFAULT NULL::character varying, p_notes text DEFAULT NULL::text) -> boolean
update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb DEFAULT NULL::jsonb, p_error_message text DEFAULT NULL::text, p_expected_attempt integer DEFAULT NULL::integer) -> boolean";

/// v: volatile, s: stable; t, f: strict or not; s: parallel safe, u: unsafe; f: invoker's rights.
const PROMISES: &str = "\
acquire_rate_limit v f u f
calculate_task_completion s t s f
cancel_workflow v f u f
check_rate_limit s t s f
create_task v f u f
create_workflow v f u f
due_health_checks v f u f
expire_workflows v f u f
get_system_health v t r f
get_task_hierarchy s t s f
get_workflow s t s f
get_workflow_performance s t s f
health_snapshot v f r f
host_stats v t r f
integration_status s t s f
log_api_call v f u f
observe_rate_headers v f u f
record_health_check v f u f
record_metric v f u f
register_integration v f u f
retry_workflow v f u f
set_task_budget v f u f
task_budget s t s f
update_task_status v f u f
update_workflow_step v f u f";

/// The functions that belong to the extension, which has no other members.
const MEMBERS: &str = "from pg_proc p join pg_depend d on d.objid = p.oid and d.deptype = 'e' \
    join pg_extension e on e.oid = d.refobjid where e.extname = 'taskmaster'";

async fn listed(column: &str) -> String {
    let sql = format!("select string_agg({column}, E'\\n' order by proname) {MEMBERS}");
    fresh().await.text(&sql).await
}

#[tokio::test]
async fn arguments_defaults_and_results_are_those_of_the_specification() {
    let column = "format('%s(%s) -> %s', proname, pg_get_function_arguments(p.oid), \
                  pg_get_function_result(p.oid))";
    assert_eq!(listed(column).await, SIGNATURES);
}

#[tokio::test]
async fn volatility_strictness_and_parallel_safety_are_right() {
    let column = "format('%s %s %s %s %s', proname, provolatile, \
                  left(proisstrict::text, 1), proparallel, left(prosecdef::text, 1))";
    assert_eq!(listed(column).await, PROMISES);
}

/// The arguments of the product's document come first, literally; those that go beyond it follow.
#[tokio::test]
async fn the_plpgsql_functions_have_the_same_first_arguments_and_promises() {
    let session = super::world::with_oracle().await;
    let sql = "select count(*) from pg_proc one join pg_proc two using (proname, provolatile, \
        proisstrict, proparallel, prorettype) \
        where one.pronamespace = 'taskmaster'::regnamespace \
        and two.pronamespace = 'taskmaster_plpgsql'::regnamespace \
        and starts_with(pg_get_function_arguments(one.oid), pg_get_function_arguments(two.oid))";
    assert_eq!(session.text(sql).await, "8");
}

#[tokio::test]
async fn the_extension_owns_functions_and_nothing_else() {
    let session = fresh().await;
    let sql = "select string_agg(distinct classid::regclass::text, ',') from pg_depend \
        where deptype = 'e' and refobjid = \
        (select oid from pg_extension where extname = 'taskmaster')";
    assert_eq!(session.text(sql).await, "pg_proc");
    session.run("drop extension taskmaster; create extension taskmaster schema taskmaster").await;
    assert_eq!(session.text("select count(*) from taskmaster.tasks").await, "0");
}

#[tokio::test]
async fn the_readers_work_in_parallel_workers_and_read_only_transactions() {
    let session = fresh().await;
    session.run("select create_task('a'); select create_task('b')").await;
    // The setting that sends every query to a worker has another name from PostgreSQL 16 on.
    let everything_to_workers = "select set_config(name, 'on', false) from pg_settings \
        where name in ('force_parallel_mode', 'debug_parallel_query')";
    assert_eq!(session.text(everything_to_workers).await, "on");
    let sql = "begin read only; \
        select sum(calculate_task_completion(id) + \
                   (select count(*) from get_task_hierarchy(id))) from tasks; commit";
    assert_eq!(session.text(sql).await, "2.00");
}

#[tokio::test]
async fn the_readers_see_the_snapshot_of_their_statement() {
    let session = fresh().await;
    let root = session.text("select create_task('root')").await;
    let child = format!("select create_task('a', p_parent_task_id => '{root}')");
    let child = session.text(&child).await;
    let complete = format!(
        "begin; select update_task_status('{child}', 'in_progress'); \
         update tasks set status = 'completed' where id = '{child}' \
         returning calculate_task_completion('{root}'); commit"
    );
    let rows = session.rows(&complete).await.unwrap();
    assert_eq!(rows.last().unwrap()[0], "0.00");
    let after = format!("select calculate_task_completion('{root}')");
    assert_eq!(session.text(&after).await, "100.00");
}
