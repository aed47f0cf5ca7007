//! A month of one metric a second: by day, from rollups and from the measurements; and percentiles, by sketch and exactly.

use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use harness::Cluster;
use tokio_postgres::Client;

use crate::error::BenchError;
use crate::metric_store::shown;

/// How often each question is asked.
const ROUNDS: usize = 5;

/// What is asked, and the milliseconds that it took.
#[derive(Debug)]
pub(super) struct Month {
    questions: Vec<(&'static str, Vec<f64>)>,
    /// Seconds that rolling up the month took.
    roll_up_s: f64,
    /// The greatest relative error of the percentiles from 1 to 99.
    error: f64,
}

const FILL: &str = "
    select taskmaster.make_partition('system_metrics', d::date, d::date + 1)
      from generate_series(current_date - 31, current_date - 2, interval '1 day') d;
    insert into taskmaster.system_metrics (metric_name, metric_value, recorded_at)
      select 'bench.month', round((50 + 30 * sin(n / 5000.0) + 20 * random())::numeric, 3),
             date_trunc('day', now()) - interval '30 days' + n * interval '1 second'
      from generate_series(0, 30 * 86400 - 1) n;
    analyze taskmaster.system_metrics";

const QUESTIONS: [(&str, &str); 7] = [
    (
        "average by day, from rollups",
        "select * from metric_series('bench.month', @from, @to, '1 day', 'avg')",
    ),
    (
        "p99 by day, from rollups",
        "select * from metric_series('bench.month', @from, @to, '1 day', 'p99')",
    ),
    (
        "p99 by hour, from rollups",
        "select * from metric_series('bench.month', @from, @to, '1 hour', 'p99')",
    ),
    (
        "average by day, from the measurements",
        "select date_bin('1 day', recorded_at, '2000-01-01 00:00+00'), avg(metric_value) from system_metrics \
         where metric_name = 'bench.month' and recorded_at >= @from and recorded_at < @to group by 1",
    ),
    (
        "p99 by day, from the measurements",
        "select date_bin('1 day', recorded_at, '2000-01-01 00:00+00'), \
         percentile_cont(0.99) within group (order by metric_value::float8) from system_metrics \
         where metric_name = 'bench.month' and recorded_at >= @from and recorded_at < @to group by 1",
    ),
    (
        "three percentiles of 2.6 million numbers, ddsketch_agg",
        "select ddsketch_quantile(s, 0.5), \
         ddsketch_quantile(s, 0.9), ddsketch_quantile(s, 0.99) from (select ddsketch_agg(v) s from numbers) t",
    ),
    (
        "three percentiles of 2.6 million numbers, percentile_cont",
        "select percentile_cont(array[0.5, 0.9, 0.99]) \
         within group (order by v) from numbers",
    ),
];

const ERROR: &str = "
    with s as (select ddsketch_agg(v) as sketch from numbers),
         q as (select array_agg(n / 100.0::float8) as shares from generate_series(1, 99) n),
         e as (select percentile_cont((select shares from q)) within group (order by v) as exact from numbers)
    select max(abs(ddsketch_quantile(sketch, share) / wanted - 1))
      from s, q, e, lateral unnest(q.shares, e.exact) u (share, wanted)";

/// Fills, rolls up and asks.
pub(super) async fn measure(cluster: &Cluster) -> Result<Month, BenchError> {
    let database = cluster.database().await;
    let client = database.connect().await;
    client.batch_execute(FILL).await?;
    // One by one, because VACUUM refuses to run in the transaction that several statements make.
    for sql in [
        "create table numbers as select metric_value::float8 as v from system_metrics",
        "vacuum analyze numbers",
        "vacuum analyze system_metrics",
    ] {
        client.batch_execute(sql).await?;
    }
    let roll_up_s = roll_up(&client).await?;
    client.batch_execute("vacuum analyze metric_rollups").await?;
    let mut questions: Vec<_> = QUESTIONS.map(|(name, _)| (name, Vec::new())).into();
    for round in 0..=ROUNDS {
        for ((name, times), (_, sql)) in questions.iter_mut().zip(QUESTIONS) {
            let from = "date_trunc('day', now()) - interval '30 days'";
            let sql = sql.replace("@from", from).replace("@to", "date_trunc('day', now())");
            let began = Instant::now();
            client.batch_execute(&sql).await?;
            let ms = began.elapsed().as_secs_f64() * 1e3;
            // The first round fills caches.
            if round > 0 {
                println!("{name}: {ms:.2} ms");
                times.push(ms);
            }
        }
    }
    let error = client.query_one(ERROR, &[]).await?.get(0);
    Ok(Month { questions, roll_up_s, error })
}

/// As ticks do it, until nothing is left.
async fn roll_up(client: &Client) -> Result<f64, BenchError> {
    let began = Instant::now();
    let sql = "select coalesce(sum(buckets), 0)::int8 from roll_up_metrics()";
    while client.query_one(sql, &[]).await?.get::<_, i64>(0) > 0 {}
    Ok(began.elapsed().as_secs_f64())
}

impl Display for Month {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "A month of one metric a second (2.6 million rows), rolled up in {:.0} s. The percentiles of the sketch are within {:.2} % of \
             percentile_cont.\n\n| question | ms |\n|---|---|",
            self.roll_up_s,
            self.error * 100.0
        )?;
        for (name, times) in &self.questions {
            writeln!(f, "| {name} | {} |", shown(times))?;
        }
        Ok(())
    }
}
