//! Rollups: what is summed up, what comes late, what is still open, how many series there may be.

use harness::{Cluster, wait};

use super::session::{Session, fresh};

/// Rolls up until a minute is done. Other sessions of the cluster may hold it up for a moment.
pub(super) async fn roll_up_until(session: &Session, time: &str) {
    wait::until("the minutes are rolled up", async || {
        session.rows("select * from roll_up_metrics()").await.unwrap();
        let done = format!(
            "select rolled_until >= {time} from rollup_watermarks where resolution = 'minute'"
        );
        session.text(&done).await == "t"
    })
    .await;
}

/// A minute that lies far enough back to be closed.
const MINUTE: &str = "date_trunc('hour', now() - interval '3 hours')";

async fn record(session: &Session, name: &str, value: &str, offset: &str, rest: &str) {
    let sql = format!(
        "select record_metric('{name}', {value}, p_recorded_at => {MINUTE} + interval '{offset}' {rest})"
    );
    session.text(&sql).await;
}

async fn rollup(session: &Session, columns: &str, resolution: &str) -> String {
    let sql = format!(
        "select coalesce(string_agg(concat_ws('|', {columns}), ' ' order by metric_name, tags, bucket), '') \
         from metric_rollups join metric_series using (series_id) where resolution = '{resolution}'"
    );
    session.text(&sql).await
}

#[tokio::test]
async fn minutes_hours_and_days_sum_up_the_measurements() {
    let session = fresh().await;
    for (value, offset) in
        [("4", "10 seconds"), ("2", "20 seconds"), ("9", "70 seconds"), ("1", "61 minutes")]
    {
        record(&session, "m", value, offset, "").await;
    }
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let columns = "samples, sum, min, max, first, last, increase is null, ddsketch_count(sketch)";
    assert_eq!(
        rollup(&session, columns, "minute").await,
        "2|6|2|4|4|2|t|2 1|9|9|9|9|9|t|1 1|1|1|1|1|1|t|1"
    );
    assert_eq!(rollup(&session, columns, "hour").await, "3|15|2|9|4|9|t|3 1|1|1|1|1|1|t|1");
    let aligned = "select bool_and(bucket = date_bin(('1 ' || resolution)::interval, bucket, '2000-01-01 00:00+00')) \
                   from metric_rollups";
    assert_eq!(session.text(aligned).await, "t");
}

#[tokio::test]
async fn days_are_days_in_utc_whatever_the_session_says() {
    let session = fresh().await;
    session.run("set timezone = 'Pacific/Kiritimati'").await;
    session
        .run(
            "select record_metric('m', n, p_recorded_at => date_trunc('day', now() at time zone 'utc') \
             at time zone 'utc' - interval '2 days' + n * interval '1 hour') from generate_series(-1, 24) n",
        )
        .await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(
        rollup(&session, "extract(hour from bucket at time zone 'utc'), samples", "day").await,
        "0|1 0|24 0|1"
    );
}

#[tokio::test]
async fn late_measurements_change_every_resolution() {
    let session = fresh().await;
    record(&session, "m", "1", "5 seconds", "").await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    record(&session, "m", "10", "6 seconds", "").await;
    let late = "select record_metric_arrays('{m,m}', '{100,5}', p_recorded_at => array[\
                {M} + interval '7 seconds', {M} - interval '2 hours'])";
    session.text(&late.replace("{M}", MINUTE)).await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(rollup(&session, "samples, sum", "minute").await, "1|5 3|111");
    assert_eq!(rollup(&session, "samples, sum", "hour").await, "1|5 3|111");
    assert_eq!(session.text("select count(*) from metric_dirty_buckets").await, "0");
}

#[tokio::test]
async fn rolling_up_again_changes_nothing() {
    let session = fresh().await;
    session.text("select record_metric_arrays('{m,n}', '{1,2}')").await;
    record(&session, "m", "1", "5 seconds", "").await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let all = "select md5(string_agg(metric_rollups::text, ' ' order by series_id, resolution, bucket)) \
               from metric_rollups";
    let first = session.text(all).await;
    session
        .run("update rollup_watermarks set rolled_until = rolled_until - interval '4 hours'")
        .await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(session.text(all).await, first);
}

#[tokio::test]
async fn a_transaction_that_is_open_holds_minutes_open() {
    let database = Cluster::shared().await.database().await;
    let (open, other) = (Session::open(&database).await, Session::open(&database).await);
    record(&other, "m", "1", "0 seconds", "").await;
    roll_up_until(&other, &format!("{MINUTE} + interval '1 hour'")).await;
    // As if the last roll-up had been an hour ago, and the transaction had begun to write right after it.
    other
        .run(&format!(
            "update rollup_samples set sampled_at = sampled_at - interval '1 hour'; \
             update rollup_watermarks set rolled_until = {MINUTE} + interval '1 hour'"
        ))
        .await;
    open.run("begin; select record_metric('open', 1)").await;
    other.run("select roll_up_metrics(); select roll_up_metrics()").await;
    let held = "select rolled_until < now() - interval '1 hour' from rollup_watermarks where resolution = 'minute'";
    assert_eq!(other.text(held).await, "t");
    open.run("commit").await;
    roll_up_until(&other, "now() - interval '5 minutes'").await;
    assert_eq!(other.text(held).await, "f");
}

#[tokio::test]
async fn two_sessions_never_roll_up_at_once() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = (Session::open(&database).await, Session::open(&database).await);
    record(&one, "m", "1", "0 seconds", "").await;
    one.run("begin; select roll_up_metrics()").await;
    assert_eq!(two.text("select count(*) from roll_up_metrics()").await, "0");
    one.run("commit").await;
    roll_up_until(&two, "now() - interval '5 minutes'").await;
}

#[tokio::test]
async fn a_name_with_too_many_labels_sums_up_the_rest_in_one_series() {
    let session = fresh().await;
    session.run("set taskmaster.metric_series_max = 3").await;
    for host in 0..8 {
        record(&session, "m", "1", "1 second", &format!(", p_tags => '{{\"host\": {host}}}'"))
            .await;
    }
    record(&session, "other", "1", "1 second", "").await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let series = "select string_agg(n, ' ') from (select metric_name || ':' || is_overflow || ':' || count(*) as n \
                  from metric_series group by metric_name, is_overflow order by 1) t";
    assert_eq!(session.text(series).await, "m:false:3 m:true:1 other:false:1");
    let shared = "select sum(samples) from metric_rollups join metric_series using (series_id) \
                  where is_overflow and resolution = 'minute' and tags = '{\"overflow\": \"true\"}'";
    assert_eq!(session.text(shared).await, "5");
    // Those that come later go the same way, and those that were known keep their own.
    record(&session, "m", "1", "2 minutes", ", p_tags => '{\"host\": 99}'").await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(session.text(shared).await, "6");
    session.run("set role to default; create role nobody_special").await;
    session.run("set role nobody_special").await;
    assert_eq!(session.sqlstate("set taskmaster.metric_series_max = 9").await, "42501");
    session.run("reset role; drop role nobody_special").await;
}

#[tokio::test]
async fn numbers_beyond_double_precision_do_not_stop_rollups() {
    let session = fresh().await;
    for value in ["1e1000", "-1e1000", "1e-1000", "0"] {
        record(&session, "m", value, "1 second", "").await;
    }
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(rollup(&session, "samples, min, max", "minute").await, "4|-1e+300|1e+300");
}

#[tokio::test]
async fn a_backlog_is_worked_off_in_bounded_steps() {
    let session = fresh().await;
    session
        .run("select record_metric('m', n, p_recorded_at => now() - n * interval '1 hour') from generate_series(1, 100) n")
        .await;
    session.run("select roll_up_metrics(p_max_buckets => 100)").await;
    let minutes = "select count(*) from metric_rollups where resolution = 'minute'";
    let some: i64 = session.text(minutes).await.parse().unwrap();
    assert!(some <= 2, "{some}");
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    assert_eq!(session.text(minutes).await, "100");
    assert_eq!(session.sqlstate("select roll_up_metrics(p_max_buckets => 0)").await, "22023");
}
