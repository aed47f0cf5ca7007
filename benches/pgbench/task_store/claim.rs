//! The next task for a worker, by `claim_task` and by the same claim written by hand, as the table grows.

use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use harness::Cluster;
use tokio_postgres::{Client, Statement};

use crate::error::BenchError;
use crate::metric_store::shown;

/// Tasks in the table, of which one in ten is ready.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// Rounds for each size, and claims of each way in a round.
const ROUNDS: usize = 5;
const CLAIMS: u32 = 50;

/// Who claims, and how.
const WAYS: [(&str, &str); 2] = [
    ("claim_task", "select * from taskmaster.claim_task('bench')"),
    (
        "by hand",
        "with next as (
           select id from taskmaster.tasks
           where status = 'pending' and open_deps = 0 and open_gates = 0 and run_after is null
           order by priority desc, created_at, id limit 1 for no key update skip locked),
         claimed as (
           update taskmaster.tasks t set status = 'in_progress', claimed_by = 'bench', attempt = attempt + 1,
             claim_token = nextval('taskmaster.claim_token_seq'), heartbeat_at = clock_timestamp(),
             claim_expires_at = clock_timestamp() + interval '5 minutes'
           from next where t.id = next.id returning t.*),
         logged as (
           insert into taskmaster.task_events (task_id, kind, from_status, to_status, payload)
           select id, 'claimed', 'pending', 'in_progress',
             jsonb_build_object('worker', 'bench', 'attempt', attempt, 'claim_token', claim_token) from claimed)
         select id, claim_token, attempt, claim_expires_at, title from claimed",
    ),
];

/// Adds tasks up to this number, as a store that has been at work for long holds them.
const FILL: &str = "
    set session_replication_role = replica;
    insert into taskmaster.tasks (title, description, priority, status, completed_at)
      select 'Task ' || n, 'What is to be done in step ' || n, n % 11, s.status,
             case when s.status = 'completed' then now() end
      from generate_series((select count(*) from taskmaster.tasks) + 1, @size) n,
           lateral (select case when n % 10 = 0 then 'pending' else 'completed' end as status) s;
    reset session_replication_role";

/// Milliseconds of a claim with its commit, in rounds, for each size and way.
#[derive(Debug)]
pub(super) struct Claim(Vec<(u32, Vec<Vec<f64>>)>);

/// Fills and claims, size by size.
pub(super) async fn measure(cluster: &Cluster) -> Result<Claim, BenchError> {
    let database = cluster.database().await;
    let client = database.connect().await;
    let mut sizes = Vec::new();
    for size in SIZES {
        client.batch_execute(&FILL.replace("@size", &size.to_string())).await?;
        client.batch_execute("vacuum analyze taskmaster.tasks").await?;
        client.batch_execute("checkpoint").await?;
        let times = claim(&client).await?;
        for ((name, _), times) in WAYS.iter().zip(&times) {
            println!("{size} tasks, {name}: {} ms", shown(times));
        }
        sizes.push((size, times));
    }
    Ok(Claim(sizes))
}

async fn claim(client: &Client) -> Result<Vec<Vec<f64>>, BenchError> {
    let mut statements = Vec::new();
    for (_, sql) in WAYS {
        statements.push(client.prepare(sql).await?);
    }
    let mut times = vec![Vec::new(); WAYS.len()];
    for round in 0..=ROUNDS {
        for (way, statement) in statements.iter().enumerate() {
            let ms = time(client, statement).await?;
            // The first round fills caches.
            if round > 0 {
                times[way].push(ms);
            }
        }
    }
    Ok(times)
}

async fn time(client: &Client, statement: &Statement) -> Result<f64, BenchError> {
    let began = Instant::now();
    for _ in 0..CLAIMS {
        assert_eq!(client.query(statement, &[]).await?.len(), 1, "there are tasks left to claim");
    }
    Ok(began.elapsed().as_secs_f64() * 1e3 / f64::from(CLAIMS))
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "A claim of the next task in a transaction of its own, as the table grows; one task in ten is ready. Ratios to the claim by \
             hand, which knows no assignment, no children, no files and no types.\n\n\
             | tasks | claim_task, ms | by hand, ms | ratio |\n|---|---|---|---|"
        )?;
        for (size, times) in &self.0 {
            let ratios: Vec<_> =
                times[0].iter().zip(&times[1]).map(|(ours, hand)| ours / hand).collect();
            writeln!(
                f,
                "| {size} | {} | {} | {} |",
                shown(&times[0]),
                shown(&times[1]),
                shown(&ratios)
            )?;
        }
        Ok(())
    }
}
