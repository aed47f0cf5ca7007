//! Tasks: creation, changes of status, the tree and its completion.

use serde_json::json;

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn task(session: &Session, title: &str, parent: Option<&str>) -> String {
    let parent = parent.map_or("null".to_owned(), |parent| format!("'{parent}'"));
    session.text(&format!("select create_task('{title}', p_parent_task_id => {parent})")).await
}

async fn move_to(session: &Session, task: &str, statuses: &[&str]) {
    for status in statuses {
        let sql = format!("select update_task_status('{task}', '{status}', 'agent', 'because')");
        assert_eq!(session.text(&sql).await, "t", "{status}");
    }
}

async fn column(session: &Session, task: &str, column: &str) -> String {
    session.text(&format!("select {column} from tasks where id = '{task}'")).await
}

#[tokio::test]
async fn a_task_is_stored_as_described() {
    let session = fresh().await;
    let parent = task(&session, "parent", None).await;
    let sql = format!(
        "select create_task('Fix it', 'because', 'bug_fix', 7, 'ann', '{parent}', \
         '[\"quick\"]', '{{\"k\": 1}}')"
    );
    let id = session.text(&sql).await;
    let all = "concat_ws('|', title, description, type, priority, assigned_to, status, \
        requirements, metadata, complexity_score, completed_at is null)";
    let stored = column(&session, &id, all).await;
    assert_eq!(stored, "Fix it|because|bug_fix|7|ann|pending|[\"quick\"]|{\"k\": 1}|5|t");
    assert_eq!(column(&session, &id, "parent_task_id").await, parent);
}

#[tokio::test]
async fn null_means_the_default_where_there_is_one() {
    let session = fresh().await;
    let sql = "select create_task('t', null, null, null, null, null, null, null)";
    let id = session.text(sql).await;
    let all = "concat_ws('|', type, priority, requirements, metadata)";
    assert_eq!(column(&session, &id, all).await, "general|0|[]|{}");
}

#[tokio::test]
async fn a_refused_task_says_why() {
    let session = fresh().await;
    let refusal = session.refusal("select create_task(E' \\t\\n')").await;
    assert_eq!(refusal.sqlstate, "23514");
    assert_eq!(refusal.constraint, "tasks.tasks_title_check");
    assert_eq!(refusal.hint, "Pass at least one visible character.");

    let refusal = session.refusal("select create_task(repeat('é', 256))").await;
    assert_eq!(refusal.sqlstate, "22001");
    assert_eq!(refusal.message, "p_title has 256 characters, at most 255 fit");
    let expected = json!({ "argument": "p_title", "length": 256, "length_max": 255 });
    assert_eq!(refusal.detail, expected);
    session.text("select create_task(repeat('é', 255))").await;

    let refusal = session.refusal("select create_task('t', p_priority => 11)").await;
    assert_eq!(
        (refusal.sqlstate.as_str(), refusal.constraint.as_str()),
        ("23514", "tasks.tasks_priority_check")
    );

    let missing = format!("select create_task('t', p_parent_task_id => '{NOBODY}')");
    let refusal = session.refusal(&missing).await;
    assert_eq!(refusal.sqlstate, "23503");
    assert_eq!(refusal.constraint, "tasks.tasks_parent_task_id_fkey");
    assert_eq!(refusal.detail, json!({ "parent_task_id": NOBODY }));
    assert_eq!(session.text("select count(*) from tasks").await, "1");
}

#[tokio::test]
async fn each_argument_has_its_sqlstate() {
    let session = fresh().await;
    for (arguments, sqlstate) in [
        ("null", "22004"),
        ("'t', p_type => 'epic'", "22023"),
        ("'t', p_type => repeat('x', 51)", "22001"),
        ("'t', p_priority => -1", "23514"),
        ("'t', p_assigned_to => repeat('x', 256)", "22001"),
        ("'t', p_metadata => '[]'", "22023"),
        ("'t', p_metadata => '\"text\"'", "22023"),
    ] {
        let sql = format!("select create_task({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn a_large_document_is_stored_whole() {
    let session = fresh().await;
    let sql = "select create_task('t', p_metadata => \
        jsonb_build_object('text', repeat(md5('x'), 20000)))";
    let id = session.text(sql).await;
    assert_eq!(column(&session, &id, "length(metadata ->> 'text')").await, "640000");
    // The same document once it comes compressed out of a table.
    let copy =
        format!("select create_task('u', p_metadata => metadata) from tasks where id = '{id}'");
    let copy = session.text(&copy).await;
    assert_eq!(column(&session, &copy, "length(metadata ->> 'text')").await, "640000");
}

#[tokio::test]
async fn every_change_of_status_is_recorded() {
    let session = fresh().await;
    let id = task(&session, "t", None).await;
    move_to(&session, &id, &["in-progress", "review", "done"]).await;
    assert_eq!(column(&session, &id, "status").await, "completed");
    assert_eq!(column(&session, &id, "completed_at is not null").await, "t");
    let trail = "(select string_agg(concat_ws(':', kind, from_status, to_status), ' ' order by seq) \
        from task_events where task_id = tasks.id)";
    let expected = "created:pending status_changed:pending:in_progress \
        status_changed:in_progress:review status_changed:review:completed";
    assert_eq!(column(&session, &id, trail).await, expected);
    let last = "(select concat_ws('|', actor, payload) from task_events order by seq desc limit 1)";
    let expected = r#"postgres|{"user": "agent", "notes": "because"}"#;
    assert_eq!(column(&session, &id, last).await, expected);
    move_to(&session, &id, &["in_progress"]).await;
    assert_eq!(column(&session, &id, "completed_at is null").await, "t");
}

#[tokio::test]
async fn the_status_a_task_has_already_writes_nothing() {
    let session = fresh().await;
    let id = task(&session, "t", None).await;
    let before = column(&session, &id, "concat(xmin, ctid, metadata)").await;
    move_to(&session, &id, &["pending", "todo", "open"]).await;
    assert_eq!(column(&session, &id, "concat(xmin, ctid, metadata)").await, before);
}

#[tokio::test]
async fn a_change_that_is_not_allowed_names_those_that_are() {
    let session = fresh().await;
    let id = task(&session, "t", None).await;
    let refusal = session.refusal(&format!("select update_task_status('{id}', 'done')")).await;
    assert_eq!(refusal.sqlstate, "55000");
    assert_eq!(refusal.message, "a task cannot go from pending to completed");
    let allowed = ["in_progress", "blocked", "deferred", "cancelled"];
    let expected =
        json!({ "task_id": id, "from": "pending", "to": "completed", "allowed": allowed });
    assert_eq!(refusal.detail, expected);
    assert_eq!(refusal.hint, "Allowed from pending: in_progress, blocked, deferred, cancelled.");
}

#[tokio::test]
async fn the_arguments_of_a_change_are_checked() {
    let session = fresh().await;
    let id = task(&session, "t", None).await;
    for (arguments, sqlstate) in [
        (format!("'{NOBODY}', 'blocked'"), "P0002"),
        ("null, 'blocked'".to_owned(), "22004"),
        (format!("'{id}', null"), "22004"),
        (format!("'{id}', 'Blocked'"), "22023"),
        (format!("'{id}', 'blocked', repeat('x', 256)"), "22001"),
        (format!("'{id}', 'blocked', null, repeat('x', 4001)"), "22001"),
    ] {
        let sql = format!("select update_task_status({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn a_task_completes_after_its_subtasks() {
    let session = fresh().await;
    let root = task(&session, "root", None).await;
    let one = task(&session, "one", Some(&root)).await;
    let two = task(&session, "two", Some(&root)).await;
    move_to(&session, &root, &["in_progress"]).await;
    move_to(&session, &one, &["in_progress", "failed"]).await;
    let complete = format!("select update_task_status('{root}', 'completed')");
    let refusal = session.refusal(&complete).await;
    assert_eq!(refusal.sqlstate, "55000");
    assert_eq!(refusal.detail, json!({ "task_id": root, "open_subtasks": 2 }));
    move_to(&session, &one, &["cancelled"]).await;
    move_to(&session, &two, &["in_progress", "completed"]).await;
    assert_eq!(session.text(&complete).await, "t");
}

#[tokio::test]
async fn defect_01_the_hierarchy_can_be_read() {
    let session = fresh().await;
    let root = task(&session, "root", None).await;
    let b = task(&session, "b", Some(&root)).await;
    task(&session, "a", Some(&root)).await;
    task(&session, "c", Some(&b)).await;
    let sql = format!("select title, status, level, path from get_task_hierarchy('{root}')");
    let rows = session.rows(&sql).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(
        rows,
        [
            "root|pending|0|root",
            "a|pending|1|root > a",
            "b|pending|1|root > b",
            "c|pending|2|root > b > c"
        ]
    );
    let nobody = format!("select * from get_task_hierarchy('{NOBODY}')");
    assert_eq!(session.rows(&nobody).await, Ok(Vec::new()));
}

#[tokio::test]
async fn equal_titles_are_ordered_by_id() {
    let session = fresh().await;
    let root = task(&session, "root", None).await;
    for _ in 0..20 {
        task(&session, "same", Some(&root)).await;
    }
    let sql = format!(
        "select array_agg(task_id order by n) = array_agg(task_id order by level, title, task_id) \
         from get_task_hierarchy('{root}') with ordinality as h(task_id, title, s, level, p, n)"
    );
    assert_eq!(session.text(&sql).await, "t");
}

#[tokio::test]
async fn a_cycle_of_parents_ends() {
    let session = fresh().await;
    let one = task(&session, "one", None).await;
    let two = task(&session, "two", Some(&one)).await;
    let three = task(&session, "three", Some(&two)).await;
    session.run(&format!("update tasks set parent_task_id = '{three}' where id = '{one}'")).await;
    for id in [&one, &two, &three] {
        let count = format!("select count(*) from get_task_hierarchy('{id}')");
        assert_eq!(session.text(&count).await, "3");
        let completion = format!("select calculate_task_completion('{id}')");
        assert_eq!(session.text(&completion).await, "0.00");
    }
}

#[tokio::test]
async fn depth_is_bounded() {
    let session = fresh().await;
    let mut id = task(&session, "0", None).await;
    let root = id.clone();
    for level in 1..=100 {
        id = task(&session, &level.to_string(), Some(&id)).await;
    }
    let count = format!("select count(*) from get_task_hierarchy('{root}')");
    assert_eq!(session.text(&count).await, "101");
    task(&session, "101", Some(&id)).await;
    for sql in [count, format!("select calculate_task_completion('{root}')")] {
        let refusal = session.refusal(&sql).await;
        assert_eq!(refusal.sqlstate, "54001");
        assert_eq!(refusal.detail, json!({ "task_id": root, "depth_max": 100 }));
    }
}

#[tokio::test]
async fn completion_is_the_mean_of_the_subtasks() {
    let session = fresh().await;
    let root = task(&session, "root", None).await;
    let completion = format!("select calculate_task_completion('{root}')");
    assert_eq!(session.text(&completion).await, "0.00");
    let one = task(&session, "one", Some(&root)).await;
    let two = task(&session, "two", Some(&root)).await;
    let three = task(&session, "three", Some(&root)).await;
    move_to(&session, &one, &["in_progress", "completed"]).await;
    assert_eq!(session.text(&completion).await, "33.33");
    let below = task(&session, "below", Some(&two)).await;
    task(&session, "beside", Some(&two)).await;
    move_to(&session, &below, &["in_progress", "completed"]).await;
    assert_eq!(session.text(&completion).await, "50.00");
    move_to(&session, &three, &["cancelled"]).await;
    assert_eq!(session.text(&completion).await, "75.00");
}

#[tokio::test]
async fn completion_of_a_missing_task_is_refused() {
    let session = fresh().await;
    let refusal = session.refusal(&format!("select calculate_task_completion('{NOBODY}')")).await;
    assert_eq!(refusal.sqlstate, "P0002");
    assert_eq!(refusal.message, format!("task {NOBODY} does not exist"));
    assert_eq!(session.text("select calculate_task_completion(null)").await, "NULL");
}

#[tokio::test]
async fn a_caught_refusal_leaves_the_session_in_order() {
    let session = fresh().await;
    session
        .run(
            "do $$ begin \
               begin perform create_task(''); exception when check_violation then null; end; \
               begin perform update_task_status(gen_random_uuid(), 'done'); \
               exception when no_data_found then null; end; \
               perform create_task('kept'); end $$",
        )
        .await;
    assert_eq!(session.text("select string_agg(title, ',') from tasks").await, "kept");
}

#[tokio::test]
async fn an_error_of_a_trigger_comes_through_as_it_is() {
    let session = fresh().await;
    session
        .run(
            "create function no() returns trigger language plpgsql as $$ begin raise exception \
             using errcode = 'TM001', message = 'no', detail = 'd', hint = 'h', \
             constraint = 'c', table = 't'; end $$; \
             create trigger no before insert on tasks for each row execute function no()",
        )
        .await;
    let refusal = session.refusal("select create_task('t')").await;
    assert_eq!(refusal.sqlstate, "TM001");
    assert_eq!((refusal.message.as_str(), refusal.hint.as_str()), ("no", "h"));
    assert_eq!((refusal.detail, refusal.constraint.as_str()), (json!("d"), "t.c"));
}
