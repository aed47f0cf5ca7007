//! What the catalog says of the functions: names, types, defaults, results, and the promises the
//! planner builds on.

use super::session::fresh;

const SIGNATURES: &str = "\
acquire_rate_limit(p_integration_name character varying, p_cost integer DEFAULT 1, p_algorithm character varying DEFAULT 'window'::character varying, p_task_id uuid DEFAULT NULL::uuid, p_mode character varying DEFAULT 'report'::character varying, p_integration_type character varying DEFAULT NULL::character varying) -> TABLE(allowed boolean, remaining integer, reset_at timestamp with time zone, retry_after_ms integer, reason text)
add_dependency(p_task_id uuid, p_depends_on uuid, p_type text DEFAULT 'blocks'::text, p_satisfied_by text[] DEFAULT '{completed}'::text[]) -> boolean
add_gate(p_task_id uuid, p_gate_type text, p_await jsonb) -> uuid
apply_retention(p_dry_run boolean DEFAULT true) -> TABLE(table_name text, action text, partition text, rows_est bigint, bytes bigint)
assume_identity(p_identity text, p_sequence bigint, p_proof bytea) -> boolean
calculate_task_completion(p_task_id uuid, p_mode text DEFAULT 'recursive'::text) -> numeric
cancel_task(p_task_id uuid, p_reason text DEFAULT NULL::text, p_cascade boolean DEFAULT false) -> integer
cancel_workflow(p_workflow_id uuid, p_reason text DEFAULT NULL::text) -> boolean
check_integrity(p_repair boolean DEFAULT false) -> TABLE(check_name text, task_id uuid, detail text)
check_rate_limit(p_integration_name character varying) -> boolean
claim_task(p_worker_id text, p_lease interval DEFAULT '00:05:00'::interval, p_limit integer DEFAULT 1, p_types text[] DEFAULT NULL::text[], p_tags jsonb DEFAULT NULL::jsonb, p_task_id uuid DEFAULT NULL::uuid, p_avoid_file_overlap boolean DEFAULT true) -> TABLE(task_id uuid, claim_token bigint, attempt integer, claim_expires_at timestamp with time zone, title text, payload jsonb)
cleanup_old_data(p_audit_retention_days integer DEFAULT 90, p_metrics_retention_days integer DEFAULT 30, p_api_logs_retention_days integer DEFAULT 7) -> TABLE(table_name text, deleted_count bigint)
complete_task(p_task_id uuid, p_claim_token bigint DEFAULT NULL::bigint, p_result jsonb DEFAULT NULL::jsonb, p_actual_hours numeric DEFAULT NULL::numeric) -> TABLE(unblocked uuid)
create_task(p_title character varying, p_description text DEFAULT NULL::text, p_type character varying DEFAULT 'general'::character varying, p_priority integer DEFAULT 0, p_assigned_to character varying DEFAULT NULL::character varying, p_parent_task_id uuid DEFAULT NULL::uuid, p_requirements jsonb DEFAULT '[]'::jsonb, p_metadata jsonb DEFAULT '{}'::jsonb, p_complexity_score integer DEFAULT 5, p_affected_files jsonb DEFAULT '[]'::jsonb, p_acceptance_criteria jsonb DEFAULT '[]'::jsonb, p_tags jsonb DEFAULT '[]'::jsonb, p_estimated_hours numeric DEFAULT NULL::numeric, p_repository_url text DEFAULT NULL::text, p_branch_name text DEFAULT NULL::text, p_depends_on uuid[] DEFAULT NULL::uuid[], p_idempotency_key text DEFAULT NULL::text, p_run_after timestamp with time zone DEFAULT NULL::timestamp with time zone, p_max_attempts integer DEFAULT 3, p_linear_issue_id text DEFAULT NULL::text, p_github_issue_number integer DEFAULT NULL::integer) -> uuid
create_tasks(p_tasks jsonb) -> TABLE(ord integer, task_id uuid)
create_workflow(p_task_id uuid, p_workflow_type character varying DEFAULT 'standard'::character varying, p_total_steps integer DEFAULT 0, p_timeout_minutes integer DEFAULT 60, p_steps jsonb DEFAULT NULL::jsonb, p_max_retries integer DEFAULT 3, p_metadata jsonb DEFAULT '{}'::jsonb, p_idempotency_key character varying DEFAULT NULL::character varying) -> uuid
critical_path(p_root uuid) -> TABLE(ord integer, task_id uuid, title text, status text, hours double precision, hours_through double precision)
ddsketch_add(state internal, value double precision) -> internal
ddsketch_add_sketch(state internal, other bytea) -> internal
ddsketch_agg(double precision) -> bytea
ddsketch_combine(state internal, other internal) -> internal
ddsketch_count(p_sketch bytea) -> bigint
ddsketch_deserialize(bytes bytea, _state internal) -> internal
ddsketch_final(state internal) -> bytea
ddsketch_merge(bytea) -> bytea
ddsketch_of(p_value double precision) -> bytea
ddsketch_quantile(p_sketch bytea, p_quantile double precision) -> double precision
ddsketch_serialize(state internal) -> bytea
detect_stalls() -> TABLE(task_id uuid, reason text, since timestamp with time zone, detail jsonb)
due_health_checks(p_limit integer DEFAULT 10, p_lease interval DEFAULT '00:01:00'::interval) -> TABLE(integration_id uuid, integration_type text, integration_name text, health_check_url text, breaker text, leased_until timestamp with time zone)
expire_workflows(p_limit integer DEFAULT 100) -> integer
explain_not_ready(p_task_id uuid) -> jsonb
export_taskmaster_json(p_tag text DEFAULT NULL::text) -> jsonb
fail_task(p_task_id uuid, p_claim_token bigint DEFAULT NULL::bigint, p_error jsonb DEFAULT NULL::jsonb, p_retryable boolean DEFAULT true, p_retry_after interval DEFAULT NULL::interval) -> TABLE(status text, run_after timestamp with time zone)
get_system_health() -> TABLE(component character varying, status character varying, last_check timestamp with time zone, metrics_count bigint, avg_response_time numeric)
get_task_events(p_after_seq bigint DEFAULT 0, p_limit integer DEFAULT 1000, p_task_id uuid DEFAULT NULL::uuid) -> TABLE(seq bigint, occurred_at timestamp with time zone, task_id uuid, kind text, from_status text, to_status text, actor text, payload jsonb)
get_task_hierarchy(p_task_id uuid) -> TABLE(task_id uuid, title character varying, status character varying, level integer, path text)
get_task_statistics(p_start_date date DEFAULT (CURRENT_DATE - 30), p_end_date date DEFAULT CURRENT_DATE) -> TABLE(status text, count bigint, avg_completion_time interval, avg_complexity numeric)
get_task_tree(p_task_id uuid DEFAULT NULL::uuid, p_max_depth integer DEFAULT 50) -> TABLE(task_id uuid, title text, status text, level integer, path text, parent_task_id uuid, priority integer, completion numeric, open_deps integer, ready boolean, ord integer)
get_workflow(p_workflow_id uuid) -> jsonb
get_workflow_performance(p_since interval DEFAULT '30 days'::interval) -> TABLE(workflow_type character varying, total_workflows bigint, success_rate numeric, avg_duration interval, avg_retry_count numeric, p50_duration interval, p95_duration interval)
health_snapshot(p_detail boolean DEFAULT true) -> jsonb
heartbeat(p_task_id uuid, p_claim_token bigint, p_extend interval DEFAULT '00:05:00'::interval, p_progress jsonb DEFAULT NULL::jsonb) -> TABLE(ok boolean, cancel_requested boolean, claim_expires_at timestamp with time zone)
host_stats() -> jsonb
identity_challenge() -> bytea
import_taskmaster_json(p_doc jsonb, p_dry_run boolean DEFAULT true) -> TABLE(tag text, number text, title text, action text, task_id uuid)
integration_status() -> TABLE(integration_id uuid, integration_type text, integration_name text, status text, health_status text, breaker text, last_health_check timestamp with time zone, rate_limit_ok boolean, blocked_until timestamp with time zone, remote_limits jsonb, calls_last_hour bigint, errors_last_hour bigint, avg_response_time_ms numeric, p95_response_time_ms double precision, tokens_last_hour numeric, cost_usd_last_hour numeric)
log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid DEFAULT NULL::uuid, p_user_id character varying DEFAULT NULL::character varying, p_error_message text DEFAULT NULL::text, p_correlation_id character varying DEFAULT NULL::character varying, p_request_headers jsonb DEFAULT NULL::jsonb, p_request_body jsonb DEFAULT NULL::jsonb, p_response_headers jsonb DEFAULT NULL::jsonb, p_response_body jsonb DEFAULT NULL::jsonb, p_retry_count integer DEFAULT 0, p_integration_type character varying DEFAULT NULL::character varying, p_tokens_in bigint DEFAULT NULL::bigint, p_tokens_out bigint DEFAULT NULL::bigint, p_cost_usd numeric DEFAULT NULL::numeric) -> uuid
metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying DEFAULT 'avg'::character varying, p_filter jsonb DEFAULT '{}'::jsonb) -> TABLE(bucket timestamp with time zone, labels jsonb, value double precision)
next_task(p_assigned_to text DEFAULT NULL::text, p_types text[] DEFAULT NULL::text[], p_limit integer DEFAULT 1) -> TABLE(task_id uuid, display_id bigint, title text, status text, priority integer, task_type text, assigned_to text, parent_task_id uuid, dependencies bigint)
observe_rate_headers(p_integration_name character varying, p_headers jsonb, p_integration_type character varying DEFAULT NULL::character varying) -> jsonb
openmetrics(p_include text[] DEFAULT '{tasks,workflows,metrics,integrations,pg}'::text[]) -> text
partition_status() -> TABLE(table_name text, partition text, lower_bound timestamp with time zone, upper_bound timestamp with time zone, rows_est bigint, bytes bigint, problem text)
record_health_check(p_integration_name character varying, p_ok boolean, p_response_time_ms integer DEFAULT NULL::integer, p_error text DEFAULT NULL::text, p_integration_type character varying DEFAULT NULL::character varying) -> text
record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying DEFAULT NULL::character varying, p_metric_type character varying DEFAULT 'gauge'::character varying, p_tags jsonb DEFAULT '{}'::jsonb, p_metric_unit character varying DEFAULT NULL::character varying, p_source_system character varying DEFAULT NULL::character varying, p_recorded_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_metric_metadata jsonb DEFAULT '{}'::jsonb) -> uuid
record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[] DEFAULT NULL::character varying[], p_types character varying[] DEFAULT NULL::character varying[], p_tags jsonb[] DEFAULT NULL::jsonb[], p_units character varying[] DEFAULT NULL::character varying[], p_sources character varying[] DEFAULT NULL::character varying[], p_recorded_at timestamp with time zone[] DEFAULT NULL::timestamp with time zone[]) -> integer
record_metrics(p_metrics jsonb) -> integer
redact_audit(p_subject text, p_pseudonym text, p_request uuid, p_text_columns text[], p_dry_run boolean) -> bigint
redrive_tasks(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 100) -> integer
register_integration(p_type character varying, p_name character varying, p_configuration jsonb DEFAULT '{}'::jsonb, p_rate_limit_per_minute integer DEFAULT NULL::integer, p_health_check_url character varying DEFAULT NULL::character varying) -> uuid
release_task(p_task_id uuid, p_claim_token bigint, p_delay interval DEFAULT '00:00:00'::interval) -> boolean
remove_dependency(p_task_id uuid, p_depends_on uuid) -> boolean
requeue_expired(p_limit integer DEFAULT 100) -> integer
resolve_due_gates(p_limit integer DEFAULT 100) -> integer
resolve_gate(p_gate_id uuid, p_by text DEFAULT NULL::text, p_result jsonb DEFAULT NULL::jsonb) -> boolean
retry_workflow(p_workflow_id uuid, p_from_step character varying DEFAULT NULL::character varying) -> integer
roll_up_metrics(p_until timestamp with time zone DEFAULT NULL::timestamp with time zone, p_max_buckets integer DEFAULT 1000) -> TABLE(resolution text, buckets bigint, rows bigint)
seal_audit(p_until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> bigint
search_tasks(p_query text, p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 20) -> TABLE(task_id uuid, title text, similarity real)
set_task_budget(p_task_id uuid, p_tokens_max bigint DEFAULT NULL::bigint, p_cost_usd_max numeric DEFAULT NULL::numeric, p_warn_ratio numeric DEFAULT 0.8) -> boolean
task_budget(p_task_id uuid) -> TABLE(state text, tokens_used bigint, tokens_max bigint, cost_usd_used numeric, cost_usd_max numeric)
tick(p_budget_ms integer DEFAULT 200) -> jsonb
update_task(p_task_id uuid, p_patch jsonb, p_expected_version bigint DEFAULT NULL::bigint) -> bigint
update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying DEFAULT NULL::character varying, p_notes text DEFAULT NULL::text, p_claim_token bigint DEFAULT NULL::bigint, p_force boolean DEFAULT false) -> boolean
update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb DEFAULT NULL::jsonb, p_error_message text DEFAULT NULL::text, p_expected_attempt integer DEFAULT NULL::integer) -> boolean
verify_audit(p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone) -> TABLE(partition text, ok boolean, first_bad bigint, reason text)";

/// v: volatile, s: stable; t, f: strict or not; s: parallel safe, u: unsafe; f: invoker's rights.
const PROMISES: &str = "\
acquire_rate_limit v f u f
add_dependency v f u f
add_gate v f u f
apply_retention v f u f
assume_identity v f u f
calculate_task_completion s t s f
cancel_task v f u f
cancel_workflow v f u f
check_integrity v f u f
check_rate_limit s t s f
claim_task v f u f
cleanup_old_data v f u f
complete_task v f u f
create_task v f u f
create_tasks v f u f
create_workflow v f u f
critical_path s t s f
ddsketch_add i f s f
ddsketch_add_sketch i f s f
ddsketch_agg i f s f
ddsketch_combine i f s f
ddsketch_count i t s f
ddsketch_deserialize i f s f
ddsketch_final i f s f
ddsketch_merge i f s f
ddsketch_of i t s f
ddsketch_quantile i t s f
ddsketch_serialize i f s f
detect_stalls s t s f
due_health_checks v f u f
expire_workflows v f u f
explain_not_ready s t s f
export_taskmaster_json s f s f
fail_task v f u f
get_system_health v t r f
get_task_events v f u f
get_task_hierarchy s t s f
get_task_statistics s t s f
get_task_tree s f s f
get_workflow s t s f
get_workflow_performance s t s f
health_snapshot v f r f
heartbeat v f u f
host_stats v t r f
identity_challenge v t r f
import_taskmaster_json v f u f
integration_status s t s f
log_api_call v f u f
metric_series s f s f
next_task s f s f
observe_rate_headers v f u f
openmetrics s f s f
partition_status s t u f
record_health_check v f u f
record_metric v f u f
record_metric_arrays v f u f
record_metrics v f u f
redact_audit v f u f
redrive_tasks v f u f
register_integration v f u f
release_task v f u f
remove_dependency v f u f
requeue_expired v f u f
resolve_due_gates v f u f
resolve_gate v f u f
retry_workflow v f u f
roll_up_metrics v f u f
seal_audit v f u f
search_tasks s f s f
set_task_budget v f u f
task_budget s t s f
tick v f u f
update_task v f u f
update_task_status v f u f
update_workflow_step v f u f
verify_audit v f u f";

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

#[tokio::test]
async fn the_plpgsql_functions_have_the_same_promises_and_first_arguments() {
    let session = super::world::with_oracle().await;
    let sql = "select count(*) from pg_proc one join pg_proc two using (proname, \
        provolatile, proisstrict, proparallel, prorettype) \
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
