//! What the tables refuse, by the name of the constraint, and what keeps itself up to date.

use harness::{Cluster, Database};

use super::support::{runner_of, up, value};

async fn migrated() -> Database<'static> {
    let database = Cluster::shared().await.create_database().await;
    up(&mut runner_of(&database, 7, vec![]).await).await.0.unwrap();
    database
}

/// A statement and the constraint it violates.
const REFUSED: &[(&str, &str)] = &[
    ("INSERT INTO tasks (title) VALUES ('  ')", "tasks_title_check"),
    ("INSERT INTO tasks (title, status) VALUES ('t', 'done')", "tasks_status_check"),
    ("INSERT INTO tasks (title, type) VALUES ('t', 'epic')", "tasks_type_check"),
    ("INSERT INTO tasks (title, priority) VALUES ('t', 11)", "tasks_priority_check"),
    ("INSERT INTO tasks (title, priority) VALUES ('t', -1)", "tasks_priority_check"),
    ("INSERT INTO tasks (title, complexity_score) VALUES ('t', 0)", "tasks_complexity_score_check"),
    ("INSERT INTO tasks (title, estimated_hours) VALUES ('t', -1)", "tasks_estimated_hours_check"),
    ("INSERT INTO tasks (title, actual_hours) VALUES ('t', -1)", "tasks_actual_hours_check"),
    ("INSERT INTO tasks (title, pr_number) VALUES ('t', 0)", "tasks_pr_number_check"),
    (
        "INSERT INTO tasks (title, github_issue_number) VALUES ('t', 0)",
        "tasks_github_issue_number_check",
    ),
    ("INSERT INTO tasks (title, completed_at) VALUES ('t', now())", "tasks_completed_at_check"),
    (
        "INSERT INTO tasks (title, parent_task_id) VALUES ('t', gen_random_uuid())",
        "tasks_parent_task_id_fkey",
    ),
    ("UPDATE tasks SET parent_task_id = id", "tasks_parent_task_id_check"),
    ("INSERT INTO tasks (title, linear_issue_id) VALUES ('t', 'L-1')", "tasks_linear_issue_id_key"),
    (
        "INSERT INTO tasks (title, repository_url, github_issue_number) VALUES ('t', 'https://x/y', 7)",
        "tasks_repository_url_github_issue_number_key",
    ),
    ("INSERT INTO workflows (status) VALUES ('done')", "workflows_status_check"),
    ("INSERT INTO workflows (workflow_type) VALUES ('x')", "workflows_workflow_type_check"),
    ("INSERT INTO workflows (total_steps) VALUES (-1)", "workflows_total_steps_check"),
    ("INSERT INTO workflows (retry_count) VALUES (-1)", "workflows_retry_count_check"),
    ("INSERT INTO workflows (max_retries) VALUES (-1)", "workflows_max_retries_check"),
    ("INSERT INTO workflows (timeout_minutes) VALUES (0)", "workflows_timeout_minutes_check"),
    ("INSERT INTO workflows (timeout_minutes) VALUES (1441)", "workflows_timeout_minutes_check"),
    ("INSERT INTO workflows (task_id) SELECT id FROM tasks", "workflows_active_task_id_key"),
    (
        "INSERT INTO system_metrics (metric_name, metric_value, metric_type) VALUES ('m', 1, 'x')",
        "system_metrics_metric_type_check",
    ),
    (
        "INSERT INTO external_integrations (integration_type, integration_name, configuration) VALUES ('fax', 'f', '{}')",
        "external_integrations_integration_type_check",
    ),
    (
        "INSERT INTO external_integrations (integration_type, integration_name, configuration) VALUES ('github', 'g', '{}')",
        "external_integrations_type_name_key",
    ),
    ("UPDATE external_integrations SET status = 'x'", "external_integrations_status_check"),
    (
        "UPDATE external_integrations SET health_status = 'x'",
        "external_integrations_health_status_check",
    ),
    (
        "UPDATE external_integrations SET rate_limit_per_minute = 0",
        "external_integrations_rate_limit_per_minute_check",
    ),
    (
        "UPDATE external_integrations SET current_usage = -1",
        "external_integrations_current_usage_check",
    ),
    (
        "INSERT INTO api_access_logs (endpoint, method) VALUES ('/', 'FETCH')",
        "api_access_logs_method_check",
    ),
    (
        "INSERT INTO api_access_logs (endpoint, method, response_status) VALUES ('/', 'GET', 1000)",
        "api_access_logs_response_status_check",
    ),
    (
        "INSERT INTO api_access_logs (endpoint, method, response_time_ms) VALUES ('/', 'GET', -1)",
        "api_access_logs_response_time_ms_check",
    ),
    (
        "INSERT INTO api_access_logs (endpoint, method, retry_count) VALUES ('/', 'GET', -1)",
        "api_access_logs_retry_count_check",
    ),
];

/// What stands in the tables while the statements above are refused.
const GIVEN: &str = "
    INSERT INTO tasks (title, linear_issue_id, repository_url, github_issue_number)
        VALUES ('given', 'L-1', 'https://x/y', 7);
    INSERT INTO workflows (task_id) SELECT id FROM tasks;
    INSERT INTO external_integrations (integration_type, integration_name, configuration)
        VALUES ('github', 'g', '{}')";

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_the_constraint_that_says_so() {
    let database = migrated().await;
    let client = database.connect().await;
    client.batch_execute(GIVEN).await.unwrap();
    for (statement, constraint) in REFUSED {
        let error = client.batch_execute(statement).await.expect_err(statement);
        let error = error.as_db_error().unwrap();
        assert_eq!(error.constraint(), Some(*constraint), "{statement}: {error}");
    }
}

#[tokio::test]
async fn the_vocabularies_hold_every_word_they_should() {
    let database = migrated().await;
    let client = database.connect().await;
    let words = [
        (
            "tasks (title, status)",
            "'t', ",
            "pending in_progress review blocked deferred completed failed cancelled",
        ),
        (
            "tasks (title, type)",
            "'t', ",
            "general bug_fix feature enhancement refactor documentation test deployment",
        ),
        ("workflows (status)", "", "initialized running completed failed cancelled timeout"),
        ("workflows (workflow_type)", "", "standard hotfix rollback deployment validation cleanup"),
        (
            "system_metrics (metric_name, metric_value, metric_type)",
            "'m', 1, ",
            "gauge counter histogram timer",
        ),
        ("api_access_logs (endpoint, method)", "'/', ", "GET HEAD POST PUT PATCH DELETE OPTIONS"),
        (
            "external_integrations (configuration, integration_name, integration_type)",
            "'{}', 'n', ",
            "codegen github linear claude webhook slack email",
        ),
    ];
    for (columns, before, vocabulary) in words {
        for word in vocabulary.split(' ') {
            let sql = format!("INSERT INTO {columns} VALUES ({before}'{word}')");
            client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }
}

#[tokio::test]
async fn updated_at_follows_a_change_and_only_a_change() {
    let database = migrated().await;
    let client = database.connect().await;
    let old = "timestamptz '2001-01-01 00:00+00'";
    client
        .batch_execute(&format!(
            "INSERT INTO tasks (title, updated_at) VALUES ('t', {old});
             INSERT INTO external_integrations (integration_type, integration_name, configuration, updated_at)
                VALUES ('github', 'g', '{{}}', {old})"
        ))
        .await
        .unwrap();
    for (table, same, other) in [
        ("tasks", "title = title", "title = 'u'"),
        ("external_integrations", "status = status", "status = 'error'"),
    ] {
        let is_old = format!("SELECT updated_at = {old} FROM {table}");
        client.batch_execute(&format!("UPDATE {table} SET {same}")).await.unwrap();
        assert_eq!(value(&database, &is_old).await, "t", "{table}: nothing changed");
        client.batch_execute(&format!("UPDATE {table} SET {other}")).await.unwrap();
        assert_eq!(value(&database, &is_old).await, "f", "{table}: {other}");
    }
}

#[tokio::test]
async fn titles_and_descriptions_are_searched_by_trigrams() {
    let database = migrated().await;
    let client = database.connect().await;
    client.batch_execute("SET enable_seqscan = off").await.unwrap();
    for column in ["title", "description"] {
        let sql = format!("EXPLAIN SELECT id FROM tasks WHERE {column} ILIKE '%needle%'");
        let plan: Vec<String> =
            client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert!(plan.join("\n").contains("tasks_title_description_trgm_idx"), "{plan:?}");
    }
}
