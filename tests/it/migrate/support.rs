//! What the migration tests share: runners, plans of their own, and dumps to compare.

use std::process::Command;

use harness::Database;
use harness::installation::Installation;
use taskmaster_migrations::{
    Connection, DownTo, Event, MigrateError, Plan, Report, Runner, Step, StepKind, Target, UpTo,
    connect,
};
use tokio_postgres::NoTls;

/// Where a test's database is, for a runner.
pub(super) fn target(database: &Database<'_>) -> Target {
    let cluster = database.cluster();
    let host = cluster.socket_dir.to_str().expect("a directory of the harness is text");
    let mut target = Target::new(host, cluster.port, cluster.superuser, &database.name);
    target.password = Some(cluster.password.to_owned());
    target
}

pub(super) async fn connection(database: &Database<'_>) -> Connection {
    connect(&target(database), NoTls).await.unwrap()
}

/// A runner of the product's steps.
pub(super) async fn runner(database: &Database<'_>) -> Runner {
    Runner::new(connection(database).await)
}

/// A runner of the product's first steps, followed by others.
pub(super) async fn runner_of(database: &Database<'_>, first: usize, others: Vec<Step>) -> Runner {
    Runner::with_plan(connection(database).await, plan_of(first, others))
}

pub(super) fn plan_of(first: usize, others: Vec<Step>) -> Plan {
    let mut steps = Plan::embedded().steps()[..first].to_vec();
    steps.extend(others);
    Plan::new(steps).unwrap()
}

/// A step of a test's own.
pub(super) fn step(version: &str, up: &str, down: &str) -> Step {
    Step {
        version: version.parse().unwrap(),
        name: "of_a_test".into(),
        kind: StepKind::Schema,
        up: up.to_owned().into(),
        down: Some(down.to_owned().into()),
        verify: None,
    }
}

/// Applies everything and keeps what was said on the way.
pub(super) async fn up(runner: &mut Runner) -> (Result<Report, MigrateError>, Vec<Event>) {
    let mut events = Vec::new();
    let outcome = runner.up(UpTo::Latest, &mut |event| events.push(event.clone())).await;
    (outcome, events)
}

pub(super) async fn up_all(database: &Database<'_>) -> Report {
    up(&mut runner(database).await).await.0.unwrap()
}

pub(super) async fn down_all(database: &Database<'_>) -> Report {
    runner(database).await.down(DownTo::Nothing, &mut |_| ()).await.unwrap()
}

/// The versions of a report, in its order.
pub(super) fn versions(report: &Report) -> Vec<String> {
    report.steps.iter().map(|run| run.version.to_string()).collect()
}

/// One value of a query's first row.
pub(super) async fn value(database: &Database<'_>, sql: &str) -> String {
    let rows = database.connect().await.simple_query(sql).await.unwrap();
    let first = rows.into_iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some(row.get(0).unwrap_or("NULL").to_owned())
        }
        _ => None,
    });
    first.unwrap_or_else(|| panic!("no row: {sql}"))
}

/// `pg_dump --schema-only` without what changes from run to run: versions and restrict keys.
pub(super) fn dump(database: &Database<'_>, more: &[&str]) -> String {
    let cluster = database.cluster();
    let output = Command::new(Installation::get().system_bin_dir.join("pg_dump"))
        .args(["--schema-only", "--no-owner", "--username", cluster.superuser])
        // What the runner remembers outlives the steps.
        .args(["--exclude-schema=taskmaster_migrations", "--exclude-schema=taskmaster_backup"])
        .args(["--port", &cluster.port.to_string(), "--host"])
        .arg(&cluster.socket_dir)
        .args(more)
        .arg(&database.name)
        .env("PGPASSWORD", cluster.password)
        .output()
        .expect("pg_dump is installed with the server");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let volatile = [r"\restrict ", r"\unrestrict ", "-- Dumped from ", "-- Dumped by "];
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !volatile.iter().any(|start| line.starts_with(start)))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Leaves out the partitions of single days and weeks: which there are changes at midnight.
pub(super) const NO_DATED_PARTITIONS: &str = "--exclude-table=taskmaster.*_p[0-9]*";

/// Drops what the runner remembers, which outlives the steps.
pub(super) async fn forget_the_runner(database: &Database<'_>) {
    let sql = "DROP SCHEMA IF EXISTS taskmaster_migrations, taskmaster_backup CASCADE";
    database.connect().await.batch_execute(sql).await.unwrap();
}

/// Lists how many objects of each catalog an empty database does not have: first normal object id
/// of `access/transam.h`.
pub(super) const LEFT_BEHIND: &str = "
    SELECT coalesce(string_agg(format('%s in %s', n, catalog), ', '), 'nothing') FROM (
        SELECT 'pg_class' AS catalog, count(*) AS n FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT 'pg_type', count(*) FROM pg_type WHERE oid >= 16384
        UNION ALL SELECT 'pg_proc', count(*) FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'pg_namespace', count(*) FROM pg_namespace WHERE oid >= 16384
        UNION ALL SELECT 'pg_extension', count(*) FROM pg_extension WHERE oid >= 16384
        UNION ALL SELECT 'pg_constraint', count(*) FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT 'pg_trigger', count(*) FROM pg_trigger WHERE oid >= 16384
        UNION ALL SELECT 'pg_depend', count(*) FROM pg_depend WHERE objid >= 16384
        UNION ALL SELECT 'pg_description', count(*) FROM pg_description WHERE objoid >= 16384
        UNION ALL SELECT 'pg_db_role_setting', count(*) FROM pg_db_role_setting s
            JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
    ) AS counted WHERE n > 0";
