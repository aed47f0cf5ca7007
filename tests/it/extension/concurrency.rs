//! Two sessions at once: nothing is lost, and what need not wait does not.

use std::future::Future;

use harness::{Cluster, Database, wait};

use super::session::Session;

/// Runs `second` on its own session while `first`'s transaction holds the row, and ends the
/// transaction once the other session is seen waiting for it.
pub(super) async fn behind<T>(first: &Session, second: impl Future<Output = T>) -> T {
    let release = async {
        wait::until("the second session waits for the row", || async {
            let sql = "select count(*) from pg_stat_activity \
                where datname = current_database() and wait_event_type = 'Lock'";
            first.text(sql).await == "1"
        })
        .await;
        first.run("commit").await;
    };
    tokio::join!(second, release).0
}

pub(super) async fn pair(database: &Database<'_>) -> (Session, Session) {
    (Session::open(database).await, Session::open(database).await)
}

#[tokio::test]
async fn defect_17_two_changes_of_one_task_are_both_kept() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_task('t')").await;
    one.run(&format!("begin; select update_task_status('{id}', 'in_progress', 'one')")).await;
    let sql = format!("select update_task_status('{id}', 'blocked', 'two')");
    assert_eq!(behind(&one, two.text(&sql)).await, "t");
    let trail = "select string_agg(concat_ws(':', payload ->> 'user', from_status, to_status), ' ' \
        order by seq) from task_events where kind = 'status_changed'";
    assert_eq!(one.text(trail).await, "one:pending:in_progress two:in_progress:blocked");
}

#[tokio::test]
async fn defect_17_a_change_is_judged_by_what_the_other_session_left() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_task('t')").await;
    one.run(&format!("begin; select update_task_status('{id}', 'deferred')")).await;
    let sql = format!("select update_task_status('{id}', 'in_progress')");
    let refusal = behind(&one, two.refusal(&sql)).await;
    assert_eq!(refusal.sqlstate, "55000");
    assert_eq!(refusal.message, "a task cannot go from deferred to in_progress");
}

#[tokio::test]
async fn defect_17_many_sessions_leave_one_unbroken_history() {
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    let id = admin.text("select create_task('t')").await;
    let toggle = |user: usize| {
        let (database, id) = (&database, &id);
        async move {
            let session = Session::open(database).await;
            for status in ["in_progress", "blocked"].into_iter().cycle().take(10) {
                let sql = format!("select update_task_status('{id}', '{status}', '{user}')");
                assert_eq!(session.text(&sql).await, "t");
            }
        }
    };
    tokio::join!(toggle(1), toggle(2), toggle(3), toggle(4));
    let breaks = "select count(*) from (select from_status, \
        lag(to_status) over (order by seq) as previous from task_events) as pairs \
        where from_status <> previous";
    assert_eq!(admin.text(breaks).await, "0");
    let last = "select status = (select to_status from task_events order by seq desc limit 1) \
        from tasks";
    assert_eq!(admin.text(last).await, "t");
}

#[tokio::test]
async fn two_reports_of_one_workflow_are_both_kept() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_workflow(create_task('t'), p_total_steps => 2)").await;
    one.run(&format!("begin; select update_workflow_step('{id}', 'a', 'completed')")).await;
    let sql = format!("select update_workflow_step('{id}', 'b', 'completed')");
    assert_eq!(behind(&one, two.text(&sql)).await, "t");
    let stored =
        "select concat_ws('|', status, jsonb_array_length(steps_completed)) from workflows";
    assert_eq!(one.text(stored).await, "completed|2");
}

#[tokio::test]
async fn one_of_two_workflows_started_at_once_is_refused() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let task = one.text("select create_task('t')").await;
    let sql = format!("select create_workflow('{task}')");
    one.run(&format!("begin; {sql}")).await;
    assert_eq!(behind(&one, two.sqlstate(&sql)).await, "23505");
}

#[tokio::test]
async fn calls_from_many_sessions_are_all_counted() {
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    admin
        .run(
            "insert into external_integrations (integration_type, integration_name, \
             configuration, usage_reset_at) values ('github', 'gh', '{}', now() + '1 day')",
        )
        .await;
    let log = || async {
        let session = Session::open(&database).await;
        for _ in 0..10 {
            session.text("select log_api_call('gh', '/x', 'GET', 200, 1)").await;
        }
    };
    tokio::join!(log(), log(), log(), log());
    assert_eq!(admin.text("select current_usage from external_integrations").await, "40");
    assert_eq!(admin.text("select count(*) from api_access_logs").await, "40");
}

#[tokio::test]
async fn an_open_log_of_a_task_does_not_hold_up_its_status() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_task('t')").await;
    one.run(&format!("begin; select log_api_call('x', '/x', 'GET', 200, 1, '{id}')")).await;
    // The bound only keeps a failing test from hanging.
    two.run("set lock_timeout = '20s'").await;
    let sql = format!("select update_task_status('{id}', 'in_progress')");
    assert_eq!(two.text(&sql).await, "t");
    one.run("commit").await;
}

#[tokio::test]
async fn a_stale_snapshot_is_told_to_retry() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_task('t')").await;
    one.run("begin isolation level repeatable read; select count(*) from tasks").await;
    two.text(&format!("select update_task_status('{id}', 'deferred')")).await;
    let sql = format!("select update_task_status('{id}', 'in_progress')");
    assert_eq!(one.sqlstate(&sql).await, "40001");
}
