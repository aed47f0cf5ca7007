//! What a backup brings back is compared with it, row by row; what is there stays unless told
//! otherwise; and nobody touches backups or records while another runner is at work.

use std::time::Duration;

use harness::{Cluster, Database};
use taskmaster_migrations::{MigrateError, Present, Proof, Runner, Settings, UpTo};

use super::folder::Folder;
use super::landing::{FILL, backups, kept, with_step};
use super::support::{runner_of, step, up, value};

/// A database whose step 3 dropped two columns of a thousand rows and went back again, and the
/// number of the backup.
async fn columns_dropped(down: &str) -> (Database<'static>, Runner, i64) {
    let drop =
        step("3", "ALTER TABLE taskmaster.kept DROP COLUMN name, DROP COLUMN size CASCADE", down);
    let database = with_step(kept(), FILL).await;
    let settings =
        Settings { landing: taskmaster_migrations::Landing::Told, ..Settings::default() };
    let mut runner = runner_of(&database, 1, vec![kept(), drop]).await.settings(settings);
    let (outcome, events) = up(&mut runner).await;
    outcome.unwrap();
    let [id] = backups(&events)[..] else { panic!("{events:?}") };
    runner.down(taskmaster_migrations::DownTo::Previous, &mut |_| ()).await.unwrap();
    (database, runner, id)
}

async fn restore(runner: &mut Runner, id: i64, present: Present) -> (String, Proof) {
    let events = runner.restore(id, present, &mut |_| ()).await.unwrap();
    let [taskmaster_migrations::Event::Restored(restored)] = &events[..] else {
        panic!("{events:?}")
    };
    (restored.to_string(), restored.proof)
}

#[tokio::test]
async fn values_that_somebody_wrote_since_stay_and_defaults_make_room() {
    let again = "ALTER TABLE taskmaster.kept ADD COLUMN name text, ADD COLUMN size numeric NOT NULL DEFAULT 0, ADD COLUMN twice numeric GENERATED ALWAYS AS (size * 2) STORED";
    let (database, mut runner, id) = columns_dropped(again).await;
    let since = "UPDATE taskmaster.kept SET name = 'since' WHERE id = 1; \
                 UPDATE taskmaster.kept SET name = 'both', size = -2 WHERE id = 2; \
                 DELETE FROM taskmaster.kept WHERE id = 3";
    database.connect().await.batch_execute(since).await.unwrap();
    let (told, proof) = restore(&mut runner, id, Present::Stay).await;
    assert!(
        told.contains("998 of 1000 rows written, 2 were there already or have no row to go to"),
        "{told}"
    );
    assert_eq!(proof, Proof::OthersStayed);
    let first = "SELECT string_agg(concat_ws(' ', id, name, size), ', ' ORDER BY id) FROM taskmaster.kept WHERE id < 6";
    assert_eq!(value(&database, first).await, "1 since 1, 2 both -2, 4 row 4 4, 5 row 5 5");

    let (told, proof) = restore(&mut runner, id, Present::Overwritten).await;
    assert!(told.contains("999 of 1000 rows written, 1 were there"), "{told}");
    assert_eq!(proof, Proof::OthersStayed);
    assert_eq!(value(&database, first).await, "1 row 1 1, 2 row 2 2, 4 row 4 4, 5 row 5 5");
    database
        .connect()
        .await
        .batch_execute("INSERT INTO taskmaster.kept (id) VALUES (3)")
        .await
        .unwrap();
    let (told, proof) = restore(&mut runner, id, Present::Stay).await;
    assert!(told.contains("1 of 1000 rows written, 999 were there"), "{told}");
    assert_eq!(proof, Proof::Identical, "{told}");
}

#[tokio::test]
async fn values_that_a_column_cannot_hold_are_an_error_and_not_rounded() {
    let again = "ALTER TABLE taskmaster.kept ADD COLUMN name text, ADD COLUMN size int, ADD COLUMN twice int GENERATED ALWAYS AS (size * 2) STORED";
    let (database, mut runner, id) = columns_dropped(again).await;
    let rounded = "UPDATE taskmaster_backup.b1_1 SET size = size + 0.4 WHERE id = 7";
    database.connect().await.batch_execute(rounded).await.unwrap();
    let error = runner.restore(id, Present::Stay, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Restore { .. }), "{error}");
    assert!(error.to_string().contains("\"kept\" would not hold what the backup holds"), "{error}");
    assert_eq!(value(&database, "SELECT count(name) FROM taskmaster.kept").await, "0");
    database.connect().await.batch_execute("DELETE FROM taskmaster.kept").await.unwrap();
    let (told, proof) = restore(&mut runner, id, Present::Stay).await;
    assert!(
        told.contains("0 of 1000 rows written, 1000 were there already or have no row"),
        "{told}"
    );
    assert_eq!(proof, Proof::OthersStayed);
}

#[tokio::test]
async fn rows_without_a_key_come_back_as_often_as_they_were_there() {
    let loose = step(
        "2",
        "CREATE TABLE taskmaster.loose (at int, said json)",
        "DROP TABLE taskmaster.loose",
    );
    let fill =
        r#"INSERT INTO taskmaster.loose SELECT n % 2, '{"a": 1}' FROM generate_series(1, 10) AS n"#;
    let database = with_step(loose.clone(), fill).await;
    let mut runner = runner_of(&database, 1, vec![loose]).await;
    let tables = ["taskmaster.loose".to_owned()];
    runner.backup(&tables, &mut |_| ()).await.unwrap();
    let client = database.connect().await;
    let some = "DELETE FROM taskmaster.loose WHERE at = 1; INSERT INTO taskmaster.loose VALUES (1, '{\"a\": 1}'), (5, NULL)";
    client.batch_execute(some).await.unwrap();
    let (told, proof) = restore(&mut runner, 1, Present::Stay).await;
    assert!(told.contains("4 of 10 rows written, 6 were there"), "{told}");
    assert_eq!(proof, Proof::Identical);
    let counted = "SELECT string_agg(at || ':' || n, ' ' ORDER BY at) FROM \
                   (SELECT at, count(*) AS n FROM taskmaster.loose GROUP BY at) AS counted";
    assert_eq!(value(&database, counted).await, "0:5 1:5 5:1");
    let (told, _) = restore(&mut runner, 1, Present::Stay).await;
    assert!(told.contains("0 of 10 rows written"), "{told}");
}

#[tokio::test]
async fn rows_of_the_same_key_stay_or_are_overwritten_and_compared() {
    let database = with_step(kept(), FILL).await;
    let mut runner = runner_of(&database, 1, vec![kept()]).await;
    runner.backup(&["taskmaster.kept".to_owned()], &mut |_| ()).await.unwrap();
    let client = database.connect().await;
    let since = "DELETE FROM taskmaster.kept WHERE id > 900; UPDATE taskmaster.kept SET name = 'x' WHERE id <= 10; \
                 INSERT INTO taskmaster.kept (id, name) VALUES (5000, 'new')";
    client.batch_execute(since).await.unwrap();
    let (told, proof) = restore(&mut runner, 1, Present::Stay).await;
    assert!(told.contains("100 of 1000 rows written"), "{told}");
    assert_eq!(proof, Proof::OthersStayed);
    let (told, proof) = restore(&mut runner, 1, Present::Overwritten).await;
    assert!(told.contains("1000 of 1000 rows written; compared: each row"), "{told}");
    assert_eq!(proof, Proof::Identical);
    assert_eq!(value(&database, "SELECT count(*) FROM taskmaster.kept").await, "1001");
}

#[tokio::test]
async fn a_backup_whose_list_of_tables_cannot_be_read_is_named() {
    let database = with_step(kept(), FILL).await;
    let mut runner = runner_of(&database, 1, vec![kept()]).await;
    runner.backup(&["taskmaster.kept".to_owned()], &mut |_| ()).await.unwrap();
    let client = database.connect().await;
    client.batch_execute("UPDATE taskmaster_migrations.backups SET tables = '[{}]'").await.unwrap();
    for outcome in [
        runner.backups().await.map(drop),
        runner.restore(1, Present::Stay, &mut |_| ()).await.map(drop),
        runner.forget(1, &mut |_| ()).await,
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, MigrateError::BadManifest { id: 1, .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("taskmaster_migrations.backups")));
    }
    assert_eq!(value(&database, "SELECT count(*) FROM taskmaster_backup.b1_1").await, "1000");
}

#[tokio::test]
async fn backups_and_records_wait_for_the_runner_that_is_at_work() {
    let database = with_step(kept(), FILL).await;
    let settings = Settings { runner_wait: Duration::from_millis(100), ..Settings::default() };
    let mut runner = runner_of(&database, 1, vec![kept()]).await.settings(settings);
    let tables = ["taskmaster.kept".to_owned()];
    runner.backup(&tables, &mut |_| ()).await.unwrap();
    let other = database.connect().await;
    // The key of the runners' lock: "taskmigr".
    let key = i64::from_be_bytes(*b"taskmigr");
    other.batch_execute(&format!("SELECT pg_advisory_lock({key})")).await.unwrap();
    let mut waits = 0;
    let mut observe = |event: &taskmaster_migrations::Event| {
        waits +=
            usize::from(matches!(event, taskmaster_migrations::Event::WaitingForRunner { .. }));
    };
    for outcome in [
        runner.backup(&tables, &mut observe).await.map(drop),
        runner.restore(1, Present::Stay, &mut observe).await.map(drop),
        runner.forget(1, &mut observe).await,
        runner.accept_drift("why", &mut observe).await.map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, MigrateError::RunnerBusy { .. }), "{error}");
    }
    assert_eq!(waits, 4);
    other.batch_execute(&format!("SELECT pg_advisory_unlock({key})")).await.unwrap();
    runner.forget(1, &mut |_| ()).await.unwrap();
    // Each of them frees the lock again.
    let free = format!("SELECT pg_try_advisory_lock({key})");
    assert_eq!(value(&database, &free).await, "t");
}

#[tokio::test]
async fn what_an_unfinished_step_has_made_is_not_taken_for_somebody_elses() {
    let database = Cluster::shared().await.create_database().await;
    let folder = Folder::new(&[
        (
            "0001_t.up.sql",
            "-- taskmaster: transaction = false\nCREATE TABLE t (id int);\nSELECT 1 / 0;\n",
        ),
        ("0001_t.down.sql", "DROP TABLE IF EXISTS t;"),
    ]);
    let mut runner = folder.runner(&database).await;
    up(&mut runner).await.0.unwrap_err();
    let error = runner.accept_drift("mine", &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Unfinished { done: 1, .. }), "{error}");
    let version = "1".parse().unwrap();
    let error = runner.baseline(version, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Unfinished { done: 1, .. }), "{error}");
    folder.write(
        "0001_t.up.sql",
        "-- taskmaster: transaction = false\nCREATE TABLE t (id int);\nSELECT 1;\n",
    );
    folder.runner(&database).await.up(UpTo::Latest, &mut |_| ()).await.unwrap();
    let drift = folder.runner(&database).await.drift().await.unwrap();
    assert!(drift.is_empty(), "{drift:?}");
}

#[tokio::test]
async fn no_trigger_of_the_table_sees_what_comes_back() {
    let noted = "CREATE TABLE taskmaster.noted (n bigint); \
        CREATE FUNCTION taskmaster.note() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN INSERT INTO taskmaster.noted VALUES (NEW.id); NEW.name := 'by the trigger'; RETURN NEW; END $$; \
        CREATE TRIGGER note BEFORE INSERT OR UPDATE ON taskmaster.kept FOR EACH ROW EXECUTE FUNCTION taskmaster.note(); \
        ALTER TABLE taskmaster.kept ENABLE ALWAYS TRIGGER note";
    let database = with_step(kept(), &format!("{FILL}; {noted}")).await;
    let mut runner = runner_of(&database, 1, vec![kept()]).await;
    let taken = runner.backup(&["taskmaster.kept".to_owned()], &mut |_| ()).await.unwrap();
    let taskmaster_migrations::Event::BackedUp { copy, .. } = &taken[0] else {
        panic!("{taken:?}")
    };
    assert!(copy.bytes > 8_192, "{copy:?}");
    database.connect().await.batch_execute("TRUNCATE taskmaster.kept").await.unwrap();
    assert_eq!(restore(&mut runner, 1, Present::Stay).await.1, Proof::Identical);
    assert_eq!(restore(&mut runner, 1, Present::Overwritten).await.1, Proof::Identical);
    assert_eq!(value(&database, "SELECT count(*) FROM taskmaster.noted").await, "0");
    let enabled = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'note'";
    assert_eq!(value(&database, enabled).await, "A");
}
