//! What the steps about the life of a task promise whichever way rows change: counters, versions,
//! leases, dependencies without cycles, and a history that is not rewritten.

use harness::{Cluster, Database};
use tokio_postgres::Client;

use super::support::{runner_of, up, up_all, value};

/// Tasks `a` to `d`, whose ids are in the order of their letters.
const TASKS: &str = "INSERT INTO tasks (id, title)
    SELECT (repeat(letter, 8) || '-0000-0000-0000-000000000000')::uuid, letter
      FROM unnest('{a,b,c,d}'::text[]) AS letter";

async fn migrated() -> (Database<'static>, Client) {
    let database = Cluster::shared().await.database().await;
    let client = database.connect().await;
    client.batch_execute(TASKS).await.unwrap();
    (database, client)
}

/// The statement that makes `task` wait for `other`.
fn edge(task: &str, other: &str) -> String {
    format!(
        "INSERT INTO task_dependencies (task_id, depends_on)
         SELECT t.id, o.id FROM tasks t, tasks o WHERE t.title = '{task}' AND o.title = '{other}'"
    )
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The SQLSTATE and the constraint of a statement that must fail.
async fn refused(client: &Client, sql: &str) -> (String, String) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let error = error.as_db_error().unwrap();
    (error.code().code().to_owned(), error.constraint().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn open_dependencies_are_counted_whichever_way_they_change() {
    let (database, client) = migrated().await;
    let counts = async || {
        let sql = "SELECT string_agg(open_deps::text, '' ORDER BY title) FROM tasks";
        value(&database, sql).await
    };
    for (sql, expected) in [
        (&*edge("c", "a"), "0010"),
        (&*edge("c", "b"), "0020"),
        (&*edge("d", "c"), "0021"),
        ("UPDATE tasks SET status = 'completed' WHERE title = 'a'", "0011"),
        ("UPDATE tasks SET status = 'in_progress' WHERE title = 'a'", "0021"),
        ("UPDATE tasks SET status = 'failed' WHERE title = 'a'", "0021"),
        ("UPDATE task_dependencies SET satisfied_by = '{failed,completed}'", "0011"),
        ("UPDATE tasks SET status = 'completed' WHERE title IN ('a', 'b')", "0001"),
        ("UPDATE tasks SET status = 'pending' WHERE title IN ('a', 'b')", "0021"),
        ("UPDATE task_dependencies SET dependency_type = 'related'", "0000"),
        ("UPDATE task_dependencies SET dependency_type = 'blocks'", "0021"),
        ("DELETE FROM tasks WHERE title = 'b'", "011"),
        ("DELETE FROM task_dependencies", "000"),
    ] {
        run(&client, sql).await;
        assert_eq!(counts().await, expected, "{sql}");
    }
}

#[tokio::test]
async fn open_gates_are_counted_whichever_way_they_change() {
    let (database, client) = migrated().await;
    let count = "SELECT open_gates::text FROM tasks WHERE title = 'a'";
    for (sql, expected) in [
        (
            "INSERT INTO task_gates (task_id, gate_type) SELECT id, 'human' FROM tasks WHERE title = 'a'",
            "1",
        ),
        (
            "INSERT INTO task_gates (task_id, gate_type) SELECT id, 'gh:pr' FROM tasks WHERE title = 'a'",
            "2",
        ),
        ("UPDATE task_gates SET resolved_at = now() WHERE gate_type = 'human'", "1"),
        ("UPDATE task_gates SET result = '{}' WHERE gate_type = 'human'", "1"),
        ("UPDATE task_gates SET resolved_at = NULL", "2"),
        ("DELETE FROM task_gates WHERE gate_type = 'gh:pr'", "1"),
    ] {
        run(&client, sql).await;
        assert_eq!(value(&database, count).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn defect_06_a_cycle_of_any_length_is_refused_with_its_path() {
    let (database, client) = migrated().await;
    for (task, other) in [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")] {
        run(&client, &edge(task, other)).await;
    }
    for (task, other, path) in [("d", "a", "dabcd"), ("c", "b", "cbc"), ("d", "c", "dcd")] {
        let error = client.batch_execute(&edge(task, other)).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "23514");
        assert_eq!(error.constraint(), Some("task_dependencies_acyclic"));
        let detail: serde_json::Value = serde_json::from_str(error.detail().unwrap()).unwrap();
        let letters: String = detail["path"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().chars().next().unwrap())
            .collect();
        assert_eq!(letters, path, "{detail}");
    }
    assert_eq!(refused(&client, &edge("a", "a")).await.1, "task_dependencies_acyclic");
    assert_eq!(value(&database, "SELECT count(*)::text FROM task_dependencies").await, "4");
}

#[tokio::test]
async fn two_sessions_cannot_each_add_half_of_a_cycle() {
    let (database, one) = migrated().await;
    let two = database.connect().await;
    run(&one, &format!("BEGIN; {}", edge("a", "b"))).await;
    run(&two, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM tasks").await;
    let sql = edge("b", "a");
    let second = tokio::join!(refused(&two, &sql), async {
        harness::wait::until("the second session waits", async || {
            let sql = "SELECT count(*)::text FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'";
            value(&database, sql).await == "1"
        })
        .await;
        run(&one, "COMMIT").await;
    });
    assert_eq!(second.0.0, "40001", "a snapshot that is too old is told to retry");
    run(&two, "ROLLBACK").await;
    assert_eq!(refused(&two, &sql).await, ("23514".into(), "task_dependencies_acyclic".into()));
}

#[tokio::test]
async fn a_prerequisite_that_ends_meanwhile_is_counted_as_ended() {
    let (database, one) = migrated().await;
    let two = database.connect().await;
    run(&one, "BEGIN; UPDATE tasks SET status = 'completed' WHERE title = 'a'").await;
    let sql = edge("b", "a");
    tokio::join!(run(&two, &sql), async {
        harness::wait::until("the second session waits", async || {
            let sql = "SELECT count(*)::text FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'";
            value(&database, sql).await == "1"
        })
        .await;
        run(&one, "COMMIT").await;
    });
    let sql = "SELECT concat_ws('|', satisfied, (SELECT sum(open_deps) FROM tasks)) FROM task_dependencies";
    assert_eq!(value(&database, sql).await, "t|0");
}

#[tokio::test]
async fn a_lease_belongs_to_a_task_at_work_and_is_whole() {
    let (_database, client) = migrated().await;
    let lease = "claimed_by = 'w', claim_token = 1, claim_expires_at = now()";
    for set in [lease, "claimed_by = 'w'", "claim_expires_at = now()"] {
        let (sqlstate, constraint) = refused(&client, &format!("UPDATE tasks SET {set}")).await;
        assert_eq!((&*sqlstate, &*constraint), ("23514", "tasks_claim_check"), "{set}");
    }
    run(&client, &format!("UPDATE tasks SET status = 'in_progress', {lease}")).await;
    let (_, constraint) = refused(&client, "UPDATE tasks SET status = 'completed'").await;
    assert_eq!(constraint, "tasks_claim_check");
}

#[tokio::test]
async fn the_version_counts_what_a_task_says_and_not_its_bookkeeping() {
    let (database, client) = migrated().await;
    let version = "SELECT version::text FROM tasks WHERE title ~ 'a'";
    for (set, expected) in [
        ("title = 'aa'", "2"),
        ("title = 'aa'", "2"),
        (
            "status = 'in_progress', claimed_by = 'w', claim_token = 1, claim_expires_at = now()",
            "3",
        ),
        ("heartbeat_at = now(), claim_expires_at = now()", "3"),
        ("open_deps = 1", "3"),
        ("metadata = '{\"a\": 1}'", "4"),
        ("tags = '[1]', priority = 3", "5"),
    ] {
        run(&client, &format!("UPDATE tasks SET {set} WHERE title ~ 'a'")).await;
        assert_eq!(value(&database, version).await, expected, "{set}");
    }
}

#[tokio::test]
async fn tasks_that_stood_before_are_numbered_oldest_first() {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 9, vec![]).await).await.0.unwrap();
    let client = database.connect().await;
    run(
        &client,
        "INSERT INTO tasks (title, created_at) VALUES ('new', now()), ('old', '2001-01-01')",
    )
    .await;
    up_all(&database).await;
    run(&client, "INSERT INTO tasks (title, created_at) VALUES ('next', '2000-01-01')").await;
    let sql = "SELECT string_agg(title, ',' ORDER BY display_id) FROM tasks";
    assert_eq!(value(&database, sql).await, "old,new,next");
}

#[tokio::test]
async fn the_history_of_tasks_is_not_rewritten() {
    let (_database, client) = migrated().await;
    run(&client, "INSERT INTO task_events (task_id, kind) SELECT id, 'created' FROM tasks").await;
    for set in ["kind = 'x'", "occurred_at = now()", "task_id = gen_random_uuid()"] {
        let sql = format!("UPDATE task_events SET {set}");
        assert_eq!(refused(&client, &sql).await.0, "55000", "{set}");
    }
    run(&client, "UPDATE task_events SET actor = 'nobody', payload = '{}'").await;
}
