//! Tasks that wait for tasks: what is refused, what is counted, and why a task is not ready.

use harness::Cluster;
use serde_json::{Value, json};

use super::concurrency::{behind, pair};
use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn task(session: &Session, title: &str) -> String {
    session.text(&format!("select create_task('{title}')")).await
}

async fn wait_for(session: &Session, task: &str, other: &str) -> String {
    session.text(&format!("select add_dependency('{task}', '{other}')")).await
}

async fn open(session: &Session, task: &str) -> String {
    session.text(&format!("select open_deps from tasks where id = '{task}'")).await
}

#[tokio::test]
async fn a_task_waits_for_another_until_that_completes() {
    let session = fresh().await;
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    assert_eq!(wait_for(&session, &b, &a).await, "t");
    assert_eq!(wait_for(&session, &b, &a).await, "f", "it is there already");
    assert_eq!(open(&session, &b).await, "1");
    let start = format!("select update_task_status('{b}', 'in_progress')");
    let refusal = session.refusal(&start).await;
    assert_eq!(refusal.sqlstate, "55000");
    assert_eq!(refusal.detail, json!({ "task_id": b, "open_deps": 1, "open_gates": 0 }));
    for status in ["in_progress", "completed"] {
        session.text(&format!("select update_task_status('{a}', '{status}')")).await;
    }
    assert_eq!(open(&session, &b).await, "0");
    assert_eq!(session.text(&start).await, "t");
    session.text(&format!("select update_task_status('{a}', 'in_progress')")).await;
    assert_eq!(open(&session, &b).await, "1", "it was opened again");
}

#[tokio::test]
async fn a_dependency_may_be_content_with_other_ends_and_may_be_removed() {
    let session = fresh().await;
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    wait_for(&session, &b, &a).await;
    session.text(&format!("select cancel_task('{a}')")).await;
    assert_eq!(open(&session, &b).await, "1", "a cancelled prerequisite must be seen");
    let widen =
        format!("select add_dependency('{b}', '{a}', p_satisfied_by => '{{done,canceled}}')");
    assert_eq!(session.text(&widen).await, "t");
    assert_eq!(session.text(&widen).await, "f");
    assert_eq!(open(&session, &b).await, "0");
    let remove = format!("select remove_dependency('{b}', '{a}')");
    assert_eq!(session.text(&remove).await, "t");
    assert_eq!(session.text(&remove).await, "f");
    session.text(&format!("select add_dependency('{b}', '{a}', 'related')")).await;
    assert_eq!(open(&session, &b).await, "0", "related tasks do not block");
    let kinds = "select string_agg(kind, ' ' order by seq) from task_events where task_id = \
        (select id from tasks where title = 'b') and kind <> 'created'";
    let expected = "dependency_added dependency_added dependency_removed dependency_added";
    assert_eq!(session.text(kinds).await, expected);
}

#[tokio::test]
async fn each_argument_of_a_dependency_has_its_sqlstate() {
    let session = fresh().await;
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    for (arguments, sqlstate) in [
        (format!("null, '{a}'"), "22004"),
        (format!("'{a}', null"), "22004"),
        (format!("'{a}', '{NOBODY}'"), "P0002"),
        (format!("'{NOBODY}', '{a}'"), "P0002"),
        (format!("'{a}', '{a}'"), "23514"),
        (format!("'{a}', '{b}', 'subtask'"), "22023"),
        (format!("'{a}', '{b}', p_satisfied_by => '{{pending}}'"), "22023"),
        (format!("'{a}', '{b}', p_satisfied_by => '{{}}'"), "22023"),
        (format!("'{a}', '{b}', p_satisfied_by => '{{null}}'"), "22004"),
    ] {
        let sql = format!("select add_dependency({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn defect_06_a_cycle_of_three_is_refused_and_named() {
    let session = fresh().await;
    let a = task(&session, "a").await;
    let b =
        session.text(&format!("select create_task('b', p_depends_on => array['{a}'::uuid])")).await;
    let c =
        session.text(&format!("select create_task('c', p_depends_on => array['{b}'::uuid])")).await;
    let refusal = session.refusal(&format!("select add_dependency('{a}', '{c}')")).await;
    assert_eq!(refusal.sqlstate, "23514");
    assert_eq!(refusal.constraint, "task_dependencies.task_dependencies_acyclic");
    assert_eq!(refusal.detail, json!({ "path": [a, c, b, a] }));
    assert_eq!(refusal.hint, "Remove one of the dependencies on the path first.");
}

#[tokio::test]
async fn halves_of_a_cycle_from_two_sessions_do_not_meet() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let (a, b) = (task(&one, "a").await, task(&one, "b").await);
    one.run(&format!("begin; select add_dependency('{a}', '{b}')")).await;
    let sql = format!("select add_dependency('{b}', '{a}')");
    assert_eq!(behind(&one, two.sqlstate(&sql)).await, "23514");
}

#[tokio::test]
async fn two_prerequisites_that_complete_at_once_are_both_counted() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let (a, b, c) = (task(&one, "a").await, task(&one, "b").await, task(&one, "c").await);
    for other in [&a, &b] {
        wait_for(&one, &c, other).await;
        one.text(&format!("select update_task_status('{other}', 'in_progress')")).await;
    }
    one.run(&format!("begin; select complete_task('{a}')")).await;
    let sql = format!("select unblocked from complete_task('{b}')");
    assert_eq!(behind(&one, two.text(&sql)).await, c, "the second one sees what the first did");
    assert_eq!(open(&one, &c).await, "0");
}

#[tokio::test]
async fn what_a_task_waits_for_is_explained() {
    let session = fresh().await;
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    let explain = format!("select explain_not_ready('{b}')");
    let explained: Value = serde_json::from_str(&session.text(&explain).await).unwrap();
    assert_eq!(explained, json!({ "task_id": b, "title": "b", "ready": true, "reasons": [] }));
    wait_for(&session, &b, &a).await;
    session
        .run(&format!(
            "select add_gate('{b}', 'human', '{{}}'); \
             select create_task('below', p_parent_task_id => '{b}'); \
             update tasks set run_after = now() + '1 hour' where id = '{b}'; \
             update tasks set affected_files = '[\"x\"]'; \
             select claim_task('w', p_task_id => '{a}')"
        ))
        .await;
    let reasons = format!(
        "select string_agg(r ->> 'reason', ' ' order by n) from jsonb_array_elements( \
         explain_not_ready('{b}') -> 'reasons') with ordinality as e(r, n)"
    );
    assert_eq!(session.text(&reasons).await, "dependency gate run_after subtask files");
    let claimed = format!("select explain_not_ready('{a}') #>> '{{reasons,1,claimed_by}}'");
    assert_eq!(session.text(&claimed).await, "w");
    assert_eq!(session.sqlstate(&format!("select explain_not_ready('{NOBODY}')")).await, "P0002");
}

#[tokio::test]
async fn the_views_show_what_is_ready_what_waits_and_what_holds_up() {
    let session = fresh().await;
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    let c = task(&session, "c").await;
    wait_for(&session, &b, &a).await;
    wait_for(&session, &c, &a).await;
    session.text(&format!("select add_gate('{c}', 'gh:pr', '{{\"pr\": 7}}')")).await;
    assert_eq!(session.text("select string_agg(title, ',') from ready_tasks").await, "a");
    let blocked = "select string_agg(concat_ws(':', title, open_deps, open_gates, \
        (select title from tasks where id = waits_for[1]), gates[1]), ' ') from blocked_tasks";
    assert_eq!(session.text(blocked).await, "b:1:0:a c:1:1:a:gh:pr");
    let blocking = "select concat_ws('|', title, waiting, cardinality(blocks)) from blocking_tasks";
    assert_eq!(session.text(blocking).await, "a|2|2");
    let words = "select concat_ws('|', status, priority, dependencies) from v_taskmaster_tasks \
        where title = 'b'";
    assert_eq!(session.text(words).await, "pending|low|{1}");
}

#[tokio::test]
async fn a_board_that_stands_still_says_why() {
    let session = fresh().await;
    assert_eq!(session.text("select count(*) from detect_stalls()").await, "0");
    let (a, b) = (task(&session, "a").await, task(&session, "b").await);
    let (c, d) = (task(&session, "c").await, task(&session, "d").await);
    wait_for(&session, &b, &a).await;
    session
        .run(&format!(
            "select cancel_task('{a}'); select claim_task('w', p_task_id => '{c}'); \
             update tasks set claim_expires_at = now() - interval '1 hour' where id = '{c}'; \
             select add_gate('{d}', 'timer', '{{\"until\": \"2001-01-01\"}}'); \
             alter table task_dependencies disable trigger user; \
             insert into task_dependencies (task_id, depends_on) values ('{c}', '{d}'), ('{d}', '{c}'); \
             alter table task_dependencies enable trigger user"
        ))
        .await;
    let stalls = "select string_agg(concat_ws(':', (select title from tasks where id = task_id), \
        reason), ' ' order by reason, task_id::text = '') from (select * from detect_stalls() \
        where reason <> 'dependency_cycle') as s";
    let expected = "b:dependency_cancelled c:lease_expired d:timer_overdue";
    assert_eq!(session.text(stalls).await, expected);
    let cycle = "select string_agg((select title from tasks where id = task_id), '' order by \
        (select title from tasks where id = task_id)) from detect_stalls() \
        where reason = 'dependency_cycle'";
    assert_eq!(session.text(cycle).await, "cd");
}
