//! Kept plans and the tables under them: what a session says when the tables are not there, and
//! that it goes on when they change or come back.

use harness::{Cluster, Database};
use serde_json::json;

use super::session::{Session, fresh};

const CALLS: [(&str, &str); 18] = [
    ("tasks", "select create_task('t')"),
    ("tasks", "select update_task_status(gen_random_uuid(), 'done')"),
    ("tasks", "select get_task_hierarchy(gen_random_uuid())"),
    ("tasks", "select calculate_task_completion(gen_random_uuid())"),
    ("workflows", "select create_workflow(gen_random_uuid())"),
    ("workflows", "select update_workflow_step(gen_random_uuid(), 'a', 'running')"),
    ("system_metrics", "select record_metric('m', 1)"),
    ("system_metrics", "select record_metrics('[{\"metric_name\": \"m\", \"metric_value\": 1}]')"),
    ("system_metrics", "select record_metric_arrays('{m}', '{1}')"),
    ("metric_rollups", "select roll_up_metrics()"),
    (
        "rollup_watermarks",
        "select metric_series('m', now() - interval '1 hour', now(), '1 minute')",
    ),
    ("tasks", "select openmetrics()"),
    ("retention_policies", "select partition_status()"),
    ("retention_policies", "select apply_retention()"),
    ("retention_policies", "select apply_retention(false)"),
    ("rollup_watermarks", "select cleanup_old_data()"),
    ("retention_policies", "select tick()"),
    ("external_integrations", "select log_api_call('x', '/x', 'GET', 200, 1)"),
];

async fn bare_database() -> Database<'static> {
    let database = Cluster::shared().await.create_database().await;
    Session::open(&database).await.run("create extension taskmaster").await;
    database
}

#[tokio::test]
async fn without_the_tables_each_function_names_the_command() {
    let database = bare_database().await;
    let session = Session::open(&database).await;
    for (table, sql) in CALLS {
        let refusal = session.refusal(sql).await;
        assert_eq!(refusal.sqlstate, "55000", "{sql}");
        assert_eq!(refusal.hint, "run `taskmaster migrate up`", "{sql}");
        assert_eq!(refusal.detail, json!({ "schema": "taskmaster", "table": table }), "{sql}");
    }
}

#[tokio::test]
async fn a_session_notices_that_the_tables_go_and_come() {
    let session = fresh().await;
    session.text("select create_task('before')").await;
    session.run("alter table tasks rename to elsewhere").await;
    let refusal = session.refusal("select create_task('meanwhile')").await;
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.message.as_str()),
        ("55000", "table taskmaster.tasks does not exist")
    );
    session.run("alter table elsewhere rename to tasks").await;
    session.text("select create_task('after')").await;
    let titles = "select string_agg(title, ',' order by created_at) from tasks";
    assert_eq!(session.text(titles).await, "before,after");
}

#[tokio::test]
async fn kept_plans_survive_changes_of_the_tables() {
    let session = fresh().await;
    let id = session.text("select create_task('one')").await;
    for change in [
        "alter table tasks add column extra int default 3",
        "alter table tasks alter column priority type bigint",
        "drop index tasks_parent_task_id_idx",
        "alter table tasks drop column extra",
        "create index on tasks (title)",
        "analyze tasks",
    ] {
        session.run(change).await;
        let child = format!("select create_task('child', p_parent_task_id => '{id}')");
        session.text(&child).await;
        session.text(&format!("select update_task_status('{id}', 'in_progress')")).await;
        session.text(&format!("select update_task_status('{id}', 'blocked')")).await;
    }
    assert_eq!(
        session.text(&format!("select count(*) from get_task_hierarchy('{id}')")).await,
        "7"
    );
    assert_eq!(session.text(&format!("select calculate_task_completion('{id}')")).await, "0.00");
}

#[tokio::test]
async fn no_search_path_changes_what_the_functions_reach() {
    let session = fresh().await;
    session
        .run(
            "create schema trap; create table trap.tasks (id uuid); \
             create function trap.now() returns timestamptz language sql as \
             $$ select 'epoch'::timestamptz $$; set search_path = trap, pg_catalog",
        )
        .await;
    let id = session.text("select taskmaster.create_task('t')").await;
    session.run(&format!("select taskmaster.update_task_status('{id}', 'in_progress')")).await;
    session.run("set search_path = ''").await;
    let sql = format!(
        "select concat_ws('|', status, updated_at > 'epoch') from taskmaster.tasks \
         where id = '{id}'"
    );
    assert_eq!(session.text(&sql).await, "in_progress|t");
}

#[tokio::test]
async fn a_caller_needs_the_rights_on_the_tables() {
    let session = fresh().await;
    session
        .run(
            "do $$ begin create role bystander; exception when duplicate_object then null; end $$; \
             grant usage on schema taskmaster to bystander; set role bystander",
        )
        .await;
    assert_eq!(session.sqlstate("select create_task('t')").await, "42501");
}
