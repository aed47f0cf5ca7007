//! `openmetrics()`: read by the parser of Prometheus' own client library.

use std::fs;

use harness::program::Program;
use harness::run_dir;
use serde_json::{Value, json};

use super::super::drivers::packages;
use super::session::fresh;

/// Reads an exposition and prints families as JSON: name, type, unit, and samples of name, labels, value.
const READ: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([
    [f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
    for f in text_string_to_metric_families(open(sys.argv[1]).read())]))
";

async fn parsed(text: &str) -> Vec<Value> {
    let file = run_dir::fresh_dir("openmetrics").join("exposition");
    fs::write(&file, text).unwrap();
    let finished =
        Program::new(packages::python()).args(["-c", READ]).args([&file]).succeed().await;
    serde_json::from_str(&finished.stdout).unwrap()
}

fn family<'a>(families: &'a [Value], name: &str) -> &'a Value {
    families
        .iter()
        .find(|family| family[0] == name)
        .unwrap_or_else(|| panic!("{name}: {families:?}"))
}

#[tokio::test]
async fn prometheus_reads_every_section() {
    let session = fresh().await;
    // In a transaction of its own, so that it is the older one.
    session.text("select record_metric('queue.depth', 5)").await;
    session
        .run(
            "select create_workflow(create_task('t')); select create_task('u'); \
             insert into external_integrations (integration_type, integration_name, configuration, health_status) \
             values ('github', E'g\"h\\\\\\n', '{}', 'healthy'); \
             select record_metric('queue.depth', 7); \
             select record_metric('queue depth', 3, 'w', p_tags => '{\"a\\\"\\\\\\n\": \"b\\\"\\\\\\nc\", \"le\": 1}'); \
             select record_metric('requests_total', 12, p_metric_type => 'counter'); \
             select record_metric('requests', 9); \
             select record_metric('rows_count', 2); \
             select record_metric('9 lives é', 9, p_metric_unit => '%'); \
             select record_metric('call', n, null, 'timer', p_metric_unit => 'ms') from generate_series(1, 100) n; \
             select record_metric('huge', 1e1000)",
        )
        .await;
    let text = session.text("select openmetrics()").await;
    assert!(text.ends_with("# EOF\n"));
    let families = parsed(&text).await;
    let tasks = family(&families, "taskmaster_tasks");
    assert_eq!(
        *tasks,
        json!(["taskmaster_tasks", "gauge", "", [["taskmaster_tasks", { "status": "pending" }, 2]]])
    );
    assert_eq!(family(&families, "taskmaster_workflows")[3][0][1]["status"], "initialized");
    let healthy = &family(&families, "taskmaster_integration_healthy")[3][0];
    assert_eq!((&healthy[1]["name"], &healthy[2]), (&json!("g\"h\\\n"), &json!(1)));
    let depth = family(&families, "taskmaster_metric_queue_depth");
    assert_eq!(depth[3].as_array().unwrap().len(), 2, "{depth}");
    assert!(depth[3].as_array().unwrap().iter().any(|sample| sample[2] == 7), "{depth}");
    let odd =
        depth[3].as_array().unwrap().iter().find(|sample| sample[1]["component"] == "w").unwrap();
    assert_eq!(odd[1], json!({ "a___": "b\"\\\nc", "component": "w", "tag_le": "1" }));
    let requests = family(&families, "taskmaster_metric_requests");
    let gauge = family(&families, "taskmaster_metric_requests_counter");
    assert_eq!((&requests[1], &gauge[1]), (&json!("gauge"), &json!("counter")));
    assert_eq!(family(&families, "taskmaster_metric_rows_value")[3][0][2], 2);
    assert_eq!(family(&families, "taskmaster_metric_9_lives___percent")[2], "percent");
    let call = family(&families, "taskmaster_metric_call_ms");
    assert_eq!((&call[1], &call[2]), (&json!("summary"), &json!("ms")));
    let p99 = call[3]
        .as_array()
        .unwrap()
        .iter()
        .find(|sample| sample[1]["quantile"] == "9.9e-1")
        .unwrap();
    assert!((p99[2].as_f64().unwrap() / 99.01 - 1.0).abs() <= 0.01, "{p99}");
    assert!(family(&families, "pg_stat_database_xact_commit")[3][0][2].as_f64().unwrap() > 0.0);
    assert_eq!(family(&families, "pg_database_size_bytes")[2], "bytes");
}

#[tokio::test]
async fn an_empty_database_and_chosen_sections_are_read_too() {
    let session = fresh().await;
    let families = parsed(&session.text("select openmetrics('{tasks,metrics}')").await).await;
    assert!(families.is_empty(), "{families:?}");
    assert_eq!(session.text("select openmetrics('{}')").await, "# EOF\n");
    let pg = parsed(&session.text("select openmetrics('{pg}')").await).await;
    assert!(pg.iter().all(|family| family[0].as_str().unwrap().starts_with("pg_")), "{pg:?}");
    assert_ne!(session.text("select openmetrics(null)").await, "# EOF\n");
    assert_eq!(session.sqlstate("select openmetrics('{tasks,weather}')").await, "22023");
    assert_eq!(session.sqlstate("select openmetrics('{null}')").await, "22004");
}
