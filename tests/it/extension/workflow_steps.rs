//! Steps of workflows as rows: plans, attempts, retries, timeouts, cancellation, keys, figures, and
//! workers that finish steps at once.

use harness::Cluster;
use serde_json::{Value, json};

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn create(session: &Session, arguments: &str) -> String {
    session.text(&format!("select create_workflow(create_task('t'){arguments})")).await
}

async fn report(session: &Session, id: &str, step: &str, status: &str) {
    session.text(&format!("select update_workflow_step('{id}', '{step}', '{status}')")).await;
}

async fn status(session: &Session, id: &str) -> String {
    session.text(&format!("select status from workflows where id = '{id}'")).await
}

/// The steps in order, each with its status and attempt.
async fn steps(session: &Session, id: &str) -> String {
    let sql = format!(
        "select string_agg(concat_ws(':', name, status, attempt), ' ' order by step_no) \
         from workflow_steps where workflow_id = '{id}'"
    );
    session.text(&sql).await
}

/// What readers of `steps_completed` make of it: of each step the latest record.
async fn records(session: &Session, id: &str) -> String {
    let sql = format!(
        "select string_agg(name || ':' || status, ' ' order by name collate \"C\") from ( \
         select distinct on (r ->> 'step_name') r ->> 'step_name' as name, r ->> 'status' as status \
         from workflows, jsonb_array_elements(steps_completed) with ordinality as e(r, n) \
         where id = '{id}' order by r ->> 'step_name', n desc) as latest"
    );
    session.text(&sql).await
}

#[tokio::test]
async fn planned_steps_are_rows_and_complete_the_workflow() {
    let session = fresh().await;
    let id = create(
        &session,
        r#", p_steps => '["build", {"name": "test"}, "deploy"]', p_metadata => '{"a": 1}'"#,
    )
    .await;
    assert_eq!(steps(&session, &id).await, "build:pending:1 test:pending:1 deploy:pending:1");
    let row = format!(
        "select concat_ws('|', total_steps, metadata, max_retries) from workflows where id = '{id}'"
    );
    assert_eq!(session.text(&row).await, "3|{\"a\": 1}|3");
    report(&session, &id, "build", "running").await;
    report(&session, &id, "build", "completed").await;
    report(&session, &id, "deploy", "skipped").await;
    assert_eq!(status(&session, &id).await, "running");
    report(&session, &id, "test", "completed").await;
    assert_eq!(status(&session, &id).await, "completed");
    assert_eq!(steps(&session, &id).await, "build:completed:1 test:completed:1 deploy:skipped:1");
    assert_eq!(records(&session, &id).await, "build:completed deploy:skipped test:completed");
    let times = format!(
        "select bool_and(started_at <= finished_at) from workflow_steps where workflow_id = '{id}'"
    );
    assert_eq!(session.text(&times).await, "t");
}

#[tokio::test]
async fn a_step_that_was_not_planned_is_refused_where_steps_are() {
    let session = fresh().await;
    let id = create(&session, ", p_steps => '[\"build\"]'").await;
    let sql = format!("select update_workflow_step('{id}', 'biuld', 'completed')");
    let refusal = session.refusal(&sql).await;
    assert_eq!(refusal.sqlstate, "22023");
    assert_eq!(refusal.detail, json!({ "workflow_id": id, "step_name": "biuld" }));
    report(&session, &id, "final", "completed").await;
    assert_eq!(status(&session, &id).await, "completed");
    let free = create(&session, "").await;
    report(&session, &free, "anything", "completed").await;
    assert_eq!(steps(&session, &free).await, "anything:completed:1");
}

#[tokio::test]
async fn the_later_arguments_of_a_workflow_are_checked() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    for (arguments, sqlstate) in [
        ("p_steps => '{}'", "22023"),
        ("p_steps => '[1]'", "22023"),
        ("p_steps => '[\"a\", \"a\"]'", "22023"),
        ("p_steps => to_jsonb(array[repeat('x', 101)])", "22001"),
        ("p_steps => to_jsonb(array[repeat('x', 2000000)])", "54000"),
        ("p_steps => '[\"a\"]', p_total_steps => 2", "22023"),
        ("p_max_retries => -1", "22023"),
        ("p_metadata => '[]'", "22023"),
        ("p_metadata => jsonb_build_object('x', repeat('x', 2000000))", "54000"),
        ("p_idempotency_key => ' '", "22023"),
        ("p_idempotency_key => repeat('k', 256)", "22001"),
    ] {
        let sql = format!("select create_workflow('{task}', {arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{arguments}");
    }
    let nulls =
        format!("select create_workflow('{task}', null, null, null, null, null, null, null)");
    session.text(&nulls).await;
}

#[tokio::test]
async fn a_key_makes_one_workflow() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    let create = |arguments: &str| {
        format!("select create_workflow('{task}', p_idempotency_key => 'k'{arguments})")
    };
    let first = session.text(&create("")).await;
    assert_eq!(session.text(&create("")).await, first);
    report(&session, &first, "final", "completed").await;
    assert_eq!(session.text(&create("")).await, first, "even when it has ended");
    let refusal = session.refusal(&create(", p_workflow_type => 'hotfix'")).await;
    assert_eq!(refusal.sqlstate, "23505");
    assert_eq!(refusal.constraint, "workflows.workflows_task_id_idempotency_key_key");
    assert_eq!(refusal.detail, json!({ "task_id": task, "workflow_id": first }));
    let other =
        session.text("select create_workflow(create_task('u'), p_idempotency_key => 'k')").await;
    assert_ne!(other, first, "a key belongs to its task");
}

#[tokio::test]
async fn a_failed_workflow_is_retried_from_where_it_failed() {
    let session = fresh().await;
    let id = create(&session, ", p_steps => '[\"a\", \"b\", \"c\"]', p_max_retries => 2").await;
    report(&session, &id, "a", "completed").await;
    report(&session, &id, "b", "failed").await;
    assert_eq!(status(&session, &id).await, "failed");
    assert_eq!(session.text(&format!("select retry_workflow('{id}')")).await, "1");
    assert_eq!(status(&session, &id).await, "running");
    assert_eq!(steps(&session, &id).await, "a:completed:1 b:pending:2 c:pending:2");
    assert_eq!(records(&session, &id).await, "a:completed b:pending c:pending");
    let current = format!(
        "select concat_ws('|', current_step, retry_count) from workflows where id = '{id}'"
    );
    assert_eq!(session.text(&current).await, "b|1");

    let stale =
        format!("select update_workflow_step('{id}', 'b', 'completed', p_expected_attempt => 1)");
    let refusal = session.refusal(&stale).await;
    assert_eq!(refusal.sqlstate, "55006");
    assert_eq!(
        refusal.detail,
        json!({ "workflow_id": id, "step_name": "b", "expected": 1, "attempt": 2 })
    );
    session.text(&stale.replace("=> 1", "=> 2")).await;
    report(&session, &id, "c", "failed").await;
    assert_eq!(session.text(&format!("select retry_workflow('{id}', 'a')")).await, "2");
    assert_eq!(steps(&session, &id).await, "a:pending:2 b:pending:3 c:pending:3");
    for step in ["a", "b", "c"] {
        assert_eq!(status(&session, &id).await, "running");
        report(&session, &id, step, "completed").await;
    }
    assert_eq!(status(&session, &id).await, "completed");
}

#[tokio::test]
async fn a_refused_retry_says_why() {
    let session = fresh().await;
    let id = create(&session, ", p_steps => '[\"a\"]', p_max_retries => 1").await;
    let retry = format!("select retry_workflow('{id}')");
    assert_eq!(session.sqlstate(&retry).await, "55000", "it is at work");
    report(&session, &id, "a", "failed").await;
    assert_eq!(session.sqlstate(&format!("select retry_workflow('{id}', 'z')")).await, "22023");
    let task = format!("(select task_id from workflows where id = '{id}')");
    let other = session.text(&format!("select create_workflow({task})")).await;
    let refusal = session.refusal(&retry).await;
    assert_eq!(refusal.sqlstate, "23505");
    assert_eq!(refusal.constraint, "workflows.workflows_active_task_id_key");
    report(&session, &other, "final", "completed").await;
    assert_eq!(session.text(&retry).await, "1");
    report(&session, &id, "a", "failed").await;
    let refusal = session.refusal(&retry).await;
    assert_eq!(refusal.sqlstate, "55000");
    assert_eq!(refusal.detail, json!({ "workflow_id": id, "retry_count": 1 }));
    assert_eq!(session.sqlstate("select retry_workflow(null)").await, "22004");
    assert_eq!(session.sqlstate(&format!("select retry_workflow('{NOBODY}')")).await, "P0002");
}

#[tokio::test]
async fn a_cancelled_workflow_skips_what_it_has_not_done() {
    let session = fresh().await;
    let id = create(&session, ", p_steps => '[\"a\", \"b\", \"c\"]'").await;
    report(&session, &id, "a", "completed").await;
    report(&session, &id, "b", "running").await;
    let cancel = format!("select cancel_workflow('{id}', 'no longer wanted')");
    assert_eq!(session.text(&cancel).await, "t");
    assert_eq!(status(&session, &id).await, "cancelled");
    assert_eq!(steps(&session, &id).await, "a:completed:1 b:skipped:1 c:skipped:1");
    assert_eq!(records(&session, &id).await, "a:completed b:skipped c:skipped");
    let reason =
        format!("select error_log -> -1 ->> 'error_message' from workflows where id = '{id}'");
    assert_eq!(session.text(&reason).await, "no longer wanted");
    assert_eq!(session.text(&cancel).await, "f", "it was cancelled before");
    let more = format!("select update_workflow_step('{id}', 'b', 'completed')");
    assert_eq!(session.sqlstate(&more).await, "55000");
    assert_eq!(session.sqlstate(&format!("select retry_workflow('{id}')")).await, "55000");
    let done = create(&session, "").await;
    report(&session, &done, "final", "completed").await;
    for (call, sqlstate) in [
        (format!("cancel_workflow('{done}')"), "55000"),
        ("cancel_workflow(null)".to_owned(), "22004"),
        (format!("cancel_workflow('{NOBODY}')"), "P0002"),
        (format!("cancel_workflow('{id}', repeat('x', 4001))"), "22001"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
}

#[tokio::test]
async fn a_workflow_whose_time_is_over_ends_and_may_be_retried() {
    let session = fresh().await;
    let id = create(&session, ", p_timeout_minutes => 5, p_steps => '[\"a\", \"b\"]'").await;
    report(&session, &id, "a", "running").await;
    assert_eq!(session.text("select expire_workflows()").await, "0");
    session.run("update workflows set started_at = now() - interval '5 minutes'").await;
    assert_eq!(session.text("select expire_workflows()").await, "1");
    assert_eq!(status(&session, &id).await, "timeout");
    assert_eq!(steps(&session, &id).await, "a:failed:1 b:pending:1");
    assert_eq!(records(&session, &id).await, "a:failed");
    assert_eq!(session.text("select expire_workflows()").await, "0");
    assert_eq!(session.text(&format!("select retry_workflow('{id}')")).await, "1");
    assert_eq!(session.text("select expire_workflows()").await, "0", "its time begins anew");
    session.run("update workflows set resumed_at = now() - interval '5 minutes'").await;
    for limit in ["0", "10001", "-1"] {
        assert_eq!(session.sqlstate(&format!("select expire_workflows({limit})")).await, "22023");
    }
    assert_eq!(session.text("select expire_workflows(null)").await, "1");
}

#[tokio::test]
async fn a_workflow_is_shown_with_its_steps() {
    let session = fresh().await;
    let id = create(&session, ", p_steps => '[\"a\", \"b\"]', p_idempotency_key => 'k'").await;
    session
        .text(&format!("select update_workflow_step('{id}', 'a', 'completed', '{{\"n\": 1}}')"))
        .await;
    let shown: Value = session.text(&format!("select get_workflow('{id}')")).await.parse().unwrap();
    assert_eq!(shown["status"], "running");
    assert_eq!(shown["steps_finished"], 1);
    assert_eq!(shown["steps"][0]["result"], json!({ "n": 1 }));
    assert_eq!(shown["steps"][1]["status"], "pending");
    assert!(shown.get("idempotency_hash").is_none() && shown["deadline_at"].is_string());
    assert_eq!(session.sqlstate(&format!("select get_workflow('{NOBODY}')")).await, "P0002");
    assert_eq!(session.text("select get_workflow(null) is null").await, "t");
}

#[tokio::test]
async fn performance_counts_what_ended_and_times_what_completed() {
    let session = fresh().await;
    session
        .run(
            "insert into workflows (workflow_type, status, started_at, completed_at, retry_count) \
             select 'hotfix', 'completed', now() - interval '1 day', \
                    now() - interval '1 day' + n * interval '1 second', 1 \
             from generate_series(1, 100) n; \
             insert into workflows (workflow_type, status, retry_count) \
             select 'hotfix', 'failed', 3 from generate_series(1, 100); \
             insert into workflows (workflow_type) values ('cleanup'); \
             insert into workflows (workflow_type, status, started_at) \
             values ('rollback', 'failed', now() - interval '31 days')",
        )
        .await;
    let rows = session.rows("select * from get_workflow_performance()").await.unwrap();
    assert_eq!(
        rows,
        [
            ["cleanup", "1", "NULL", "NULL", "0.00", "NULL", "NULL"],
            ["hotfix", "200", "50.00", "00:00:50.5", "2.00", "00:00:50.5", "00:01:35.05"],
        ]
    );
    let all = "select count(*) from get_workflow_performance('1 year')";
    assert_eq!(session.text(all).await, "3");
}

#[tokio::test]
async fn workers_that_finish_steps_at_once_lose_none_and_complete_once() {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 5;
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    for _ in 0..ROUNDS {
        let id = create(&admin, &format!(", p_total_steps => {WORKERS}")).await;
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..WORKERS {
            let (session, id) = (Session::open(&database).await, id.clone());
            workers.spawn(async move {
                report(&session, &id, &format!("s{worker}"), "completed").await;
            });
        }
        workers.join_all().await;
        let row = format!(
            "select concat_ws('|', status, jsonb_array_length(steps_completed), completed_at is not null, \
             (select count(distinct step_no) from workflow_steps where workflow_id = id)) \
             from workflows where id = '{id}'"
        );
        assert_eq!(admin.text(&row).await, format!("completed|{WORKERS}|t|{WORKERS}"));
    }
}

#[tokio::test]
async fn of_two_reports_of_the_last_step_one_is_refused() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = (Session::open(&database).await, Session::open(&database).await);
    let id = create(&one, ", p_steps => '[\"a\"]'").await;
    let sql = format!("select update_workflow_step('{id}', 'a', 'completed')");
    let (first, second) = tokio::join!(one.rows(&sql), two.rows(&sql));
    let refused: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].sqlstate, "55000");
    assert_eq!(status(&one, &id).await, "completed");
}

#[tokio::test]
async fn calls_with_one_key_at_once_make_one_workflow() {
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    let task = admin.text("select create_task('t')").await;
    let sql = format!("select create_workflow('{task}', p_idempotency_key => 'k')");
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (session, sql) = (Session::open(&database).await, sql.clone());
        callers.spawn(async move { session.text(&sql).await });
    }
    let mut ids = callers.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn expiry_leaves_a_workflow_that_reports_right_now() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = (Session::open(&database).await, Session::open(&database).await);
    let id = create(&one, "").await;
    one.run("update workflows set started_at = now() - interval '2 hours'").await;
    one.run(&format!("begin; select update_workflow_step('{id}', 'a', 'running')")).await;
    assert_eq!(two.text("select expire_workflows()").await, "0");
    one.run("commit").await;
    assert_eq!(two.text("select expire_workflows()").await, "1");
}
