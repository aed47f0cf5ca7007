//! The percentile sketch: its error against `percentile_cont`, alone and put together by parallel workers, and its refusals.

use super::session::fresh;

/// Latencies over five orders of magnitude, the same each time.
const SAMPLES: &str = "create table samples as \
     select exp(11.5 * abs(sin(n)) - 2)::float8 as v, n % 50 as part from generate_series(1, 100000) n; \
     analyze samples";

/// The greatest relative error of many quantiles of `sketch`.
fn worst(sketch: &str) -> String {
    format!(
        "with s as (select {sketch} as sketch from samples), \
              q as (select array_agg(n / 200.0::float8) as shares from generate_series(0, 200) n), \
              e as (select percentile_cont((select shares from q)) within group (order by v) as exact from samples) \
         select max(abs(ddsketch_quantile(sketch, share) / wanted - 1)) <= 0.01 \
         from s, q, e, lateral unnest(q.shares, e.exact) u (share, wanted)"
    )
}

#[tokio::test]
async fn quantiles_are_within_one_percent_of_percentile_cont() {
    let session = fresh().await;
    session.run(SAMPLES).await;
    assert_eq!(session.text(&worst("ddsketch_agg(v)")).await, "t");
    let error_is_there = "select ddsketch_quantile(ddsketch_agg(v), 0.5) <> percentile_cont(0.5) \
        within group (order by v) from samples";
    assert_eq!(session.text(error_is_there).await, "t");
}

#[tokio::test]
async fn sketches_of_parts_add_up_to_the_sketch_of_all() {
    let session = fresh().await;
    session.run(SAMPLES).await;
    let merged = "select (select ddsketch_merge(s) from (select ddsketch_agg(v) s from samples group by part) p) \
        = (select ddsketch_agg(v) from samples)";
    assert_eq!(session.text(merged).await, "t");
}

#[tokio::test]
async fn parallel_workers_come_to_the_same_sketch() {
    let session = fresh().await;
    session.run(SAMPLES).await;
    let sketch = "select md5(ddsketch_agg(v)) from samples";
    let alone = session.text(sketch).await;
    session
        .run(
            "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; \
             set max_parallel_workers_per_gather = 2",
        )
        .await;
    let plan =
        session.rows(&format!("explain (costs off) {sketch}")).await.unwrap().concat().join(" ");
    assert!(plan.contains("Partial Aggregate"), "{plan}");
    assert_eq!(session.text(sketch).await, alone);
    assert_eq!(session.text(&worst("ddsketch_agg(v)")).await, "t");
    let merge = "select md5(ddsketch_merge(ddsketch_of(v))) from samples";
    assert_eq!(session.text(merge).await, alone);
}

#[tokio::test]
async fn nothing_and_nulls_are_no_sketch() {
    let session = fresh().await;
    assert_eq!(
        session.text("select ddsketch_agg(v) from (select 1.0::float8 v limit 0) t").await,
        "NULL"
    );
    assert_eq!(session.text("select ddsketch_agg(null::float8)").await, "NULL");
    assert_eq!(session.text("select ddsketch_merge(null)").await, "NULL");
    assert_eq!(session.text("select ddsketch_quantile(null, 0.5)").await, "NULL");
    let count =
        "select ddsketch_count(ddsketch_agg(v)) from (values (1.0::float8), (null), (2.0)) t (v)";
    assert_eq!(session.text(count).await, "2");
    let windows = "select string_agg(c::text, ',') from (select ddsketch_count(ddsketch_agg(n::float8) \
        over (order by n)) c from generate_series(1, 3) n) t";
    assert_eq!(session.text(windows).await, "1,2,3");
}

#[tokio::test]
async fn refusals_have_their_sqlstate() {
    let session = fresh().await;
    for (sql, sqlstate) in [
        ("select ddsketch_agg('NaN'::float8)", "22023"),
        ("select ddsketch_agg('-Infinity'::float8)", "22023"),
        ("select ddsketch_quantile(ddsketch_of(1), 1.5)", "22023"),
        ("select ddsketch_quantile(ddsketch_of(1), 'NaN')", "22023"),
        ("select ddsketch_quantile('\\x00', 0.5)", "22023"),
        ("select ddsketch_merge('\\x01ff')", "22023"),
        ("select ddsketch_combine(null, null)", "42883"),
    ] {
        assert_eq!(session.sqlstate(sql).await, sqlstate, "{sql}");
    }
}
