//! What steps make of rows that were there before them.

use harness::{Cluster, Database};

use super::support::{runner_of, up, up_all, value};

/// A database with the first steps only, and rows.
async fn at_step(steps: usize, rows: &str) -> Database<'static> {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, steps, vec![]).await).await.0.unwrap();
    database.connect().await.batch_execute(rows).await.unwrap();
    database
}

#[tokio::test]
async fn steps_that_were_reported_become_rows() {
    let rows = r#"
        INSERT INTO taskmaster.workflows (status, steps_completed) VALUES
        ('running', '[{"step_name": "b", "status": "running", "timestamp": "2025-01-01T00:00:00+00:00"},
                      {"step_name": "a", "status": "completed", "timestamp": "2025-01-01T00:01:00+00:00",
                       "result": {"n": 1}},
                      {"step_name": "b", "status": "failed", "timestamp": "soon", "error_message": "why"}]'),
        ('running', '{"not": "a list"}'), ('running', NULL),
        ('running', '[1, null, {"step_name": "", "status": "completed"}, {"step_name": "x", "status": "odd"}]')"#;
    let database = at_step(9, rows).await;
    up_all(&database).await;
    let steps = "SELECT string_agg(concat_ws(':', name, step_no, status, attempt, finished_at IS NULL, result, error),
                                   ' ' ORDER BY step_no) FROM taskmaster.workflow_steps";
    assert_eq!(value(&database, steps).await, "b:1:failed:1:t:why a:2:completed:1:f:{\"n\": 1}");
    let report =
        "SELECT taskmaster.update_workflow_step(id, 'b', 'completed') FROM taskmaster.workflows
                   WHERE steps_completed -> 0 ->> 'step_name' = 'b'";
    assert_eq!(value(&database, report).await, "t");
}

#[tokio::test]
async fn integrations_with_a_secret_stay_until_they_are_changed() {
    let rows = r#"
        INSERT INTO taskmaster.external_integrations (integration_type, integration_name, configuration)
        VALUES ('github', 'old', '{"api_key": "in plain text"}')"#;
    let database = at_step(9, rows).await;
    up_all(&database).await;
    let client = database.connect().await;
    client.batch_execute("UPDATE external_integrations SET status = 'inactive'").await.unwrap();
    let kept = "UPDATE external_integrations SET configuration = configuration || '{\"a\": 1}'";
    let error = client.batch_execute(kept).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22023");
    let changed = "UPDATE external_integrations SET configuration = '{\"api_key\": \"env:X\"}'";
    client.batch_execute(changed).await.unwrap();
}

#[tokio::test]
async fn words_that_earlier_tables_lack_get_the_nearest_on_the_way_down() {
    let database = Cluster::shared().await.create_database().await;
    up_all(&database).await;
    let rows =
        "INSERT INTO external_integrations (integration_type, integration_name, configuration)
                VALUES ('jira', 'j', '{}');
                INSERT INTO api_access_logs (endpoint, method) VALUES ('/', 'OTHER')";
    database.connect().await.batch_execute(rows).await.unwrap();
    let to = taskmaster_migrations::DownTo::Version("9".parse().unwrap());
    super::support::runner(&database).await.down(to, &mut |_| ()).await.unwrap();
    let left =
        "SELECT concat_ws('|', integration_type, (SELECT method FROM taskmaster.api_access_logs))
                  FROM taskmaster.external_integrations";
    assert_eq!(value(&database, left).await, "webhook|OPTIONS");
    up_all(&database).await;
}
