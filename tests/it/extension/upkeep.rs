//! Partitions, retention and the tick that does all periodic work.

use harness::{Cluster, wait};
use serde_json::{Value, json};

use super::rollups::roll_up_until;
use super::session::{Session, fresh};

async fn tick(session: &Session, budget: &str) -> Value {
    let text = session.text(&format!("select taskmaster.tick({budget})")).await;
    serde_json::from_str(&text).unwrap()
}

/// A partition of a day that lies so many days back, with a measurement in it.
async fn old_day(session: &Session, days: u32) {
    session
        .run(&format!(
            "select make_partition('system_metrics', (now() at time zone 'utc')::date - {days}, \
               (now() at time zone 'utc')::date - {days} + 1); \
             select record_metric('old', {days}, p_recorded_at => date_trunc('day', now() at time zone 'utc') \
               at time zone 'utc' - interval '{days} days' + interval '1 hour')"
        ))
        .await;
}

#[tokio::test]
async fn every_partition_has_its_bounds_in_utc() {
    let session = fresh().await;
    // A zone that changes to summer time, and one that is never at a whole hour.
    for zone in ["Europe/Berlin", "Asia/Kathmandu", "UTC"] {
        session.run(&format!("set timezone = '{zone}'")).await;
        let sql = "select count(*), count(*) filter (where extract(epoch from lower_bound) % 86400 <> 0), \
                   max(upper_bound - lower_bound) filter (where table_name = 'system_metrics'), \
                   max(upper_bound - lower_bound) filter (where table_name = 'api_access_logs'), count(problem) \
                   from partition_status() where partition not like '%default'";
        assert_eq!(
            session.rows(sql).await.unwrap()[0],
            ["21", "0", "1 day", "7 days", "0"],
            "{zone}"
        );
    }
    session.run("set timezone = 'Europe/Berlin'").await;
    session.run("select make_partition('system_metrics', '2031-03-30', '2031-03-31')").await;
    let bounds = "select extract(epoch from upper_bound - lower_bound)::int from partition_status() \
                  where partition = 'system_metrics_p20310330'";
    assert_eq!(session.text(bounds).await, "86400");
}

#[tokio::test]
async fn rows_in_a_default_partition_are_seen_and_moved() {
    let session = fresh().await;
    session.run("select record_metric('m', n, p_recorded_at => now() - interval '20 days') from generate_series(1, 3) n").await;
    let problem = "select partition, rows_est, problem is null from partition_status() where partition like '%_default' \
                   order by partition";
    let rows = session.rows(problem).await.unwrap();
    assert_eq!(
        rows,
        [
            ["api_access_logs_default", "0", "t"],
            ["audit_log_default", "0", "t"],
            ["system_metrics_default", "3", "f"]
        ]
    );
    let ticked = tick(&session, "60000").await;
    assert_eq!(ticked["done"]["ensure_partitions"], 1, "{ticked}");
    assert_eq!(
        session
            .text("select distinct tableoid::regclass::text ~ '_p[0-9]{8}$' from system_metrics")
            .await,
        "t"
    );
    assert_eq!(session.rows(problem).await.unwrap()[2], ["system_metrics_default", "0", "t"]);
}

#[tokio::test]
async fn days_without_a_partition_ahead_are_a_problem() {
    let session = fresh().await;
    session
        .run(
            "do $$ declare p record; begin for p in select partition from partition_bounds \
             where table_name = 'system_metrics' and upper_bound > now() + interval '1 hour' loop \
             execute format('drop table %I', p.partition); end loop; end $$",
        )
        .await;
    let problem = "select problem from partition_status() where partition is null";
    assert!(session.text(problem).await.contains("no partition from here on"));
    let ticked = tick(&session, "60000").await;
    assert_eq!(ticked["problems"], json!([]), "{ticked}");
}

#[tokio::test]
async fn a_table_in_use_is_not_waited_for_and_made_later() {
    let database = Cluster::shared().await.database().await;
    let (mut one, two) = (Session::open(&database).await, Session::open(&database).await);
    let make = "select try_make_partition('system_metrics', '2030-01-01', '2030-01-02')";
    two.run("begin; select count(*) from system_metrics").await;
    assert_eq!(one.text(make).await, "f");
    let warning = &one.notices()[0];
    assert_eq!(warning.sqlstate, "55P03");
    two.run("commit").await;
    assert_eq!(one.text(make).await, "t");
    assert_eq!(one.text("show lock_timeout").await, "0");
}

#[tokio::test]
async fn retention_is_shown_first_and_keeps_what_is_not_rolled_up() {
    let session = fresh().await;
    old_day(&session, 40).await;
    old_day(&session, 20).await;
    let shown = "select table_name, action, partition is not null from apply_retention()";
    assert_eq!(
        session.rows(shown).await.unwrap(),
        [["system_metrics", "wait for the roll-up", "t"]]
    );
    assert_eq!(session.text("select count(*) from apply_retention(false)").await, "0");
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let rows = session.rows(shown).await.unwrap();
    assert_eq!(rows, [["system_metrics", "drop", "t"], ["metric_rollups.minute", "delete", "f"]]);
    assert_eq!(session.text("select count(*) from system_metrics").await, "2");
    let done = "select table_name, action, rows_est >= 0 from apply_retention(false)";
    let rows = session.rows(done).await.unwrap();
    assert_eq!(
        rows,
        [["system_metrics", "dropped", "t"], ["metric_rollups.minute", "deleted", "t"]]
    );
    assert_eq!(session.text("select sum(metric_value) from system_metrics").await, "20");
    let left = "select string_agg(resolution || count, ' ' order by resolution) from \
                (select resolution, count(*) from metric_rollups group by 1) t";
    assert_eq!(session.text(left).await, "day2 hour2 minute1");
    assert_eq!(session.text("select count(*) from apply_retention(false)").await, "0");
}

#[tokio::test]
async fn what_comes_too_late_for_its_minute_does_not_spoil_the_rollup() {
    let session = fresh().await;
    old_day(&session, 40).await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    session.run("select * from apply_retention(false)").await;
    let late = "select record_metric('old', 1, p_recorded_at => date_trunc('day', now() at time zone 'utc') \
                at time zone 'utc' - interval '40 days' + interval '1 hour')";
    session.text(late).await;
    let rows = session
        .rows("select resolution, buckets from roll_up_metrics() where resolution = 'gone'")
        .await;
    assert_eq!(rows.unwrap(), [["gone", "1"]]);
    let kept = "select sum from metric_rollups where resolution = 'hour' and samples = 1 order by bucket limit 1";
    assert_eq!(session.text(kept).await, "40");
}

#[tokio::test]
async fn a_day_that_was_never_removed_is_rolled_up_however_late() {
    let session = fresh().await;
    old_day(&session, 40).await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    session.run("select * from apply_retention(false)").await;
    old_day(&session, 25).await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let days = "select string_agg(sum::text, ' ' order by bucket) from metric_rollups where resolution = 'day'";
    assert_eq!(session.text(days).await, "40 25");
}

#[tokio::test]
async fn cleanup_removes_by_age_at_once() {
    let session = fresh().await;
    old_day(&session, 40).await;
    session
        .run(
            "select record_metric('m', n, p_recorded_at => now() - n * interval '1 hour') from generate_series(1, 5) n; \
             insert into api_access_logs (endpoint, method, timestamp) \
             values ('/', 'GET', now() - interval '8 days'), ('/', 'GET', now())",
        )
        .await;
    let rows = session.rows("select * from cleanup_old_data()").await.unwrap();
    assert_eq!(rows, [["system_metrics", "1"], ["api_access_logs", "1"]]);
    assert_eq!(session.text("select count(*) from system_metrics").await, "5");
    assert_eq!(session.text("select to_regclass(partition::text) is null from partition_bounds where upper_bound < now() - interval '39 days' union all select true limit 1").await, "t");
    for bad in [
        "p_audit_retention_days => -1",
        "p_metrics_retention_days => -1",
        "p_api_logs_retention_days => 40000",
    ] {
        assert_eq!(
            session.sqlstate(&format!("select cleanup_old_data({bad})")).await,
            "22023",
            "{bad}"
        );
    }
    let all = "select sum(deleted_count) from cleanup_old_data(p_metrics_retention_days => 0, p_api_logs_retention_days => 0)";
    assert_eq!(session.text(all).await, "6");
}

#[tokio::test]
async fn only_partitions_can_be_dropped_by_the_helper() {
    let session = fresh().await;
    session
        .run("create table system_metrics_p20300101 (a int); create table other_p20300101 (a int)")
        .await;
    for (table, partition) in [
        ("system_metrics", "system_metrics_default"),
        ("system_metrics", "system_metrics_p20300101"),
        ("system_metrics", "tasks"),
        ("other", "other_p20300101"),
        ("nothing", "nothing_p20300101"),
    ] {
        let sql = format!("select drop_partition('{table}', '{partition}')");
        assert_eq!(session.text(&sql).await, "f", "{sql}");
    }
}

#[tokio::test]
async fn a_tick_does_all_work_that_there_is() {
    let session = fresh().await;
    old_day(&session, 40).await;
    session.run("select record_metric('m', 1, p_recorded_at => now() - interval '2 hours')").await;
    let report = tick(&session, "60000").await;
    assert_eq!(report["ran"], true, "{report}");
    assert_eq!((&report["failed"], &report["left"]), (&json!({}), &json!([])), "{report}");
    for job in ["roll_up_metrics", "ensure_partitions", "apply_retention"] {
        assert!(report["done"][job].is_number(), "{job}: {report}");
    }
    wait::until("the old day is rolled up and dropped", async || {
        tick(&session, "60000").await;
        session.text("select count(*) from system_metrics").await == "1"
    })
    .await;
}

#[tokio::test]
async fn a_job_that_fails_is_reported_and_does_not_stop_the_others() {
    let database = Cluster::shared().await.database().await;
    let mut session = Session::open(&database).await;
    session
        .run(
            "drop function if exists taskmaster.evaluate_alerts; \
             create function taskmaster.evaluate_alerts() returns setof int language plpgsql as \
             $$ begin perform taskmaster.record_metric('of the failed job', 1); \
                raise exception 'no luck' using errcode = 'TM001'; end $$",
        )
        .await;
    let report = tick(&session, "60000").await;
    assert_eq!(
        report["failed"],
        json!({ "evaluate_alerts": { "sqlstate": "TM001", "message": "no luck" } })
    );
    assert!(report["done"]["ensure_partitions"].is_number(), "{report}");
    let warnings = session.notices();
    assert!(
        warnings.iter().any(|warning| warning.message == "evaluate_alerts failed: no luck"),
        "{warnings:?}"
    );
    assert_eq!(session.text("select count(*) from system_metrics").await, "0");
}

#[tokio::test]
async fn what_a_budget_does_not_allow_comes_first_next_time() {
    let session = fresh().await;
    session
        .run(
            "alter extension taskmaster drop function taskmaster.requeue_expired(int); \
             drop function taskmaster.requeue_expired(int); \
             create function taskmaster.requeue_expired(p_limit int) returns int language sql as \
             $$ select pg_sleep(0.05); select p_limit $$",
        )
        .await;
    let report = tick(&session, "1").await;
    assert_eq!(report["done"], json!({ "requeue_expired": 100 }), "{report}");
    let left: Vec<_> =
        report["left"].as_array().unwrap().iter().map(|job| job.as_str().unwrap()).collect();
    assert!(left.len() > 1 && left.last() == Some(&"requeue_expired"), "{left:?}");
    let first = left[0].to_owned();
    let next = tick(&session, "1").await;
    assert!(next["done"].get(&first).is_some() || next["failed"].get(&first).is_some(), "{next}");
    assert_eq!(session.sqlstate("select taskmaster.tick(0)").await, "22023");
}

#[tokio::test]
async fn two_sessions_never_tick_at_once() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = (Session::open(&database).await, Session::open(&database).await);
    one.run("begin; select taskmaster.tick()").await;
    assert_eq!(
        tick(&two, "200").await,
        json!({ "ran": false, "reason": "another session is at it" })
    );
    one.run("commit").await;
    assert_eq!(tick(&two, "200").await["ran"], true);
}

#[tokio::test]
async fn a_background_worker_ticks_where_it_is_asked_to() {
    let cluster = Cluster::builder()
        .setting("shared_preload_libraries", "taskmaster")
        .setting("taskmaster.worker_database", "upkept")
        .setting("taskmaster.worker_interval_ms", "50")
        .start();
    let database = cluster.database().await;
    cluster
        .admin()
        .await
        .batch_execute(&format!("alter database {} rename to upkept", database.name))
        .await
        .unwrap();
    let session = Session::open(&cluster.named("upkept")).await;
    session.run("set timezone = 'UTC'; select record_metric('m', 1, p_recorded_at => now() - interval '2 hours')").await;
    wait::until("the worker has rolled up", async || {
        session.text("select count(*) from metric_rollups").await != "0"
    })
    .await;
    // A failure ends one tick and not the worker.
    session
        .run(
            "drop function if exists taskmaster.evaluate_alerts; create function taskmaster.evaluate_alerts() \
             returns setof int language plpgsql as $$ begin raise 'no luck'; end $$",
        )
        .await;
    wait::until("the worker has met the failure", async || {
        cluster.log().contains("evaluate_alerts failed: no luck")
    })
    .await;
    session.run("select record_metric('m', 1, p_recorded_at => now() - interval '3 hours')").await;
    wait::until("the worker goes on", async || {
        session.text("select count(*) from metric_rollups where resolution = 'minute'").await == "2"
    })
    .await;
}

#[tokio::test]
async fn without_a_database_there_is_no_worker() {
    let cluster = Cluster::builder().setting("shared_preload_libraries", "taskmaster").start();
    let client = cluster.admin().await;
    let row = client
        .query_one(
            "select count(*) from pg_stat_activity where backend_type like 'taskmaster%'",
            &[],
        )
        .await;
    assert_eq!(row.unwrap().get::<_, i64>(0), 0);
    let setting = client.query_one("show taskmaster.worker_database", &[]).await.unwrap();
    assert_eq!(setting.get::<_, &str>(0), "");
}
