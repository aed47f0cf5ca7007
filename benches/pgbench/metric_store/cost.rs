//! One metric and a thousand: native, in PL/pgSQL, and without a function.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use harness::{Cluster, Database, run_dir};
use tokio_postgres::Client;

use crate::error::BenchError;
use crate::instructions::Counter;
use crate::load::Script;
use crate::metric::{Batch, Writer, empty, install_plpgsql};
use crate::metric_store::shown;

/// Calls of a short statement and of a long one, whose difference is free of what a statement costs.
const SHORT: u32 = 200;
const LONG: u32 = 2_200;

/// Rows of a batch, batches of a short session and of a long one, and rounds of batches that are timed.
const ROWS: usize = 1_000;
const BATCHES: [usize; 2] = [2, 8];
const ROUNDS: usize = 31;

/// Who writes a thousand rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Arrays,
    Json,
    PlPgSql,
    Copy,
}

/// The figures.
#[derive(Debug)]
pub(super) struct Cost {
    /// Instructions of a transaction with one call, and of a call in a statement with many.
    single: Vec<(Writer, f64, f64)>,
    /// Instructions of a row.
    batch: Vec<(Way, f64)>,
    /// Milliseconds of a batch, in rounds.
    times: Vec<(Way, Vec<f64>)>,
}

impl Way {
    const ALL: [Self; 4] = [Self::Arrays, Self::Json, Self::PlPgSql, Self::Copy];

    fn name(self) -> &'static str {
        match self {
            Self::Arrays => "record_metric_arrays",
            Self::Json => "record_metrics (JSON)",
            Self::PlPgSql => "PL/pgSQL record_metric, a thousand calls",
            Self::Copy => "COPY from a file of the server",
        }
    }

    /// The statement that writes the same rows, all from text.
    fn sql(self, file: &Path) -> String {
        let rows = || 0..ROWS;
        let list =
            |element: &dyn Fn(usize) -> String| rows().map(element).collect::<Vec<_>>().join(",");
        match self {
            Self::Arrays => format!(
                "select taskmaster.record_metric_arrays('{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}')",
                list(&|_| "bench.latency".into()),
                list(&|row| format!("{row}.5")),
                list(&|_| "bench".into()),
                list(&|_| "gauge".into()),
                list(&|_| r#""{\"host\": \"a\"}""#.into()),
            ),
            Self::Json => format!(
                "select taskmaster.record_metrics('[{}]')",
                list(&|row| format!(
                    r#"{{"metric_name": "bench.latency", "metric_value": {row}.5, "component": "bench", "metric_type": "gauge", "tags": {{"host": "a"}}}}"#
                ))
            ),
            Self::PlPgSql => format!(
                "select count(taskmaster_plpgsql.record_metric('bench.latency', n + 0.5, 'bench', 'gauge', \
                 '{{\"host\": \"a\"}}')) from generate_series(1, {ROWS}) n"
            ),
            Self::Copy => format!(
                "copy taskmaster.system_metrics (metric_name, metric_value, component, metric_type, tags) from '{}'",
                file.display()
            ),
        }
    }
}

/// Times first, then instructions.
pub(super) async fn measure(cluster: &Cluster) -> Result<Cost, BenchError> {
    let database = cluster.database().await;
    install_plpgsql(&database).await?;
    let file = rows_file()?;
    let times = times(&database, &file).await?;
    let scripts: Vec<_> =
        Writer::ALL.iter().map(|writer| script(*writer)).collect::<Result<_, _>>()?;
    let counter = Counter::start(&database, &scripts[0]).await?;
    let mut single = Vec::new();
    for (writer, script) in Writer::ALL.into_iter().zip(&scripts) {
        let of_transaction = counter.by_transaction(script, "").await?;
        let of_call = calls(&counter, writer).await?;
        println!(
            "{}: {of_transaction:.0} instructions a transaction, {of_call:.0} a call",
            writer.name()
        );
        single.push((writer, of_transaction, of_call));
    }
    let mut batch = Vec::new();
    for way in Way::ALL {
        let of_row = rows(&counter, &way.sql(&file)).await?;
        println!("{}: {of_row:.0} instructions a row", way.name());
        batch.push((way, of_row));
    }
    Ok(Cost { single, batch, times })
}

/// The rows as COPY reads them, where the server may.
fn rows_file() -> Result<PathBuf, BenchError> {
    let dir = run_dir::fresh_dir("copy");
    run_dir::give_to_server(&dir);
    let file = dir.join("rows");
    let line = |row| format!("bench.latency\t{row}.5\tbench\tgauge\t{{\"host\": \"a\"}}\n");
    fs::write(&file, (0..ROWS).map(line).collect::<String>())
        .map_err(BenchError::io("writing rows"))?;
    run_dir::give_to_server(&file);
    Ok(file)
}

fn script(writer: Writer) -> Result<Script, BenchError> {
    let file = run_dir::fresh_dir("script").join("call.sql");
    fs::write(&file, format!("{};\n", writer.sql(Batch::One)))
        .map_err(BenchError::io("writing a script for pgbench"))?;
    Ok(Script::File(file))
}

async fn times(database: &Database<'_>, file: &Path) -> Result<Vec<(Way, Vec<f64>)>, BenchError> {
    let client = database.connect().await;
    let mut times: Vec<_> = Way::ALL.map(|way| (way, Vec::new())).into();
    for round in 0..=ROUNDS {
        empty(database).await?;
        for (way, times) in &mut times {
            let began = Instant::now();
            client.batch_execute(&way.sql(file)).await?;
            // The first round fills caches.
            if round > 0 {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.rotate_left(1);
    }
    times.sort_by_key(|(way, _)| Way::ALL.iter().position(|other| other == way));
    Ok(times)
}

/// Instructions of a call in a statement with many.
async fn calls(counter: &Counter<'_>, writer: Writer) -> Result<f64, BenchError> {
    let many = writer.sql(Batch::Many);
    let sql = |calls: u32| many.replace("(1, 1000)", &format!("(1, {calls})"));
    let mut counts = Vec::new();
    for calls in [SHORT, LONG] {
        let warm = sql(SHORT);
        let statement = sql(calls);
        counts
            .push(counter.of_session(async |client| both(client, &warm, &statement).await).await?);
    }
    Ok((counts[1] - counts[0]) as f64 / f64::from(LONG - SHORT))
}

async fn both(client: &Client, warm: &str, statement: &str) -> Result<(), BenchError> {
    client.batch_execute(warm).await?;
    client.batch_execute(statement).await?;
    Ok(())
}

/// Instructions of a row of a batch.
async fn rows(counter: &Counter<'_>, sql: &str) -> Result<f64, BenchError> {
    let mut counts = Vec::new();
    for batches in BATCHES {
        let work = async |client: &Client| {
            for _ in 0..batches {
                client.batch_execute(sql).await?;
            }
            Ok(())
        };
        counts.push(counter.of_session(work).await?);
    }
    Ok((counts[1] - counts[0]) as f64 / ((BATCHES[1] - BATCHES[0]) * ROWS) as f64)
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "One metric. \"A transaction\" is all that the backend does for a prepared call in a transaction of its own; \"a call\" is one of \
             thousands in a statement. Ratios to PL/pgSQL.\n\n\
             | writer | instructions a transaction | ratio | instructions a call | ratio |\n|---|---|---|---|---|"
        )?;
        let oracle = self.single.iter().find(|(writer, _, _)| *writer == Writer::PlPgSql);
        let (per_transaction, per_call) =
            oracle.map_or((1.0, 1.0), |(_, first, second)| (*first, *second));
        for (writer, transaction, call) in &self.single {
            let ratios = (transaction / per_transaction, call / per_call);
            writeln!(
                f,
                "| {} | {transaction:.0} | {:.2} | {call:.0} | {:.2} |",
                writer.name(),
                ratios.0,
                ratios.1
            )?;
        }
        writeln!(
            f,
            "\nA thousand metrics in one statement, all sent as text. Ratios to COPY.\n\n\
             | writer | instructions a row | ratio | ms | ratio |\n|---|---|---|---|---|"
        )?;
        let copy =
            self.batch.iter().find(|(way, _)| *way == Way::Copy).map_or(1.0, |(_, count)| *count);
        let copy_times =
            self.times.iter().find(|(way, _)| *way == Way::Copy).map(|(_, times)| times.clone());
        for ((way, of_row), (_, times)) in self.batch.iter().zip(&self.times) {
            let pairs = times.iter().zip(copy_times.iter().flatten());
            let ratios: Vec<_> = pairs.map(|(ours, copy)| ours / copy).collect();
            let (times, ratios) = (shown(times), shown(&ratios));
            writeln!(
                f,
                "| {} | {of_row:.0} | {:.2} | {times} | {ratios} |",
                way.name(),
                of_row / copy
            )?;
        }
        Ok(())
    }
}
