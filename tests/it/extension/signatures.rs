//! What the catalog says of the functions: names, types, defaults, results, and the promises the
//! planner builds on.

use super::session::fresh;

const SIGNATURES: &str = "\
assume_identity(p_identity text, p_sequence bigint, p_proof bytea) -> boolean
calculate_task_completion(p_task_id uuid) -> numeric
create_task(p_title character varying, p_description text DEFAULT NULL::text, p_type character varying DEFAULT 'general'::character varying, p_priority integer DEFAULT 0, p_assigned_to character varying DEFAULT NULL::character varying, p_parent_task_id uuid DEFAULT NULL::uuid, p_requirements jsonb DEFAULT '[]'::jsonb, p_metadata jsonb DEFAULT '{}'::jsonb) -> uuid
create_workflow(p_task_id uuid, p_workflow_type character varying DEFAULT 'standard'::character varying, p_total_steps integer DEFAULT 0, p_timeout_minutes integer DEFAULT 60) -> uuid
get_task_hierarchy(p_task_id uuid) -> TABLE(task_id uuid, title character varying, status character varying, level integer, path text)
identity_challenge() -> bytea
log_api_call(p_integration_name character varying, p_endpoint character varying, p_method character varying, p_response_status integer, p_response_time_ms integer, p_task_id uuid DEFAULT NULL::uuid, p_user_id character varying DEFAULT NULL::character varying, p_error_message text DEFAULT NULL::text) -> uuid
record_metric(p_metric_name character varying, p_metric_value numeric, p_component character varying DEFAULT NULL::character varying, p_metric_type character varying DEFAULT 'gauge'::character varying, p_tags jsonb DEFAULT '{}'::jsonb) -> uuid
redact_audit(p_subject text, p_pseudonym text, p_request uuid, p_text_columns text[], p_dry_run boolean) -> bigint
seal_audit(p_until timestamp with time zone DEFAULT NULL::timestamp with time zone) -> bigint
update_task_status(p_task_id uuid, p_new_status character varying, p_user_id character varying DEFAULT NULL::character varying, p_notes text DEFAULT NULL::text) -> boolean
update_workflow_step(p_workflow_id uuid, p_step_name character varying, p_step_status character varying, p_step_result jsonb DEFAULT NULL::jsonb, p_error_message text DEFAULT NULL::text) -> boolean
verify_audit(p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone) -> TABLE(partition text, ok boolean, first_bad bigint, reason text)";

/// v: volatile, s: stable; t, f: strict or not; s: parallel safe, r: restricted, u: unsafe; f: invoker's rights.
const PROMISES: &str = "\
assume_identity v f u f
calculate_task_completion s t s f
create_task v f u f
create_workflow v f u f
get_task_hierarchy s t s f
identity_challenge v t r f
log_api_call v f u f
record_metric v f u f
redact_audit v f u f
seal_audit v f u f
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
