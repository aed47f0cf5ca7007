//! The queue as a whole: what should come next, and what is not wanted any more.

use super::session::fresh;

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn the_next_task_is_a_subtask_of_the_work_at_hand_then_the_most_urgent() {
    let session = fresh().await;
    let parent = session.text("select create_task('parent')").await;
    session
        .run(&format!(
            "select update_task_status('{parent}', 'in_progress'); \
             select create_task('urgent', p_priority => 9); select create_task('anns', \
               p_assigned_to => 'ann', p_type => 'test'); \
             select create_task('below', p_parent_task_id => '{parent}')"
        ))
        .await;
    let next = async |arguments: &str| {
        let sql = format!("select string_agg(title, ',') from next_task({arguments})");
        session.text(&sql).await
    };
    assert_eq!(next("").await, "below");
    assert_eq!(next("p_limit => 9").await, "below,urgent,anns");
    assert_eq!(next("'bob', p_limit => 9").await, "below,urgent");
    assert_eq!(next("'ann', '{test}', 9").await, "anns");
    assert_eq!(session.text("select count(*) from tasks where status <> 'pending'").await, "1");
    assert_eq!(session.sqlstate("select next_task(p_limit => 0)").await, "22023");
}

#[tokio::test]
async fn a_cancellation_may_take_what_is_below_along() {
    let session = fresh().await;
    let root = session.text("select create_task('root')").await;
    let child = format!("select create_task('child', p_parent_task_id => '{root}')");
    let child = session.text(&child).await;
    session
        .run(&format!(
            "select create_task('leaf', p_parent_task_id => '{child}'); \
             select create_task('done', p_parent_task_id => '{child}'); \
             update tasks set status = 'completed' where title = 'done'; \
             select create_task('next', p_depends_on => array['{child}'::uuid]); \
             update task_dependencies set satisfied_by = '{{cancelled}}'"
        ))
        .await;
    let cancel = format!("select cancel_task('{root}', 'not needed', true)");
    assert_eq!(session.text(&cancel).await, "3");
    assert_eq!(session.text(&cancel).await, "0", "it is cancelled already");
    let stored = "select string_agg(concat_ws(':', title, status, open_deps), ' ' order by title) from tasks";
    let expected =
        "child:cancelled:0 done:completed:0 leaf:cancelled:0 next:pending:0 root:cancelled:0";
    assert_eq!(session.text(stored).await, expected);
    let reasons = "select count(*) from task_events where payload ->> 'reason' = 'not needed'";
    assert_eq!(session.text(reasons).await, "3");
    let done = "select cancel_task(id) from tasks where title = 'done'";
    assert_eq!(session.sqlstate(done).await, "55000");
    assert_eq!(session.sqlstate(&format!("select cancel_task('{NOBODY}')")).await, "P0002");
    assert_eq!(session.sqlstate("select cancel_task(null)").await, "22004");
    let long = format!("select cancel_task('{root}', repeat('x', 4001))");
    assert_eq!(session.sqlstate(&long).await, "22001");
}

#[tokio::test]
async fn only_the_failed_tasks_that_fit_are_redriven() {
    let session = fresh().await;
    session
        .run(
            "select create_task('a', p_tags => '[\"x\"]'), create_task('b', p_assigned_to => 'ann'), \
             create_task('c'); update tasks set status = 'failed', attempt = 3 where title <> 'c'",
        )
        .await;
    for (filter, count) in [
        ("{\"tags\": [\"y\"]}", "0"),
        ("{\"status\": \"pending\"}", "0"),
        ("{\"tags\": [\"x\"], \"status\": \"failed\"}", "1"),
        ("{\"assigned_to\": \"ann\", \"type\": \"general\"}", "1"),
        ("{}", "0"),
    ] {
        let sql = format!("select redrive_tasks('{filter}')");
        assert_eq!(session.text(&sql).await, count, "{filter}");
    }
    for filter in ["[]", "{\"titel\": 1}", "{\"ids\": [\"x\"]}"] {
        assert_eq!(session.sqlstate(&format!("select redrive_tasks('{filter}')")).await, "22023");
    }
}
