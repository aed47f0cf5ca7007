//! The product's document, literally: its tables column for column, and its statements as written.

use harness::{Cluster, Database};
use tokio_postgres::Client;

use super::support::{up_all, value};

/// The CREATE TABLE statements of the document, copied as they stand there.
const TABLES: &str = include_str!("seed.sql");

/// The only columns that differ: the partition keys are part of a primary key, hence NOT NULL.
const NOT_NULL_HERE: [(&str, &str); 2] =
    [("system_metrics", "recorded_at"), ("api_access_logs", "timestamp")];

async fn migrated() -> Database<'static> {
    let database = Cluster::shared().await.create_database().await;
    up_all(&database).await;
    database
}

/// Table, position, name, type, nullability and default of each column in a schema.
async fn columns(client: &Client, schema: &str) -> Vec<Vec<String>> {
    let sql = "
        SELECT table_name::text, ordinal_position::text, column_name::text, data_type::text,
               concat_ws(',', character_maximum_length, numeric_precision, numeric_scale), is_nullable::text,
               coalesce(column_default, 'no default')
          FROM information_schema.columns
         WHERE table_schema = $1
           AND table_name IN ('tasks', 'workflows', 'system_metrics', 'external_integrations', 'api_access_logs')
         ORDER BY table_name, ordinal_position";
    let rows = client.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect()
}

/// The foreign keys in a schema: from where, to where, and what a deletion does.
async fn references(client: &Client, schema: &str) -> Vec<String> {
    let sql = "
        SELECT format('%s(%s) to %s, on delete %s', t.relname, a.attname, f.relname, c.confdeltype)
          FROM pg_constraint c
          JOIN pg_class t ON t.oid = c.conrelid AND NOT t.relispartition
          JOIN pg_class f ON f.oid = c.confrelid
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f' AND t.relnamespace = $1::text::regnamespace
         ORDER BY 1";
    let rows = client.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_tables_are_those_of_the_document_column_for_column() {
    let database = migrated().await;
    let client = database.connect().await;
    let create = format!("CREATE SCHEMA seed; SET search_path = seed; {TABLES}; RESET search_path");
    client.batch_execute(&create).await.unwrap();
    let mut expected = columns(&client, "seed").await;
    assert_eq!(expected.len(), 25 + 17 + 10 + 14 + 16, "the document's columns");
    for row in &mut expected {
        if NOT_NULL_HERE.contains(&(row[0].as_str(), row[2].as_str())) {
            row[5] = "NO".to_owned();
        }
    }
    // Later steps add columns after those of the document.
    let named: Vec<_> = expected.iter().map(|row| (row[0].clone(), row[2].clone())).collect();
    let mut present = columns(&client, "taskmaster").await;
    present.retain(|row| named.contains(&(row[0].clone(), row[2].clone())));
    assert_eq!(present, expected);
    assert_eq!(references(&client, "taskmaster").await, references(&client, "seed").await);
}

#[tokio::test]
async fn the_documents_insert_runs_as_written() {
    let database = migrated().await;
    let client = database.connect().await;
    let sql = "
    INSERT INTO external_integrations (
        integration_type, integration_name, configuration
    ) VALUES ($1, $2, $3)
";
    // As the document's driver does: parameters without types, sent as text.
    let configuration = r#"{"api_url":"https://api.codegen.sh","rate_limit":60,"timeout":30000,"retry_attempts":3}"#;
    let prepare = format!("PREPARE seed AS {sql}");
    client.batch_execute(&prepare).await.unwrap();
    let execute = format!("EXECUTE seed ('codegen', 'codegen-api', '{configuration}')");
    client.batch_execute(&execute).await.unwrap();
    let row = "SELECT concat_ws('|', status, health_status, rate_limit_per_minute, current_usage,
                      configuration ->> 'api_url', usage_reset_at > now()) FROM external_integrations";
    assert_eq!(value(&database, row).await, "active|unknown|60|0|https://api.codegen.sh|t");
}

#[tokio::test]
async fn the_documents_functions_are_found_without_their_schema() {
    let database = migrated().await;
    let missing = "
        SELECT coalesce(string_agg(name, ', '), 'none')
          FROM unnest(ARRAY['create_task', 'update_task_status', 'get_task_hierarchy', 'calculate_task_completion',
                            'create_workflow', 'update_workflow_step', 'record_metric', 'log_api_call']) AS name
         WHERE to_regproc(name) IS NULL";
    assert_eq!(value(&database, missing).await, "none");
    assert_eq!(value(&database, "SELECT create_task('x') IS NOT NULL").await, "t");
}
