//! Tasks as a whole: search, statistics, the longest way, integrity, and the files of Task Master.

use serde_json::{Value, json};

use super::session::fresh;

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_text_finds_words_parts_of_words_and_what_is_spelt_alike() {
    let session = fresh().await;
    session
        .run(
            "select create_task('Fix the login page', 'users cannot sign in with 100% SSO'), \
             create_task('Write documentation', p_type => 'documentation', p_tags => '[\"doc\"]'), \
             create_task('Other thing')",
        )
        .await;
    let find = async |arguments: &str| {
        let sql = format!(
            "select coalesce(string_agg(title, ','), 'none') from search_tasks({arguments})"
        );
        session.text(&sql).await
    };
    for (arguments, expected) in [
        ("'logins'", "Fix the login page"),
        ("'signing'", "Fix the login page"),
        ("'umentat'", "Write documentation"),
        ("'wirte documentaton'", "Write documentation"),
        ("'100%'", "Fix the login page"),
        ("'%'", "Fix the login page"),
        ("'l_gin'", "none"),
        ("'zebra'", "none"),
        ("'documentation', '{\"type\": \"feature\"}'", "none"),
        (
            "'documentation', '{\"tags\": [\"doc\"], \"status\": \"pending\"}'",
            "Write documentation",
        ),
    ] {
        assert_eq!(find(arguments).await, expected, "{arguments}");
    }
    for arguments in ["' '", "'x', '{\"titel\": 1}'", "'x', '[]'", "'x', p_limit => 0"] {
        assert_eq!(session.sqlstate(&format!("select search_tasks({arguments})")).await, "22023");
    }
    assert_eq!(session.sqlstate("select search_tasks(null)").await, "22004");
    assert_eq!(session.sqlstate("select search_tasks(repeat('x', 501))").await, "22001");
}

#[tokio::test]
async fn a_search_reads_indexes_and_not_every_task() {
    let session = fresh().await;
    session
        .run(
            "insert into tasks (title, description) select 'task ' || n || ' ' || md5(n::text), \
             md5((n * 7)::text) from generate_series(1, 20000) n; \
             select create_task('Needle in the haystack'); analyze tasks; \
             select count(*) from search_tasks('needle')",
        )
        .await;
    let buffers = super::plans::buffers(&session, "select * from search_tasks('needle')").await;
    let pages = session.text("select pg_relation_size('tasks') / 8192").await;
    assert!(buffers < pages.parse::<u64>().unwrap() / 2, "{buffers} buffers of {pages} pages");
}

#[tokio::test]
async fn statistics_count_the_tasks_of_some_days() {
    let session = fresh().await;
    session
        .run(
            "insert into tasks (title, status, created_at, completed_at, complexity_score) values \
             ('a', 'completed', '2031-01-01 00:00+00', '2031-01-01 02:00+00', 4), \
             ('b', 'completed', '2031-01-02 23:59+00', '2031-01-03 03:59+00', 5), \
             ('c', 'pending', '2031-01-02 12:00+00', null, 5), \
             ('d', 'pending', '2031-01-03 00:00+00', null, 5); set timezone = 'Asia/Tokyo'",
        )
        .await;
    let sql = "select string_agg(concat_ws('|', status, count, avg_completion_time, avg_complexity), ' ') \
        from get_task_statistics('2031-01-01', '2031-01-02')";
    assert_eq!(session.text(sql).await, "completed|2|03:00:00|4.50 pending|1|5.00");
    assert_eq!(session.text("select count(*) from get_task_statistics()").await, "0");
}

#[tokio::test]
async fn the_critical_path_is_the_longest_way_of_open_work() {
    let session = fresh().await;
    let document = json!([
        { "ref": "root", "title": "root", "estimated_hours": 100 },
        { "ref": "end", "title": "end", "parent": "root", "depends_on": ["long", "short"], "estimated_hours": 2 },
        { "ref": "long", "title": "long", "depends_on": ["first"], "estimated_hours": 5.5 },
        { "ref": "short", "title": "short", "depends_on": ["first"] },
        { "ref": "first", "title": "first", "depends_on": ["done"] },
        { "ref": "done", "title": "done", "estimated_hours": 50 },
    ]);
    session
        .run(&format!(
            "select create_tasks('{document}'); update tasks set status = 'completed' where title = 'done'"
        ))
        .await;
    let sql = "select string_agg(concat_ws(':', title, hours, hours_through), ' ' order by ord) \
        from critical_path((select id from tasks where title = 'root'))";
    assert_eq!(session.text(sql).await, "first:1:1 long:5.5:6.5 end:2:8.5 root:0:8.5");
    assert_eq!(session.sqlstate(&format!("select critical_path('{NOBODY}')")).await, "P0002");
    session
        .run("update tasks set parent_task_id = (select id from tasks where title = 'end') where title = 'root'")
        .await;
    let root = "select critical_path((select id from tasks where title = 'root'))";
    assert_eq!(session.sqlstate(root).await, "23514");
    assert_eq!(
        session
            .text("select count(*) from check_integrity() where check_name = 'parent_cycle'")
            .await,
        "2"
    );
}

#[tokio::test]
async fn what_drifted_is_found_and_mended() {
    let session = fresh().await;
    let a = session.text("select create_task('a')").await;
    session
        .run(&format!(
            "select create_task('b', p_depends_on => array['{a}'::uuid]); \
             alter table tasks disable trigger user; alter table task_dependencies disable trigger user; \
             update tasks set status = 'completed', open_gates = 3 where title = 'a'; \
             update tasks set open_deps = 7 where title = 'b'; \
             alter table tasks enable trigger user; alter table task_dependencies enable trigger user"
        ))
        .await;
    let found = "select string_agg(concat_ws(':', check_name, (select title from tasks where id = task_id), \
        detail), ' | ' order by check_name) from check_integrity()";
    let expected = format!(
        "open_deps:b:7 counted, 0 there | open_gates:a:3 counted, 0 there | \
         satisfied:b:depends on {a}, which is completed: satisfied is f"
    );
    assert_eq!(session.text(found).await, expected);
    assert_eq!(session.text("select count(*) from check_integrity(true)").await, "3");
    assert_eq!(session.text("select count(*) from check_integrity()").await, "0");
    let counts = "select string_agg(concat(open_deps, open_gates), ' ') from tasks";
    assert_eq!(session.text(counts).await, "00 00");
}

/// What Task Master writes, with everything it may hold. Dependencies come out in the order of the
/// tasks, so that is how they stand here.
fn tasks_json() -> Value {
    json!({
        "master": { "tasks": [
            { "id": 1, "title": "Initialise the repository", "description": "Set up the project's skeleton",
              "status": "done", "priority": "high", "dependencies": [], "details": "Use a monorepo.\nPin versions.",
              "testStrategy": "The build passes", "subtasks": [
                { "id": 1, "title": "Create folders", "description": "", "status": "done", "dependencies": [],
                  "details": "src, tests" },
                { "id": 2, "title": "Add CI", "description": "Build on push", "status": "done",
                  "dependencies": [1], "details": "", "testStrategy": "It's green", "parentTaskId": 1 },
            ] },
            { "id": 2, "title": "Implement login", "description": "OAuth \"code\" flow", "status": "in-progress",
              "priority": "critical", "dependencies": [1], "details": "", "testStrategy": "", "subtasks": [
                { "id": 1, "title": "Routes", "status": "review", "dependencies": ["1.2"] },
                { "id": 2, "title": "Views", "status": "pending", "dependencies": ["1", 1] },
            ] },
            { "id": 3, "title": "Ship it", "description": "d", "status": "pending", "priority": "medium",
              "dependencies": [1, 2, "2.2"], "complexityScore": 7, "recommendedSubtasks": 4, "subtasks": [] },
            { "id": 4, "title": "Some day", "description": "d", "status": "deferred", "priority": "low",
              "dependencies": [3], "subtasks": [] },
            { "id": 5, "title": "Never", "description": "d", "status": "cancelled", "priority": "low",
              "dependencies": [], "subtasks": [] },
        ] },
        "feature-x": { "tasks": [
            { "id": 1, "title": "Another first task", "description": "d", "status": "blocked",
              "priority": "medium", "dependencies": [], "subtasks": [] },
        ] },
    })
}

#[tokio::test]
async fn a_file_of_task_master_goes_in_and_comes_out_the_same() {
    let session = fresh().await;
    let file = tasks_json();
    let quoted = file.to_string().replace('\'', "''");
    let import = |arguments: &str| {
        format!(
            "select string_agg(distinct concat_ws(':', action, task_id is null), ' ') \
            from import_taskmaster_json('{quoted}'{arguments})"
        )
    };
    assert_eq!(session.text(&import("")).await, "create:t", "a trial run");
    assert_eq!(session.text("select count(*) from tasks").await, "0");
    assert_eq!(session.text(&import(", false")).await, "create:f");
    assert_eq!(session.text(&import(", false")).await, "skip:f");
    assert_eq!(session.text("select count(*) from tasks").await, "10");
    let exported = session.text("select export_taskmaster_json()").await;
    assert_eq!(serde_json::from_str::<Value>(&exported).unwrap(), file);
    let tag = session.text("select export_taskmaster_json('feature-x')").await;
    let expected = json!({ "feature-x": file["feature-x"] });
    assert_eq!(serde_json::from_str::<Value>(&tag).unwrap(), expected);
    assert_eq!(session.text("select count(*) from check_integrity()").await, "0");
    let stored = "select concat_ws('|', status, priority, open_deps, metadata ->> 'testStrategy', \
        (select title from tasks p where p.id = t.parent_task_id)) from tasks t where title = ";
    assert_eq!(session.text(&format!("{stored}'Views'")).await, "pending|5|1|Implement login");
    assert_eq!(
        session.text(&format!("{stored}'Add CI'")).await,
        "completed|5|0|It's green|Initialise the repository"
    );
    let view = "select concat_ws('|', status, priority, cardinality(dependencies)) \
        from v_taskmaster_tasks where title = 'Implement login'";
    assert_eq!(session.text(view).await, "in-progress|critical|1");
}

#[tokio::test]
async fn what_is_no_file_of_task_master_is_refused_whole() {
    let session = fresh().await;
    for (document, sqlstate) in [
        ("null", "22004"),
        ("'[]'", "22023"),
        ("'{\"master\": {}}'", "22023"),
        (
            "'{\"tasks\": [{\"id\": 1, \"title\": \"t\"}, {\"id\": 2, \"title\": \"t\", \"dependencies\": [3]}]}'",
            "23503",
        ),
        ("'{\"tasks\": [{\"id\": 1, \"title\": \"t\", \"dependencies\": [1]}]}'", "23514"),
        ("'{\"tasks\": [{\"id\": 1, \"title\": \"t\", \"status\": \"x\"}]}'", "22023"),
    ] {
        let sql = format!("select import_taskmaster_json({document}, false)");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    assert_eq!(session.text("select count(*) from tasks").await, "0");
    assert_eq!(session.text("select export_taskmaster_json()").await, "{}");
}
