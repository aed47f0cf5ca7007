//! `validate --roundtrip`: each step of the product goes up, down and up again with rows in the
//! tables, and steps that do not are found.

use std::collections::BTreeMap;

use harness::{Cluster, Database};
use taskmaster_migrations::{MigrateError, Plan, Proven, Step, prove};
use tokio_postgres::NoTls;

use super::folder::{Folder, LEDGER};
use super::support::{plan_of, step, target, value};

async fn proven(database: &Database<'_>, plan: &Plan) -> Result<Proven, MigrateError> {
    let outcome = prove(&target(database), NoTls, plan, &mut |_| ()).await;
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'taskmaster_shadow_' || pg_backend_pid() || '%'";
    let left = left.replace("pg_backend_pid()", &std::process::id().to_string());
    assert_eq!(value(database, &left).await, "0", "the shadow database is left behind");
    outcome
}

#[tokio::test]
async fn every_step_of_the_product_goes_up_down_and_up_again() {
    let database = Cluster::shared().await.create_database().await;
    let plan = Plan::embedded();
    let proven = proven(&database, &plan).await.unwrap();
    let versions: Vec<_> = plan.steps().iter().map(|step| step.version).collect();
    assert_eq!(proven.steps, versions);
    assert!(proven.irreversible.is_empty(), "{proven:?}");
    let reasons: BTreeMap<_, _> =
        proven.without_rows.iter().filter_map(|line| line.split_once(": ")).collect();
    assert!(
        proven.tables_with_rows >= 20,
        "{} tables had rows: {reasons:#?}",
        proven.tables_with_rows
    );
}

#[tokio::test]
async fn a_projects_steps_are_proven_beside_the_products() {
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let folder = Folder::new(&[
        (
            "0001_notes.up.sql",
            "-- taskmaster: requires = [\"taskmaster:0002\"]\n\
             CREATE TABLE notes (task_id uuid NOT NULL REFERENCES taskmaster.tasks, note text);",
        ),
        ("0001_notes.down.sql", "DROP TABLE notes;"),
    ]);
    let plan = taskmaster_migrations::load(folder.path()).unwrap().of_project(LEDGER);
    assert_eq!(proven(&database, &plan).await.unwrap().steps.len(), 1);
}

async fn refused(second: Step, third: Step) -> String {
    let database = Cluster::shared().await.create_database().await;
    proven(&database, &plan_of(1, vec![second, third])).await.unwrap_err().to_string()
}

#[tokio::test]
async fn steps_that_do_not_come_back_are_found() {
    let table = || {
        step(
            "2",
            "CREATE TABLE taskmaster.t (id int PRIMARY KEY, name text)",
            "DROP TABLE taskmaster.t",
        )
    };
    // A way down that forgets an index.
    let left = step("3", "CREATE INDEX t_name ON taskmaster.t (name)", "SELECT 1");
    let told = refused(table(), left).await;
    assert_eq!(
        told,
        "step 0003 does not go back to what was there before it: index taskmaster.t_name is left behind"
    );
    // Values that go with a column that the way down makes anew.
    let lossy = step(
        "3",
        "ALTER TABLE taskmaster.t DROP COLUMN name",
        "ALTER TABLE taskmaster.t ADD COLUMN name text",
    );
    let told = refused(table(), lossy).await;
    assert!(
        told == "step 0003: up and down again, 3 rows of taskmaster.t are not what they were",
        "{told}"
    );
    // A way down that rows stand in the way of.
    let blocked = step(
        "3",
        "ALTER TABLE taskmaster.t ALTER COLUMN name DROP NOT NULL, ADD COLUMN more int CHECK (more > 0)",
        "ALTER TABLE taskmaster.t DROP COLUMN more; DO $$ BEGIN IF EXISTS (SELECT FROM taskmaster.t) THEN RAISE 'rows'; END IF; END $$",
    );
    let told = refused(table(), blocked).await;
    assert!(told.starts_with("0003_of_a_test.down.sql:1:") && told.contains("rows"), "{told}");
}
