//! Kept plans and the tables under them: what a session says when the tables are not there, and
//! that it goes on when they change or come back.

use harness::{Cluster, Database};
use serde_json::json;

use super::session::{Session, fresh};

const CALLS: &[(&str, &str)] = &[
    ("tasks", "select create_task('t')"),
    ("tasks", "select update_task_status(gen_random_uuid(), 'done')"),
    ("tasks", "select get_task_hierarchy(gen_random_uuid())"),
    ("tasks", "select calculate_task_completion(gen_random_uuid())"),
    ("tasks", "select claim_task('w')"),
    ("tasks", "select create_tasks('[{\"title\": \"t\"}]')"),
    ("tasks", "select get_task_events()"),
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
    ("external_integrations", "select register_integration('github', 'x')"),
    ("external_integrations", "select integration_status()"),
    ("external_integrations", "select acquire_rate_limit('x')"),
    ("external_integrations", "select check_rate_limit('x')"),
    ("external_integrations", "select observe_rate_headers('x', '{}')"),
    ("external_integrations", "select record_health_check('x', true)"),
    ("external_integrations", "select due_health_checks()"),
    ("tasks", "select set_task_budget(gen_random_uuid())"),
    ("tasks", "select task_budget(gen_random_uuid())"),
    ("workflows", "select retry_workflow(gen_random_uuid())"),
    ("workflows", "select expire_workflows()"),
    ("workflows", "select get_workflow(gen_random_uuid())"),
    ("system_metrics", "select get_system_health()"),
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
        "alter table tasks alter column complexity_score type bigint",
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
             grant usage on schema taskmaster to bystander; \
             grant execute on all functions in schema taskmaster to bystander; set role bystander",
        )
        .await;
    assert_eq!(session.sqlstate("select create_task('t')").await, "42501");
}

/// How many pages a statement touches, what it calls included.
pub(super) async fn buffers(session: &Session, sql: &str) -> u64 {
    let explain = format!("explain (analyze, buffers, timing off, format json) {sql}");
    let plan = session.text(&explain).await;
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("the plan is JSON");
    ["Shared Hit Blocks", "Shared Read Blocks"]
        .map(|key| plan[0]["Plan"][key].as_u64().unwrap())
        .iter()
        .sum()
}

#[tokio::test]
async fn a_claim_touches_no_more_pages_when_there_are_more_tasks() {
    let session = fresh().await;
    // Done work, and work that waits: for others, for its time, for an assignee.
    let fill = |count: usize| {
        format!(
            "insert into tasks (title, status, priority, open_deps, run_after) select 'task ' || n, \
             case when n % 2 = 0 then 'completed' else 'pending' end, n % 11, \
             case when n % 4 = 1 then 1 else 0 end, \
             case when n % 8 = 3 then now() + interval '1 day' end \
             from generate_series(1, {count}) n; analyze tasks"
        )
    };
    let claim = "select * from claim_task('w')";
    let mut touched = Vec::new();
    for count in [2_000, 98_000] {
        session.run(&fill(count)).await;
        // The first call in a session also reads the catalog.
        session.run(claim).await;
        session.run(claim).await;
        touched.push(buffers(&session, claim).await);
    }
    assert!(touched[1] <= touched[0] * 2, "pages at 2,000 and at 100,000 tasks: {touched:?}");
}
