//! The partitions of metrics and API logs: made ahead, bounded in UTC, and never losing a row.

use harness::{Cluster, Database};

use super::support::{runner_of, up, value};

/// A database with the tables and the functions, and what the runner made on the way.
async fn migrated() -> (Database<'static>, i32) {
    let database = Cluster::shared().await.create_database().await;
    let report = up(&mut runner_of(&database, 5, vec![]).await).await.0.unwrap();
    (database, report.partitions_made)
}

#[tokio::test]
async fn up_makes_the_days_and_weeks_around_the_present_once() {
    let (database, made) = migrated().await;
    assert_eq!(made, 18);
    let again = up(&mut runner_of(&database, 5, vec![]).await).await.0.unwrap();
    // One more of each may be due when midnight has passed since.
    assert!(again.partitions_made <= 2, "{again:?}");
    for (table, time) in [("system_metrics", "recorded_at"), ("api_access_logs", "\"timestamp\"")] {
        let values = match table {
            "system_metrics" => "(metric_name, metric_value) VALUES ('m', 1)",
            _ => "(endpoint, method) VALUES ('/', 'GET')",
        };
        let insert = format!("INSERT INTO {table} {values} RETURNING tableoid::regclass");
        let landed = value(&database, &insert).await;
        assert!(landed.starts_with(&format!("{table}_p")), "{landed}");
        let empty = format!("SELECT count(*) FROM {table}_default WHERE {time} IS NOT NULL");
        assert_eq!(value(&database, &empty).await, "0");
    }
}

#[tokio::test]
async fn bounds_are_midnights_in_utc_whatever_the_session_says() {
    let (database, _) = migrated().await;
    let client = database.connect().await;
    client.batch_execute("SET TimeZone = 'Pacific/Kiritimati'").await.unwrap();
    let make = "SELECT taskmaster.make_partition('system_metrics', '2031-03-30', '2031-03-31')";
    assert!(client.query_one(make, &[]).await.unwrap().get::<_, bool>(0));
    assert!(!client.query_one(make, &[]).await.unwrap().get::<_, bool>(0), "it stands already");
    let bound = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'system_metrics_p20310330'";
    let expected = "FOR VALUES FROM ('2031-03-30 00:00:00+00') TO ('2031-03-31 00:00:00+00')";
    assert_eq!(value(&database, bound).await, expected);
}

#[tokio::test]
async fn weeks_begin_on_monday() {
    let (database, _) = migrated().await;
    let days =
        "SELECT string_agg(DISTINCT to_char(to_date(right(relname, 8), 'YYYYMMDD'), 'FMDay'), ',')
                  FROM pg_class WHERE relname ~ '^api_access_logs_p[0-9]{8}$'";
    assert_eq!(value(&database, days).await, "Monday");
}

#[tokio::test]
async fn rows_of_the_default_partition_move_to_the_partition_made_for_them() {
    let (database, _) = migrated().await;
    let client = database.connect().await;
    let insert = "INSERT INTO system_metrics (metric_name, metric_value, recorded_at)
                  SELECT 'late', n, timestamptz '2031-01-02 00:00+00' + n * interval '12 hours'
                    FROM generate_series(-1, 2) AS n";
    client.batch_execute(insert).await.unwrap();
    let make = "SELECT taskmaster.make_partition('system_metrics', '2031-01-02', '2031-01-03')";
    client.query_one(make, &[]).await.unwrap();
    let count = "SELECT format('%s of %s in default', (SELECT count(*) FROM system_metrics_default), count(*))
                   FROM system_metrics";
    assert_eq!(value(&database, count).await, "2 of 4 in default");
}

#[tokio::test]
async fn partitions_have_the_indexes_checks_and_keys_of_their_table() {
    let (database, _) = migrated().await;
    let missing = "
        SELECT coalesce(string_agg(format('%s', child.inhrelid::regclass), ', '), 'none')
          FROM pg_inherits child
         WHERE child.inhparent IN ('system_metrics'::regclass, 'api_access_logs'::regclass)
           AND ((SELECT count(*) FROM pg_index WHERE indrelid = child.inhrelid)
                <> (SELECT count(*) FROM pg_index WHERE indrelid = child.inhparent)
             OR (SELECT count(*) FROM pg_constraint WHERE conrelid = child.inhrelid)
                <> (SELECT count(*) FROM pg_constraint WHERE conrelid = child.inhparent))";
    assert_eq!(value(&database, missing).await, "none");
}

#[tokio::test]
async fn a_range_out_of_bounds_is_refused() {
    let (database, _) = migrated().await;
    let client = database.connect().await;
    for ahead in [0, 367] {
        let sql = format!("SELECT taskmaster.ensure_partitions({ahead})");
        let error = client.query_one(&sql, &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "22023");
    }
}

#[tokio::test]
async fn two_callers_at_once_make_each_partition_once() {
    let (database, _) = migrated().await;
    let (one, other) = (database.connect().await, database.connect().await);
    let sql = "SELECT taskmaster.ensure_partitions(40)";
    let (first, second) = tokio::join!(one.query_one(sql, &[]), other.query_one(sql, &[]));
    let made = first.unwrap().get::<_, i32>(0) + second.unwrap().get::<_, i32>(0);
    assert!((66..=68).contains(&made), "{made} made, 33 days and 33 weeks were missing");
}
