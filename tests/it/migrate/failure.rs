//! A step that fails leaves nothing of itself, names its line, and waits out what waiting cures.

use std::time::Duration;

use harness::{Cluster, Database};
use taskmaster_migrations::{ErrorKind, Event, MigrateError, Settings, Step, StepFailure};

use super::support::{runner_of, step, up, value};

const APPLIED: &str =
    "SELECT string_agg(version, ',' ORDER BY version) FROM taskmaster.schema_migrations";

/// Runs the first step and one of the test's own that fails.
async fn failing(database: &Database<'_>, second: Step) -> MigrateError {
    up(&mut runner_of(database, 1, vec![second]).await).await.0.unwrap_err()
}

fn failure(error: &MigrateError) -> &StepFailure {
    match error {
        MigrateError::Step(failure) => failure,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_failing_step_leaves_nothing_of_itself_and_no_record() {
    let database = Cluster::shared().await.create_database().await;
    let up =
        "CREATE TABLE taskmaster.half ();\n\n-- the next one fails\nSELECT\n    no_such_column;";
    let error = failing(&database, step("2", up, "SELECT 1")).await;
    let failure = failure(&error);
    assert_eq!((failure.file.as_str(), failure.location.line), ("0002_of_a_test.up.sql", 5));
    assert_eq!(failure.sqlstate, "42703");
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("no_such_column"), "{error}");
    assert_eq!(value(&database, "SELECT to_regclass('taskmaster.half')").await, "NULL");
    assert_eq!(value(&database, APPLIED).await, "0001");
}

#[tokio::test]
async fn an_error_without_a_position_has_the_line_of_its_statement_and_its_context() {
    let database = Cluster::shared().await.create_database().await;
    let up = "SELECT 1;\nDO $$ BEGIN\n  RAISE EXCEPTION 'no' USING DETAIL = 'because', HINT = 'do this';\nEND $$;";
    let error = failing(&database, step("2", up, "SELECT 1")).await;
    let failure = failure(&error);
    assert_eq!((failure.location.line, failure.sqlstate.as_str()), (2, "P0001"));
    assert_eq!(failure.detail.as_deref(), Some("because"));
    assert!(failure.context.as_deref().unwrap().contains("inline_code_block line 2"));
    assert_eq!(error.hint().as_deref(), Some("do this"));
}

#[tokio::test]
async fn a_check_that_complains_takes_the_step_back() {
    let database = Cluster::shared().await.create_database().await;
    let mut second = step("2", "CREATE TABLE taskmaster.made ()", "DROP TABLE taskmaster.made");
    second.verify = Some("SELECT 'fine' WHERE false;\n\nSELECT 'the table is empty';".into());
    let error = failing(&database, second.clone()).await;
    let expected =
        "0002_of_a_test.verify.sql:3: the step does not hold what it promises: the table is empty";
    assert_eq!(error.to_string(), expected);
    assert_eq!(value(&database, APPLIED).await, "0001");

    second.verify = Some("CREATE TABLE taskmaster.by_a_check ()".into());
    let error = failing(&database, second).await;
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(value(&database, "SELECT to_regclass('taskmaster.made')").await, "NULL");
}

#[tokio::test]
async fn statements_of_a_step_must_name_their_schema() {
    let database = Cluster::shared().await.create_database().await;
    let error = failing(&database, step("2", "CREATE TABLE stray ()", "DROP TABLE stray")).await;
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
}

#[tokio::test]
async fn what_a_step_says_is_passed_on() {
    let database = Cluster::shared().await.create_database().await;
    let up_sql = "DO $$ BEGIN RAISE WARNING 'mind this' USING HINT = 'like so'; END $$";
    let second = step("2", up_sql, "SELECT 1");
    let (outcome, events) = up(&mut runner_of(&database, 1, vec![second]).await).await;
    outcome.unwrap();
    let notice = Event::Notice {
        severity: "WARNING".to_owned(),
        message: "mind this".to_owned(),
        hint: Some("like so".to_owned()),
    };
    assert!(events.contains(&notice), "{events:?}");
}

fn impatient() -> Settings {
    Settings {
        lock_timeout: Duration::from_millis(50),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        attempts_max: 3,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_lock_that_is_held_for_good_ends_the_run_as_busy() {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 2, vec![]).await).await.0.unwrap();
    let blocker = database.connect().await;
    blocker.batch_execute("BEGIN; LOCK TABLE taskmaster.tasks IN ACCESS SHARE MODE").await.unwrap();

    let mut runner = runner_of(&database, 3, vec![]).await.settings(impatient());
    let (outcome, events) = up(&mut runner).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Busy, Some("55P03")), "{error}");
    assert!(error.hint().unwrap().contains("pg_blocking_pids"), "{error}");
    let retries = events.iter().filter(|event| matches!(event, Event::Retrying { .. })).count();
    assert_eq!(retries, 2, "{events:?}");
    assert_eq!(value(&database, APPLIED).await, "0001,0002");
}

#[tokio::test]
async fn a_lock_that_is_freed_is_waited_out() {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 2, vec![]).await).await.0.unwrap();
    let blocker = database.connect().await;
    blocker.batch_execute("BEGIN; LOCK TABLE taskmaster.tasks IN ACCESS SHARE MODE").await.unwrap();

    let settings = Settings { attempts_max: 1000, ..impatient() };
    let mut runner = runner_of(&database, 3, vec![]).await.settings(settings);
    let (met, mut retried) = tokio::sync::mpsc::unbounded_channel();
    let mut observe = |event: &Event| {
        if matches!(event, Event::Retrying { .. }) {
            met.send(()).unwrap();
        }
    };
    let free = async {
        retried.recv().await.unwrap();
        blocker.batch_execute("COMMIT").await.unwrap();
    };
    let (outcome, ()) =
        tokio::join!(runner.up(taskmaster_migrations::UpTo::Latest, &mut observe), free);
    let report = outcome.unwrap();
    assert!(report.steps[0].attempts > 1, "{report:?}");
    assert_eq!(value(&database, APPLIED).await, "0001,0002,0003");
}
