//! Leases: who gets which task, who may report on it, and what becomes of it.

use harness::{Cluster, wait};
use serde_json::{Value, json};

use super::concurrency::pair;
use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

/// Claims as worker `w` and gives id and token of the only task.
async fn claim(session: &Session) -> (String, String) {
    let mut rows = session.rows("select task_id, claim_token from claim_task('w')").await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows.remove(0);
    (row[0].clone(), row[1].clone())
}

async fn column(session: &Session, column: &str) -> String {
    session.text(&format!("select {column} from tasks where title = 't'")).await
}

#[tokio::test]
async fn a_claim_takes_the_most_urgent_ready_task_with_what_the_worker_needs() {
    let session = fresh().await;
    session
        .run(
            "select create_task('low'), create_task('t', 'do it', 'bug_fix', 7, p_tags => '[\"a\"]'), \
             create_task('later', p_priority => 9, p_run_after => now() + '1 day'), \
             create_task('other', p_priority => 9, p_assigned_to => 'ann')",
        )
        .await;
    let sql =
        "select title, attempt, claim_expires_at > now(), payload from claim_task('w', '1 hour')";
    let rows = session.rows(sql).await.unwrap();
    assert_eq!(rows[0][..3], ["t", "1", "t"]);
    let payload: Value = serde_json::from_str(&rows[0][3]).unwrap();
    assert_eq!((&payload["description"], &payload["tags"]), (&json!("do it"), &json!(["a"])));
    assert_eq!(payload["type"], "bug_fix");
    let stored =
        column(&session, "concat_ws('|', status, claimed_by, attempt, heartbeat_at is not null)");
    assert_eq!(stored.await, "in_progress|w|1|t");
    let event = "select concat_ws('|', kind, from_status, to_status, payload ->> 'worker') \
        from task_events order by seq desc limit 1";
    assert_eq!(session.text(event).await, "claimed|pending|in_progress|w");
    let ann = "select string_agg(title, ',') from claim_task('ann', p_limit => 5)";
    assert_eq!(session.text(ann).await, "other,low");
}

#[tokio::test]
async fn a_claim_may_name_types_tags_and_one_task() {
    let session = fresh().await;
    let id = session.text("select create_task('a', p_type => 'test')").await;
    session.run("select create_task('b', p_tags => '[\"x\", \"y\"]'), create_task('c')").await;
    let title = async |arguments: &str| {
        let sql =
            format!("select coalesce(string_agg(title, ','), 'none') from claim_task({arguments})");
        session.text(&sql).await
    };
    assert_eq!(title("'w', p_types => '{feature}'").await, "none");
    assert_eq!(title("'w', p_tags => '[\"y\"]'").await, "b");
    assert_eq!(title(&format!("'w', p_task_id => '{id}'")).await, "a");
    assert_eq!(title(&format!("'w', p_task_id => '{id}'")).await, "none");
    assert_eq!(
        session.sqlstate(&format!("select claim_task('w', p_task_id => '{NOBODY}')")).await,
        "P0002"
    );
    assert_eq!(title("'w', p_types => '{test,general}', p_limit => 10").await, "c");
}

#[tokio::test]
async fn a_parent_is_taken_after_its_subtasks() {
    let session = fresh().await;
    let parent = session.text("select create_task('parent', p_priority => 9)").await;
    session.text(&format!("select create_task('t', p_parent_task_id => '{parent}')")).await;
    let (id, token) = claim(&session).await;
    assert_eq!(column(&session, "claimed_by").await, "w");
    session.run(&format!("select complete_task('{id}', {token})")).await;
    assert_eq!(claim(&session).await.0, parent);
}

#[tokio::test]
async fn each_argument_has_its_sqlstate() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    for (call, sqlstate) in [
        ("claim_task(null)".to_owned(), "22004"),
        ("claim_task(' ')".to_owned(), "22023"),
        ("claim_task('w', '0')".to_owned(), "22023"),
        ("claim_task('w', '8 days')".to_owned(), "22023"),
        ("claim_task('w', p_limit => 0)".to_owned(), "22023"),
        ("claim_task(repeat('x', 256))".to_owned(), "22001"),
        ("heartbeat(null, 1)".to_owned(), "22004"),
        (format!("heartbeat('{id}', null)"), "22004"),
        (format!("heartbeat('{id}', 1, '-1 s')"), "22023"),
        (format!("heartbeat('{NOBODY}', 1)"), "P0002"),
        (format!("complete_task('{NOBODY}')"), "P0002"),
        (format!("complete_task('{id}')"), "55000"),
        (format!("complete_task('{id}', 1)"), "55006"),
        (format!("complete_task('{id}', p_actual_hours => 'NaN')"), "22023"),
        (format!("fail_task('{NOBODY}')"), "P0002"),
        (format!("fail_task('{id}')"), "55000"),
        (format!("fail_task('{id}', p_retry_after => '-1 s')"), "22023"),
        (format!("release_task('{id}', 1)"), "55006"),
        (format!("release_task('{id}', null)"), "22004"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
}

#[tokio::test]
async fn a_worker_that_comes_late_is_refused_by_its_token() {
    let session = fresh().await;
    session.run("select create_task('t')").await;
    let (id, old) = claim(&session).await;
    session.run("update tasks set claim_expires_at = now() - interval '1 s'").await;
    assert_eq!(session.text("select requeue_expired()").await, "1");
    let (_, new) = claim(&session).await;
    assert!(new.parse::<i64>().unwrap() > old.parse::<i64>().unwrap());
    for call in [
        "complete_task('ID', OLD)",
        "fail_task('ID', OLD)",
        "release_task('ID', OLD)",
        "update_task_status('ID', 'review', p_claim_token => OLD)",
    ] {
        let sql = format!("select {}", call.replace("ID", &id).replace("OLD", &old));
        let refusal = session.refusal(&sql).await;
        assert_eq!(refusal.sqlstate, "55006", "{sql}");
        assert_eq!(refusal.message, format!("the lease with token {old} is over"));
    }
    let beat = format!("select concat_ws('|', ok, cancel_requested) from heartbeat('{id}', {old})");
    assert_eq!(session.text(&beat).await, "f|f");
    let outsider = session.refusal(&format!("select update_task_status('{id}', 'review')")).await;
    assert_eq!((&*outsider.sqlstate, &*outsider.message), ("55006", "the task is leased to w"));
    session.run(&format!("select complete_task('{id}', {new})")).await;
    session.run(&format!("select complete_task('{id}', {new})")).await;
    let completed = "select count(*) from task_events where kind = 'completed'";
    assert_eq!(session.text(completed).await, "1", "a report that is sent again is no second one");
}

#[tokio::test]
async fn a_heartbeat_prolongs_the_lease_and_tells_of_a_cancellation() {
    let session = fresh().await;
    session.run("select create_task('t')").await;
    let (id, token) = claim(&session).await;
    for n in [1, 2] {
        let beat = format!(
            "select concat_ws('|', ok, cancel_requested, claim_expires_at > now() + '50 min') \
             from heartbeat('{id}', {token}, '1 hour', '{{\"done\": {n}}}')"
        );
        assert_eq!(session.text(&beat).await, "t|f|t");
    }
    let progress = "select string_agg(context_type || context_data, ' ') from task_contexts";
    assert_eq!(session.text(progress).await, "progress{\"done\": 2}");
    assert_eq!(session.text(&format!("select cancel_task('{id}', 'no')")).await, "1");
    let beat =
        format!("select concat_ws('|', ok, cancel_requested) from heartbeat('{id}', {token})");
    assert_eq!(session.text(&beat).await, "f|t");
    assert_eq!(session.sqlstate(&format!("select complete_task('{id}', {token})")).await, "55006");
}

#[tokio::test]
async fn a_heartbeat_writes_no_index() {
    let session = fresh().await;
    session.run("select create_task('t')").await;
    let (id, token) = claim(&session).await;
    session.run(&format!("select heartbeat('{id}', {token}) from generate_series(1, 5)")).await;
    // Counted when the transaction has reported, which a new statement makes it do at the latest.
    wait::until("the updates are counted as heap-only", async || {
        session.run("select pg_stat_force_next_flush()").await;
        let sql = "select n_tup_hot_upd >= 5 from pg_stat_user_tables where relname = 'tasks'";
        session.text(sql).await == "t"
    })
    .await;
}

#[tokio::test]
async fn a_completed_task_keeps_its_result_and_unblocks_others() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    let next = format!("select create_task('next', p_depends_on => array['{id}'::uuid])");
    let next = session.text(&next).await;
    let (_, token) = claim(&session).await;
    let sql = format!("select unblocked from complete_task('{id}', {token}, '{{\"pr\": 7}}', 1.5)");
    assert_eq!(session.text(&sql).await, next);
    let stored =
        "concat_ws('|', status, actual_hours, completed_at is not null, claimed_by, open_deps)";
    assert_eq!(column(&session, stored).await, "completed|1.50|t|0");
    let result = "select concat_ws('|', context_type, attempt, context_data) from task_contexts";
    assert_eq!(session.text(result).await, "result|1|{\"pr\": 7}");
}

#[tokio::test]
async fn a_failed_task_is_tried_again_later_until_its_attempts_are_used_up() {
    let session = fresh().await;
    session.run("select create_task('t', p_max_attempts => 2)").await;
    let (id, token) = claim(&session).await;
    let fail = format!(
        "select concat_ws('|', status, run_after > now()) from fail_task('{id}', {token}, '{{\"e\": 1}}')"
    );
    assert_eq!(session.text(&fail).await, "pending|t");
    assert_eq!(session.text("select count(*) from claim_task('w')").await, "0", "it backs off");
    session.run("update tasks set run_after = now() - interval '1 s'").await;
    let (_, token) = claim(&session).await;
    let fail = format!("select concat_ws('|', status, run_after) from fail_task('{id}', {token})");
    assert_eq!(session.text(&fail).await, "failed");
    assert_eq!(session.text(&fail).await, "failed", "a report that is sent again");
    assert_eq!(session.text("select redrive_tasks('{\"type\": \"test\"}')").await, "0");
    assert_eq!(session.text("select redrive_tasks()").await, "1");
    assert_eq!(column(&session, "concat_ws('|', status, attempt)").await, "pending|0");
    let (_, token) = claim(&session).await;
    let sql = format!("select status from fail_task('{id}', {token}, p_retryable => false)");
    assert_eq!(session.text(&sql).await, "failed");
    let log = "select string_agg(kind, ' ' order by seq) from task_events";
    let expected = "created claimed retried claimed failed redriven claimed failed";
    assert_eq!(session.text(log).await, expected);
}

#[tokio::test]
async fn a_released_task_has_lost_no_attempt() {
    let session = fresh().await;
    session.run("select create_task('t')").await;
    let (id, token) = claim(&session).await;
    session.run(&format!("select release_task('{id}', {token})")).await;
    let stored = "concat_ws('|', status, attempt, claimed_by, run_after)";
    assert_eq!(column(&session, stored).await, "pending|0");
    let (_, token) = claim(&session).await;
    session.run(&format!("select release_task('{id}', {token}, '1 hour')")).await;
    assert_eq!(session.text("select count(*) from claim_task('w')").await, "0");
    let now = format!("select status from fail_task('{id}', p_retry_after => '0')");
    assert_eq!(session.sqlstate(&now).await, "55000", "nobody is at work on it");
}

#[tokio::test]
async fn leases_that_nobody_renewed_are_taken_away() {
    let session = fresh().await;
    session.run("select create_task('t', p_max_attempts => 1), create_task('u')").await;
    session.run("select claim_task('w', p_limit => 2)").await;
    assert_eq!(session.text("select requeue_expired()").await, "0");
    session.run("update tasks set claim_expires_at = now() - interval '1 s'").await;
    assert_eq!(session.text("select requeue_expired(1)").await, "1");
    assert_eq!(session.text("select requeue_expired()").await, "1");
    let stored = "select string_agg(concat_ws(':', title, status), ' ' order by title) from tasks";
    assert_eq!(session.text(stored).await, "t:failed u:pending");
    let log = "select string_agg(payload ->> 'worker', ' ') from task_events where kind = 'lease_expired'";
    assert_eq!(session.text(log).await, "w w");
}

#[tokio::test]
async fn force_takes_a_lease_away() {
    let session = fresh().await;
    session.run("select create_task('t')").await;
    let (id, token) = claim(&session).await;
    session
        .run(&format!("select update_task_status('{id}', 'pending', 'op', p_force => true)"))
        .await;
    assert_eq!(column(&session, "concat_ws('|', status, claimed_by)").await, "pending");
    assert_eq!(session.sqlstate(&format!("select complete_task('{id}', {token})")).await, "55006");
    session.run(&format!("select update_task_status('{id}', 'completed', p_force => true)")).await;
    assert_eq!(column(&session, "status").await, "completed");
}

#[tokio::test]
async fn two_claims_at_once_take_different_tasks_and_wait_for_nobody() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    one.run("select create_task('a'), create_task('b', p_priority => 1)").await;
    two.run("set lock_timeout = '20s'").await;
    one.run("begin; select claim_task('one')").await;
    let title = "select string_agg(title, ',') from claim_task('two', p_limit => 2)";
    assert_eq!(two.text(title).await, "a");
    one.run("commit").await;
    let held =
        "select string_agg(concat_ws(':', title, claimed_by), ' ' order by title) from tasks";
    assert_eq!(one.text(held).await, "a:two b:one");
}

#[tokio::test]
async fn tasks_with_a_file_in_common_are_not_worked_on_at_once() {
    let session = fresh().await;
    session
        .run(
            "select create_task('a', p_affected_files => '[\"x\", \"y\"]', p_priority => 3), \
             create_task('b', p_affected_files => '[\"y\", \"z\"]', p_priority => 2), \
             create_task('c', p_affected_files => '[\"w\"]', p_priority => 1)",
        )
        .await;
    let claim =
        "select coalesce(string_agg(title, ','), 'none') from claim_task('w', p_limit => 5)";
    assert_eq!(session.text(claim).await, "a,c");
    assert_eq!(session.text(claim).await, "none");
    let allowed = "select title from claim_task('w', p_avoid_file_overlap => false)";
    assert_eq!(session.text(allowed).await, "b");
}

#[tokio::test]
async fn two_claims_at_once_do_not_both_win_a_file() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    one.run(
        "select create_task('a', p_affected_files => '[\"x\"]', p_priority => 1), \
         create_task('b', p_affected_files => '[\"x\"]')",
    )
    .await;
    two.run("set lock_timeout = '20s'").await;
    let claim = "select coalesce(string_agg(title, ','), 'none') from claim_task('two')";
    one.run("begin; select claim_task('one')").await;
    assert_eq!(two.text(claim).await, "none", "the other has not committed");
    one.run("commit").await;
    assert_eq!(two.text(claim).await, "none", "the other is at work");
    one.run("select complete_task(id, claim_token) from tasks where title = 'a'").await;
    two.run("begin isolation level repeatable read").await;
    assert_eq!(two.sqlstate(claim).await, "25001", "an old snapshot cannot tell");
    two.run("rollback").await;
    assert_eq!(two.text(claim).await, "b");
}
