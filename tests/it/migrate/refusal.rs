//! A database that does not fit is refused, with the reason and what to do, and is not touched.

use harness::{Cluster, Database};
use taskmaster_migrations::{
    DownTo, ErrorKind, MigrateError, StepState, Target, UpTo, Version, connect,
};
use tokio_postgres::NoTls;

use super::support::{runner_of, step, target, up, value};

/// A database with the first three steps, after `sql` has been at its ledger.
async fn tampered(sql: &str) -> Database<'static> {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 3, vec![]).await).await.0.unwrap();
    database.connect().await.batch_execute(sql).await.unwrap();
    database
}

/// The error of `up` with the first four steps, which must not have touched anything.
async fn refused(database: &Database<'_>) -> MigrateError {
    let (outcome, events) = up(&mut runner_of(database, 4, vec![]).await).await;
    let error = outcome.unwrap_err();
    assert_eq!(events, []);
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.hint().is_some(), "no hint: {error}");
    let index = "SELECT to_regclass('taskmaster.tasks_pending_idx')";
    assert_eq!(value(database, index).await, "NULL");
    error
}

#[tokio::test]
async fn a_changed_checksum_is_refused() {
    let zeros = "0".repeat(64);
    let database = tampered(&format!(
        "UPDATE taskmaster.schema_migrations SET checksum = '{zeros}' WHERE version = '0002'"
    ))
    .await;
    let error = refused(&database).await;
    assert!(matches!(error, MigrateError::ChecksumChanged { .. }), "{error}");
    assert!(error.to_string().contains("step 0002") && error.to_string().contains(&zeros));
    let status = runner_of(&database, 3, vec![]).await.status().await.unwrap().steps;
    assert_eq!(status[1].state, StepState::Changed);
}

#[tokio::test]
async fn a_gap_in_the_ledger_is_refused_up_and_down() {
    let database =
        tampered("DELETE FROM taskmaster.schema_migrations WHERE version = '0002'").await;
    let error = refused(&database).await;
    assert!(matches!(error, MigrateError::MissingStep { .. }), "{error}");
    let down = runner_of(&database, 3, vec![]).await.down(DownTo::Previous, &mut |_| ()).await;
    assert!(matches!(down, Err(MigrateError::MissingStep { .. })));
}

#[tokio::test]
async fn a_step_of_a_newer_program_is_refused() {
    let database = tampered(
        "INSERT INTO taskmaster.schema_migrations
             (version, description, checksum, migration_type, rollback_available, execution_time_ms, tool_version)
         SELECT to_char(n, 'FM0000'), 'later', repeat('0', 64), 'schema', false, 1, '7.0.0' FROM generate_series(4, 5) n",
    )
    .await;
    let mut older = runner_of(&database, 3, vec![]).await;
    let error = up(&mut older).await.0.unwrap_err();
    assert!(matches!(error, MigrateError::UnknownStep { .. }), "{error}");
    assert!(error.to_string().contains("7.0.0"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn an_edited_way_down_and_a_missing_one_are_refused() {
    let database = tampered(
        "UPDATE taskmaster.schema_migrations SET down_sql = down_sql || ' ' WHERE version = '0003'",
    )
    .await;
    let mut runner = runner_of(&database, 3, vec![]).await;
    let error = runner.down(DownTo::Previous, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::StoredDownChanged { .. }), "{error}");

    let sql = "UPDATE taskmaster.schema_migrations
                  SET down_sql = NULL, down_checksum = NULL, rollback_available = false WHERE version = '0003'";
    database.connect().await.batch_execute(sql).await.unwrap();
    let error = runner.down(DownTo::Previous, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Irreversible { .. }), "{error}");
}

#[tokio::test]
async fn a_target_that_is_no_step_is_refused() {
    let database = tampered("SELECT 1").await;
    let mut runner = runner_of(&database, 3, vec![]).await;
    let ninth: Version = "9".parse().unwrap();
    let error = runner.up(UpTo::Version(ninth), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    let error = runner.down(DownTo::Version(ninth), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
}

#[tokio::test]
async fn a_step_that_ends_its_transaction_is_refused_before_anything_runs() {
    let database = Cluster::shared().await.create_database().await;
    let sneaky = step("2", "CREATE TABLE public.made ();\nCOMMIT;", "DROP TABLE public.made");
    let error = up(&mut runner_of(&database, 1, vec![sneaky]).await).await.0.unwrap_err();
    assert!(error.to_string().starts_with("0002_of_a_test.up.sql:2:1: "), "{error}");
    assert_eq!(value(&database, "SELECT to_regnamespace('taskmaster')").await, "NULL");
}

#[tokio::test]
async fn what_cannot_be_reached_or_entered_says_why() {
    let database = Cluster::shared().await.create_database().await;
    let with = |change: fn(&mut Target)| {
        let mut target = target(&database);
        change(&mut target);
        target
    };
    let closed = harness::cluster::free_port();
    let cases = [
        (with(|target| target.dbname = "not there".to_owned()), Some("3D000"), "createdb"),
        (with(|target| target.password = Some("wrong".to_owned())), Some("28P01"), "DB_PASSWORD"),
        (Target::new("127.0.0.1", closed, "postgres", "postgres"), None, "DB_HOST"),
    ];
    for (target, sqlstate, advice) in cases {
        let error = connect(&target, NoTls).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert_eq!(error.sqlstate(), sqlstate, "{error}");
        assert!(error.hint().unwrap().contains(advice), "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong"), "{error}");
    }
}
