//! Up, down to nothing, up again: nothing is left behind, and nothing comes out different.

use harness::Cluster;
use taskmaster_migrations::{DownTo, Plan, StepState, UpTo, Version};

use super::support::{
    LEFT_BEHIND, NO_DATED_PARTITIONS, down_all, dump, forget_the_runner, plan_of, runner,
    runner_of, step, up, up_all, value, versions,
};

/// With what is set for the database itself.
const WHOLE: [&str; 2] = ["--create", NO_DATED_PARTITIONS];

#[tokio::test]
async fn up_down_and_up_again_leave_an_identical_catalog() {
    let database = Cluster::shared().await.create_database().await;
    let empty = dump(&database, &WHOLE);
    let applied = up_all(&database).await;
    assert_eq!(applied.steps.len(), Plan::embedded().steps().len());
    let first = dump(&database, &WHOLE);
    assert!(first.contains("SET search_path TO 'taskmaster', 'public'"), "{first}");

    let mut reverted = versions(&down_all(&database).await);
    reverted.reverse();
    assert_eq!(reverted, versions(&applied));
    assert_eq!(dump(&database, &WHOLE), empty);
    forget_the_runner(&database).await;
    assert_eq!(value(&database, LEFT_BEHIND).await, "nothing");
    assert_eq!(value(&database, "SHOW search_path").await, "\"$user\", public");

    up_all(&database).await;
    assert_eq!(dump(&database, &WHOLE), first);
}

#[tokio::test]
async fn the_search_path_that_was_there_before_comes_back() {
    let cluster = Cluster::shared().await;
    for before in [r#""$user", "a ""b", public"#, "''", "one"] {
        let database = cluster.create_database().await;
        let sql = format!("ALTER DATABASE {} SET search_path = {before}", database.name);
        cluster.admin().await.batch_execute(&sql).await.unwrap();
        let found = value(&database, "SHOW search_path").await;
        up(&mut runner_of(&database, 1, vec![]).await).await.0.unwrap();
        assert_eq!(value(&database, "SHOW search_path").await, "taskmaster, public");
        down_all(&database).await;
        assert_eq!(value(&database, "SHOW search_path").await, found);
    }
}

#[tokio::test]
async fn a_search_path_that_somebody_changed_since_stays() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    up(&mut runner_of(&database, 1, vec![]).await).await.0.unwrap();
    let sql = format!("ALTER DATABASE {} SET search_path = taskmaster, app", database.name);
    cluster.admin().await.batch_execute(&sql).await.unwrap();
    down_all(&database).await;
    assert_eq!(value(&database, "SHOW search_path").await, "taskmaster, app");
}

#[tokio::test]
async fn the_libraries_that_sessions_load_besides_stay() {
    let cluster = Cluster::shared().await;
    let ours = r#""$libdir/taskmaster""#;
    let added = format!("auto_explain, {ours}");
    // What the database has before; what an operator makes of it after the step; what is left.
    let cases = [
        ("default", None, ""),
        ("auto_explain", None, "auto_explain"),
        ("auto_explain", Some(format!("{ours}, auto_explain, pgcrypto")), "auto_explain, pgcrypto"),
        ("default", Some(added.clone()), "auto_explain"),
        (&*added, None, &*added),
    ];
    for (before, after, left) in cases {
        let database = cluster.create_database().await;
        let alter = async |list: &str| {
            let sql =
                format!("ALTER DATABASE {} SET session_preload_libraries = {list}", database.name);
            cluster.admin().await.batch_execute(&sql).await.unwrap();
        };
        alter(before).await;
        up_all(&database).await;
        let loaded = value(&database, "SHOW session_preload_libraries").await;
        assert!(loaded.contains(ours), "{before}: {loaded}");
        if let Some(list) = after {
            alter(&list).await;
        }
        down_all(&database).await;
        assert_eq!(value(&database, "SHOW session_preload_libraries").await, left, "{before}");
    }
}

#[tokio::test]
async fn up_and_down_stop_where_they_are_told() {
    let database = Cluster::shared().await.create_database().await;
    let mut runner = runner(&database).await;
    let third: Version = "3".parse().unwrap();
    let report = runner.up(UpTo::Version(third), &mut |_| ()).await.unwrap();
    assert_eq!(versions(&report), ["0001", "0002", "0003"]);
    let report = runner.down(DownTo::Previous, &mut |_| ()).await.unwrap();
    assert_eq!(versions(&report), ["0003"]);
    let report = runner.down(DownTo::Version(Version::FIRST), &mut |_| ()).await.unwrap();
    assert_eq!(versions(&report), ["0002"]);
    let states: Vec<_> =
        runner.status().await.unwrap().steps.into_iter().map(|row| row.state).take(3).collect();
    assert_eq!(states, [StepState::Applied, StepState::Pending, StepState::Pending]);
}

#[tokio::test]
async fn up_twice_applies_nothing_the_second_time() {
    let database = Cluster::shared().await.create_database().await;
    up_all(&database).await;
    let (again, _) = up(&mut runner(&database).await).await;
    assert_eq!(again.unwrap().steps, []);
}

#[tokio::test]
async fn the_way_down_is_the_one_that_was_stored() {
    let database = Cluster::shared().await.create_database().await;
    let create = "CREATE TABLE taskmaster.one (); CREATE TABLE taskmaster.two ()";
    let stored = step("2", create, "DROP TABLE taskmaster.one; DROP TABLE taskmaster.two");
    up(&mut runner_of(&database, 1, vec![stored]).await).await.0.unwrap();

    // A program that knows only the first step reverts the second.
    let mut older = runner_of(&database, 1, vec![]).await;
    assert_eq!(older.status().await.unwrap().steps[1].state, StepState::Unknown);
    older.down(DownTo::Previous, &mut |_| ()).await.unwrap();
    let sql = "SELECT concat_ws(' ', to_regclass('taskmaster.one'), to_regclass('taskmaster.two'))";
    assert_eq!(value(&database, sql).await, "");
}

#[tokio::test]
async fn the_ledger_says_what_was_applied_and_how() {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 2, vec![]).await).await.0.unwrap();
    let row = "SELECT concat_ws('|', version, description, checksum, migration_type, rollback_available,
                      execution_time_ms >= 0, applied_by, tool_version, down_sql LIKE '%DROP TABLE%')
                 FROM taskmaster.schema_migrations WHERE version = '0002'";
    let checksum = plan_of(2, vec![]).steps()[1].checksum();
    let expected = format!("0002|core tables|{checksum}|schema|t|t|postgres|0.1.0|t");
    assert_eq!(value(&database, row).await, expected);
}

#[tokio::test]
async fn what_others_made_in_the_schema_stops_the_way_down_and_stays() {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 2, vec![]).await).await.0.unwrap();
    let sql = "CREATE TABLE taskmaster.theirs (task_id uuid REFERENCES taskmaster.tasks)";
    database.connect().await.batch_execute(sql).await.unwrap();
    let mut runner = runner_of(&database, 2, vec![]).await;
    let error = runner.down(DownTo::Nothing, &mut |_| ()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("2BP01"), "{error}");
    let count = "SELECT count(*) FROM taskmaster.schema_migrations";
    assert_eq!(value(&database, count).await, "2");
}
