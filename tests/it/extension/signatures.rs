//! What the catalog says of the functions: names, types, defaults, results, and the promises the
//! planner builds on.

use super::session::fresh;

const SIGNATURES: &str = "\
apply_retention(p_dry_run boolean DEFAULT true) -> TABLE(table_name text, action text, partition text, rows_est bigint, bytes bigint)
calculate_task_completion(p_task_id uuid) -> numeric
cleanup_old_data(p_audit_retention_days integer DEFAULT 90, p_metrics_retention_days integer DEFAULT 30, p_api_logs_retention_days integer DEFAULT 7) -> TABLE(table_name text, deleted_count bigint)
create_task(p_title character varying, p_description text DEFAULT NULL::text, p_type character varying DEFAULT 'general'::character varying, p_priority integer DEFAULT 0, p_assigned_to character varying DEFAULT NULL::character varying, p_parent_task_id uuid DEFAULT NULL::uuid, p_requirements jsonb DEFAULT '[]'::jsonb, p_metadata jsonb DEFAULT '{}'::jsonb) -> uuid
create_workflow(p_task_id uuid, p_workflow_type character varying DEFAULT 'standard'::character varying, p_total_steps integer DEFAULT 0, p_timeout_minutes integer DEFAULT 60) -> uuid
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
get_task_hierarchy(p_task_id uuid) -> TABLE(task_id uuid, title character varying, status character varying, level integer, path text)
log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid DEFAULT NULL::uuid, p_user_id character varying DEFAULT NULL::character varying, p_error_message text DEFAULT NULL::text) -> uuid
metric_series(p_name character varying, p_from timestamp with time zone, p_to timestamp with time zone, p_step interval, p_agg character varying DEFAULT 'avg'::character varying, p_filter jsonb DEFAULT '{}'::jsonb) -> TABLE(bucket timestamp with time zone, labels jsonb, value double precision)
openmetrics(p_include text[] DEFAULT '{tasks,workflows,metrics,integrations,pg}'::text[]) -> text
partition_status() -> TABLE(table_name text, partition text, lower_bound timestamp with time zone, upper_bound timestamp with time zone, rows_est bigint, bytes bigint, problem text)
record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying DEFAULT NULL::character varying, p_metric_type character varying DEFAULT 'gauge'::character varying, p_tags jsonb DEFAULT '{}'::jsonb, p_metric_unit character varying DEFAULT NULL::character varying, p_source_system character varying DEFAULT NULL::character varying, p_recorded_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_metric_metadata jsonb DEFAULT '{}'::jsonb) -> uuid
record_metric_arrays(p_names character varying[], p_values numeric[], p_components character varying[] DEFAULT NULL::character varying[], p_types character varying[] DEFAULT NULL::character varying[], p_tags jsonb[] DEFAULT NULL::jsonb[], p_units character varying[] DEFAULT NULL::character varying[], p_sources character varying[] DEFAULT NULL::character varying[], p_recorded_at timestamp with time zone[] DEFAULT NULL::timestamp with time zone[]) -> integer
record_metrics(p_metrics jsonb) -> integer
roll_up_metrics(p_until timestamp with time zone DEFAULT NULL::timestamp with time zone, p_max_buckets integer DEFAULT 1000) -> TABLE(resolution text, buckets bigint, rows bigint)
tick(p_budget_ms integer DEFAULT 200) -> jsonb
update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying DEFAULT NULL::character varying, p_notes text DEFAULT NULL::text) -> boolean
update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb DEFAULT NULL::jsonb, p_error_message text DEFAULT NULL::text) -> boolean";

/// v: volatile, s: stable, i: immutable; t, f: strict or not; s: parallel safe, u: unsafe; f: invoker's rights.
const PROMISES: &str = "\
apply_retention v f u f
calculate_task_completion s t s f
cleanup_old_data v f u f
create_task v f u f
create_workflow v f u f
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
get_task_hierarchy s t s f
log_api_call v f u f
metric_series s f s f
openmetrics s f s f
partition_status s t u f
record_metric v f u f
record_metric_arrays v f u f
record_metrics v f u f
roll_up_metrics v f u f
tick v f u f
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

#[tokio::test]
async fn the_plpgsql_functions_have_the_same_signatures_and_promises() {
    let session = super::world::with_oracle().await;
    let sql = "select count(*) from pg_proc one join pg_proc two using (proname, proargtypes, \
        proargnames, provolatile, proisstrict, proparallel, prorettype, pronargdefaults) \
        where one.pronamespace = 'taskmaster'::regnamespace \
        and two.pronamespace = 'taskmaster_plpgsql'::regnamespace \
        and pg_get_function_arguments(one.oid) = pg_get_function_arguments(two.oid)";
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
