//! Tasks by documents: many at once, changes of one, and the later arguments of `create_task`.

use harness::Cluster;
use serde_json::json;

use super::concurrency::{behind, pair};
use super::session::fresh;

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_task_takes_its_later_arguments() {
    let session = fresh().await;
    let first = session.text("select create_task('first')").await;
    let sql = format!(
        "select create_task('t', p_complexity_score => 8, p_affected_files => '[\"a.rs\"]', \
         p_acceptance_criteria => '[\"works\"]', p_tags => '[\"x\"]', p_estimated_hours => 2.5, \
         p_repository_url => 'https://x/y', p_branch_name => 'b', \
         p_depends_on => array['{first}', '{first}']::uuid[], p_run_after => 'epoch', \
         p_max_attempts => 7, p_linear_issue_id => 'L-1', p_github_issue_number => 9)"
    );
    session.run(&sql).await;
    let stored = "select concat_ws('|', complexity_score, affected_files, acceptance_criteria, tags, \
        estimated_hours, repository_url, branch_name, open_deps, run_after = 'epoch', max_attempts, \
        linear_issue_id, github_issue_number, created_by, version, display_id) from tasks where title = 't'";
    let expected = "8|[\"a.rs\"]|[\"works\"]|[\"x\"]|2.50|https://x/y|b|1|t|7|L-1|9|postgres|1|2";
    assert_eq!(session.text(stored).await, expected);
    for (arguments, sqlstate) in [
        ("p_complexity_score => 11".to_owned(), "23514"),
        ("p_affected_files => '{}'".to_owned(), "22023"),
        ("p_affected_files => '[1]'".to_owned(), "22023"),
        ("p_affected_files => '\"x\"'".to_owned(), "22023"),
        ("p_tags => '[{}]'".to_owned(), "22023"),
        ("p_acceptance_criteria => '{}'".to_owned(), "22023"),
        ("p_estimated_hours => -1".to_owned(), "22023"),
        ("p_estimated_hours => 'infinity'".to_owned(), "22023"),
        ("p_repository_url => repeat('x', 501)".to_owned(), "22001"),
        (format!("p_depends_on => array['{NOBODY}'::uuid]"), "23503"),
        ("p_depends_on => array[null::uuid]".to_owned(), "22004"),
        ("p_idempotency_key => ' '".to_owned(), "22023"),
        ("p_max_attempts => 101".to_owned(), "23514"),
        ("p_github_issue_number => 0".to_owned(), "23514"),
        ("p_linear_issue_id => 'L-1'".to_owned(), "23505"),
    ] {
        let sql = format!("select create_task('u', {arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    assert_eq!(session.text("select count(*) from tasks").await, "2");
}

#[tokio::test]
async fn a_request_that_is_sent_again_makes_nothing_new() {
    let session = fresh().await;
    let create = "select create_task('t', p_tags => '[\"x\"]', p_idempotency_key => 'k', \
        p_run_after => '2031-01-01 00:00+00')";
    let id = session.text(create).await;
    session.run("set timezone = 'Asia/Tokyo'").await;
    assert_eq!(session.text(create).await, id);
    let other = session.refusal("select create_task('u', p_idempotency_key => 'k')").await;
    assert_eq!(other.sqlstate, "23505");
    assert_eq!(other.constraint, "idempotency_keys.idempotency_keys_pkey");
    assert_eq!(other.detail, json!({ "idempotency_key": "k" }));
    session.run("update idempotency_keys set expires_at = now()").await;
    assert_ne!(session.text(create).await, id, "a key is free again when its time is over");
    assert_eq!(session.text("select count(*) from tasks").await, "2");
}

#[tokio::test]
async fn the_same_request_from_two_sessions_at_once_makes_one_task() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let create = "select create_task('t', p_idempotency_key => 'k')";
    one.run(&format!("begin; {create}")).await;
    let id = behind(&one, two.text(create)).await;
    assert_eq!(one.text("select id from tasks").await, id);
    two.run("begin isolation level repeatable read; select 1 from tasks").await;
    one.run("select create_task('u', p_idempotency_key => 'l')").await;
    let late = "select create_task('u', p_idempotency_key => 'l')";
    assert_eq!(two.sqlstate(late).await, "40001", "it cannot see the other's task yet");
}

#[tokio::test]
async fn many_tasks_are_made_at_once_with_what_they_wait_for() {
    let session = fresh().await;
    let before = session.text("select create_task('before')").await;
    let document = json!([
        { "ref": "deploy", "title": "deploy", "depends_on": ["test", before], "parent": "all" },
        { "ref": "test", "title": "test", "type": "test", "depends_on": ["build"], "parent": "all" },
        { "ref": "build", "title": "build", "priority": 7, "tags": ["x"], "parent": "all",
          "estimated_hours": 1.25, "metadata": { "big": 12345678901234567u64 } },
        { "ref": "all", "title": "all", "depends_on": ["deploy"] },
    ]);
    let sql = format!(
        "select string_agg(concat_ws(':', ord, title, open_deps, priority, estimated_hours, \
         metadata ->> 'big', (select title from tasks p where p.id = t.parent_task_id)), ' ' \
         order by ord) from create_tasks('{document}') join tasks t on t.id = task_id"
    );
    let rows = session.rows(&format!("select * from create_tasks('{document}')")).await.unwrap();
    assert_eq!(rows.iter().map(|row| &*row[0]).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    let stored = session.text(&sql.replace(&format!("create_tasks('{document}')"),
        "(select row_number() over (order by display_id) as ord, id as task_id from tasks where title <> 'before') as made")).await;
    let expected =
        "1:deploy:2:0:all 2:test:1:0:all 3:build:0:7:1.25:12345678901234567:all 4:all:1:0";
    assert_eq!(stored, expected);
    let log = "select count(*) from task_events where kind = 'created'";
    assert_eq!(session.text(log).await, "5");
}

#[tokio::test]
async fn a_list_is_made_whole_or_not_at_all() {
    let session = fresh().await;
    for (document, sqlstate) in [
        ("null", "22004"),
        ("'{}'", "22023"),
        ("'[{\"title\": \"t\"}, {\"title\": \" \"}]'", "23514"),
        ("'[{\"title\": \"t\"}, {\"titel\": \"t\"}]'", "22023"),
        ("'[{\"title\": \"t\", \"depends_on\": [\"x\"]}]'", "23503"),
        (
            "'[{\"title\": \"t\", \"depends_on\": [\"00000000-0000-0000-0000-000000000001\"]}]'",
            "23503",
        ),
        ("'[{\"title\": \"t\", \"parent\": \"00000000-0000-0000-0000-000000000001\"}]'", "23503"),
        (
            "'[{\"title\": \"t\", \"linear_issue_id\": \"L\"}, {\"title\": \"t\", \"linear_issue_id\": \"L\"}]'",
            "23505",
        ),
        ("'[{\"title\": \"t\", \"run_after\": \"soon\"}]'", "22007"),
        ("(repeat('[', 200) || repeat(']', 200))::jsonb", "54001"),
        ("(select jsonb_agg('{\"title\": \"t\"}'::jsonb) from generate_series(1, 50001))", "54000"),
    ] {
        let sql = format!("select create_tasks({document})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    let cycle =
        "select create_tasks('[{\"title\": \"t\", \"ref\": \"a\", \"depends_on\": [\"a\"]}]')";
    let refusal = session.refusal(cycle).await;
    assert_eq!((&*refusal.sqlstate, &refusal.detail), ("23514", &json!({ "path": ["a", "a"] })));
    assert_eq!(session.text("select count(*) from tasks").await, "0");
    assert_eq!(session.text("select count(*) from create_tasks('[]')").await, "0");
}

#[tokio::test]
async fn a_patch_writes_what_it_names_and_nothing_else() {
    let session = fresh().await;
    let parent = session.text("select create_task('parent')").await;
    let id =
        session.text("select create_task('t', 'text', p_priority => 3, p_tags => '[\"a\"]')").await;
    let patch = json!({ "title": "u", "description": null, "priority": 5, "actual_hours": 1.5,
        "parent_task_id": parent, "metadata": { "k": 1 }, "run_after": "2031-01-01T00:00:00Z" });
    let sql = format!("select update_task('{id}', '{patch}', 1)");
    assert_eq!(session.text(&sql).await, "2");
    let stored = format!(
        "select concat_ws('|', title, description is null, priority, actual_hours, \
         parent_task_id = '{parent}', metadata, tags, extract(year from run_after), version) \
         from tasks where id = '{id}'"
    );
    assert_eq!(session.text(&stored).await, "u|t|5|1.50|t|{\"k\": 1}|[\"a\"]|2031|2");
    let refusal = session.refusal(&sql).await;
    assert_eq!(refusal.sqlstate, "40001");
    assert_eq!(refusal.detail, json!({ "task_id": id, "expected": 1, "present": 2 }));
    assert_eq!(session.text(&format!("select update_task('{id}', '{{}}')")).await, "2");
    assert_eq!(
        session.text(&format!("select update_task('{id}', '{{\"title\": \"u\"}}')")).await,
        "2"
    );
    let log = "select payload -> 'fields' ->> 0 from task_events where kind = 'updated'";
    assert_eq!(session.text(log).await, "actual_hours", "one event, with the names in order");
}

#[tokio::test]
async fn each_argument_of_a_patch_has_its_sqlstate() {
    let session = fresh().await;
    let id = session.text("select create_task('t')").await;
    let child = session.text(&format!("select create_task('c', p_parent_task_id => '{id}')")).await;
    for (task, patch, sqlstate) in [
        (NOBODY, "{}".to_owned(), "P0002"),
        (&*id, "[]".to_owned(), "22023"),
        (&*id, "{\"status\": \"completed\"}".to_owned(), "22023"),
        (&*id, "{\"open_deps\": 0}".to_owned(), "22023"),
        (&*id, "{\"title\": null}".to_owned(), "22004"),
        (&*id, "{\"priority\": 11}".to_owned(), "23514"),
        (&*id, format!("{{\"parent_task_id\": \"{id}\"}}"), "23514"),
        (&*id, format!("{{\"parent_task_id\": \"{child}\"}}"), "23514"),
        (&*id, format!("{{\"parent_task_id\": \"{NOBODY}\"}}"), "23503"),
    ] {
        let sql = format!("select update_task('{task}', '{patch}')");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    assert_eq!(session.sqlstate("select update_task(null, '{}')").await, "22004");
    assert_eq!(session.sqlstate(&format!("select update_task('{id}', null)")).await, "22004");
}

#[tokio::test]
async fn of_two_changes_of_one_version_the_second_is_told_to_look_again() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let id = one.text("select create_task('t')").await;
    one.run(&format!("begin; select update_task('{id}', '{{\"title\": \"one\"}}', 1)")).await;
    let sql = format!("select update_task('{id}', '{{\"title\": \"two\"}}', 1)");
    assert_eq!(behind(&one, two.sqlstate(&sql)).await, "40001");
    assert_eq!(two.text("select title from tasks").await, "one");
}
