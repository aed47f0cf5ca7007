//! The health of the system: the document's shape, figures that are the machine's own, and what a
//! caller with few rights still sees.

use std::fs;

use harness::Cluster;
use serde_json::{Value, json};

use super::session::{Session, fresh};

async fn document(session: &Session, call: &str) -> Value {
    session.text(&format!("select {call}")).await.parse().expect("jsonb is JSON")
}

fn names(document: &Value) -> Vec<&str> {
    document["checks"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// A role with the right to use the functions, and no other.
async fn become_watcher(session: &Session) {
    session
        .run(
            "create role watcher; grant usage on schema taskmaster to watcher; \
             grant execute on all functions in schema taskmaster to watcher; set role watcher",
        )
        .await;
}

#[tokio::test]
async fn the_snapshot_is_health_json() {
    let session = fresh().await;
    let snapshot = document(&session, "health_snapshot()").await;
    assert!(["pass", "warn", "fail"].contains(&snapshot["status"].as_str().unwrap()));
    assert_eq!(snapshot["serviceId"], "taskmaster");
    assert_eq!(snapshot["notes"], json!([]));
    let version = session.text("select max(version) from schema_migrations").await;
    assert_eq!(snapshot["releaseId"], json!(version));
    for name in [
        "postgresql:connections",
        "postgresql:activeSessions",
        "postgresql:responseTime",
        "tasks:pending",
        "workflows:overdue",
        "integrations:breakersOpen",
        "partitions:daysMissing",
        "host:cpu",
        "host:memory",
        "host:disk",
    ] {
        let check = &snapshot["checks"][name][0];
        assert!(check["observedValue"].is_number(), "{name}: {check}");
        assert!(
            check["observedUnit"].is_string() && check["status"].is_string(),
            "{name}: {check}"
        );
    }
    let connections = &snapshot["checks"]["postgresql:connections"][0];
    assert!(connections["observedValue"].as_f64().unwrap() > 0.0, "{connections}");
    assert_eq!(snapshot["checks"]["partitions:daysMissing"][0]["status"], "pass");
}

#[tokio::test]
async fn what_is_wrong_is_seen() {
    let session = fresh().await;
    session
        .run(
            "insert into workflows (status, started_at) values ('running', now() - interval '2 days'); \
             insert into system_metrics (metric_name, metric_value, recorded_at) values ('m', 1, '1999-01-01'); \
             select register_integration('github', 'gh'); \
             select record_health_check('gh', false) from generate_series(1, 3); \
             select create_task('a'); select create_task('b')",
        )
        .await;
    let snapshot = document(&session, "health_snapshot(false)").await;
    assert_ne!(snapshot["status"], "pass");
    for name in [
        "workflows:overdue",
        "partitions:defaultRows",
        "integrations:unhealthy",
        "integrations:breakersOpen",
    ] {
        assert_eq!(snapshot["checks"][name][0]["status"], "warn", "{name}");
        assert_eq!(snapshot["checks"][name][0]["observedValue"], 1, "{name}");
    }
    assert!(
        !names(&snapshot).contains(&"tasks:pending"),
        "the brief one shows what is wrong alone"
    );
    let whole = document(&session, "health_snapshot(null)").await;
    assert_eq!(whole["checks"]["tasks:pending"][0]["observedValue"], 2);
}

#[tokio::test]
async fn without_rights_the_rest_is_still_seen_and_what_is_not_is_said() {
    let session = fresh().await;
    become_watcher(&session).await;
    let snapshot = document(&session, "health_snapshot()").await;
    let notes = snapshot["notes"].to_string();
    assert!(notes.contains("pg_monitor") && notes.contains("tasks"), "{notes}");
    let seen = names(&snapshot);
    assert!(seen.contains(&"postgresql:connections") && seen.contains(&"host:memory"), "{seen:?}");
    assert!(
        !seen.contains(&"postgresql:activeSessions") && !seen.contains(&"tasks:pending"),
        "{seen:?}"
    );
    session
        .run(
            "reset role; grant pg_monitor to watcher; \
             grant select on all tables in schema taskmaster to watcher; set role watcher",
        )
        .await;
    let snapshot = document(&session, "health_snapshot()").await;
    assert_eq!(snapshot["notes"], json!([]));
    assert!(names(&snapshot).contains(&"postgresql:oldestTransaction"));
}

#[tokio::test]
async fn without_the_tables_the_server_is_still_seen() {
    let database = Cluster::shared().await.create_database().await;
    let session = Session::open(&database).await;
    session.run("create extension taskmaster").await;
    let snapshot = document(&session, "health_snapshot()").await;
    assert!(snapshot["notes"].to_string().contains("schema_migrations"), "{}", snapshot["notes"]);
    assert!(names(&snapshot).contains(&"postgresql:connections"));
    assert_eq!(snapshot["releaseId"], Value::Null);
    let refusal = session.refusal("select * from get_system_health()").await;
    assert_eq!(refusal.sqlstate, "55000");
}

#[tokio::test]
async fn defect_15_the_figures_of_the_machine_are_its_own() {
    let session = fresh().await;
    let stats = document(&session, "host_stats()").await;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let total: u64 = total.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(stats["memory"]["total_bytes"], total * 1024);
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let processors =
        stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    assert_eq!(stats["cpu"]["processors"], processors);
    for (part, figure) in [("cpu", "percent"), ("memory", "used_percent"), ("disk", "used_percent")]
    {
        let percent = stats[part][figure].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&percent), "{part}: {percent}");
    }
    assert!(stats["disk"]["total_bytes"].as_u64().unwrap() > 0);
    assert!(stats["load"]["1m"].is_number());
    assert_eq!(stats["notes"], json!([]));
    let over = stats["cpu"]["over_ms"].as_u64().unwrap();
    assert!(over >= 100, "watched for {over} ms");
}

#[tokio::test]
async fn defect_02_system_health_has_its_five_columns() {
    let session = fresh().await;
    session
        .run(
            "select register_integration('github', 'gh'); \
             select log_api_call('gh', '/', 'GET', 200, 10); \
             select log_api_call('gh', '/', 'GET', 200, 30); \
             select record_health_check('gh', true); \
             select record_metric('jobs', 1, 'worker'); \
             select record_metric('jobs', 2, 'worker'); \
             select record_metric('response_time_ms', 7, 'worker'); \
             select record_metric('queries', 2, 'database')",
        )
        .await;
    let rows = session
        .rows(
            "select component, status in ('healthy', 'degraded', 'unhealthy', 'active'), \
             last_check is not null, metrics_count, round(avg_response_time) from get_system_health()",
        )
        .await
        .unwrap();
    assert_eq!(
        rows,
        [
            ["database", "t", "t", "1", "NULL"],
            ["gh", "t", "t", "0", "20"],
            ["worker", "t", "t", "3", "7"],
        ]
    );
    let types = "select pg_get_function_result('get_system_health()'::regprocedure)";
    assert_eq!(
        session.text(types).await,
        "TABLE(component character varying, status character varying, last_check timestamp with \
         time zone, metrics_count bigint, avg_response_time numeric)"
    );
}
