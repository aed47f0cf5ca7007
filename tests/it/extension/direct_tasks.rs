//! `create_task` writes a task and its event without a plan where that is safe, and what it writes is the same either way.

use harness::Cluster;

use super::direct_insert::{QUIET, goes_by_plan, observed};
use super::session::fresh;

/// One way to spoil the short way, what it has to be undone by, and which table is then written by a plan.
const BY_PLAN: [(&str, &str, &str); 4] = [
    (
        "create trigger t before insert on tasks for each row execute function quiet()",
        "drop trigger t on tasks",
        "tasks",
    ),
    (
        "create trigger t before insert on task_events for each row execute function quiet()",
        "drop trigger t on task_events",
        "task_events",
    ),
    (
        "alter table tasks alter estimated_hours type numeric(9,3)",
        "alter table tasks alter estimated_hours type numeric(8,2)",
        "tasks",
    ),
    (
        "alter table tasks alter branch_name type varchar(100)",
        "alter table tasks alter branch_name type varchar(255)",
        "tasks",
    ),
];

/// Every argument that a task without parent can have.
const FULL: &str = "select create_task('t', 'd', 'feature', 7, 'ann', null, '[{\"r\": 1}]', '{\"m\": 1}', 9, \
    '[\"a.rs\"]', '[\"done\"]', '[\"x\"]', 2.345, 'https://example.org/r', 'main', \
    p_run_after => '2001-01-01', p_max_attempts => 4, p_linear_issue_id => 'L-' || {n}, p_github_issue_number => {n})";

#[tokio::test]
async fn the_short_way_is_taken_and_left_where_it_is_not_safe() {
    let database = Cluster::shared().await.database().await;
    let mut session = observed(&database).await;
    session.run(QUIET).await;
    let call = "select create_task('t')";
    for table in ["tasks", "task_events"] {
        assert!(!goes_by_plan(&mut session, call, table).await, "nothing stands in the way");
    }
    for (spoil, undo, table) in BY_PLAN {
        session.run(spoil).await;
        assert!(goes_by_plan(&mut session, call, table).await, "{spoil}");
        session.run(undo).await;
        assert!(!goes_by_plan(&mut session, call, table).await, "{undo}");
    }
    let child = "select create_task('c', p_parent_task_id => (select id from tasks limit 1))";
    assert!(goes_by_plan(&mut session, child, "tasks").await, "a parent is looked up");
    let rows = "select count(*), count(distinct display_id), \
                (select count(*) from task_events where kind = 'created' and to_status = 'pending') from tasks";
    assert_eq!(session.rows(rows).await.unwrap()[0], ["11", "11", "11"]);
}

#[tokio::test]
async fn both_ways_write_the_same_task_and_event() {
    let session = fresh().await;
    session.text(&FULL.replace("{n}", "1")).await;
    session.text("select create_task('bare', p_requirements => null, p_tags => null)").await;
    session.run(QUIET).await;
    for table in ["tasks", "task_events"] {
        let trigger = "for each row execute function quiet()";
        session.run(&format!("create trigger t before insert on {table} {trigger}")).await;
    }
    session.text(&FULL.replace("{n}", "2")).await;
    session.text("select create_task('bare', p_requirements => null, p_tags => null)").await;
    for (row, table, own) in [
        (
            "t",
            "tasks t",
            "{id,display_id,created_at,updated_at,linear_issue_id,github_issue_number}",
        ),
        ("e", "task_events e join tasks t on t.id = e.task_id", "{seq,occurred_at,task_id}"),
    ] {
        let rows = format!(
            "select title, count(*), count(distinct to_jsonb({row}) - '{own}'::text[]) from {table} \
             group by title order by title"
        );
        let rows = session.rows(&rows).await.unwrap();
        assert_eq!(rows, [["bare", "2", "1"], ["t", "2", "1"]], "{table}");
    }
    let hours = "select string_agg(distinct estimated_hours::text, ' ') from tasks";
    assert_eq!(session.text(hours).await, "2.35");
    let empty = "select count(*) from tasks where title = 'bare' and requirements = '[]' \
                 and tags = '[]' and affected_files = '[]' and metadata = '{}'";
    assert_eq!(session.text(empty).await, "2");
}

#[tokio::test]
async fn what_the_table_refuses_is_refused_and_leaves_no_event() {
    let session = fresh().await;
    session.text(&FULL.replace("{n}", "1")).await;
    let refusal = session.refusal(&FULL.replace("{n}", "1")).await;
    assert_eq!(refusal.sqlstate, "23505");
    session.run("delete from tasks; alter table tasks add constraint c check (priority < 5)").await;
    assert_eq!(session.sqlstate("select create_task('t', p_priority => 6)").await, "23514");
    assert_eq!(session.text("select count(*) from task_events where kind = 'created'").await, "1");
}
