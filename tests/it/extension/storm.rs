//! Many workers on one queue that claim, beat, crash and finish tasks with dependencies: each task
//! is completed exactly once, none is lost, none is left behind, and nobody meets a deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::{Cluster, Database};
use serde_json::json;
use tokio_postgres::{Client, Error};

use super::session::Session;

const WORKERS: u64 = 32;

/// What the whole storm may take before the test gives up, on a machine that does other things, too.
const LIMIT: Duration = Duration::from_secs(900);

/// What the workers share.
struct Storm {
    tasks: usize,
    completed: AtomicUsize,
    crashes: AtomicUsize,
    late: AtomicUsize,
    random: AtomicU64,
    deadline: Instant,
}

impl Storm {
    /// A number below `bound`; SplitMix64 (Steele, Lea and Flood 2014) over a shared counter.
    fn below(&self, bound: u64) -> u64 {
        let state = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn is_over(&self) -> bool {
        assert!(
            Instant::now() < self.deadline,
            "only {} of {} tasks completed",
            self.completed.load(Ordering::Relaxed),
            self.tasks
        );
        self.completed.load(Ordering::Relaxed) >= self.tasks
    }
}

/// How many tasks there are: 20,000, which two processors are done with in a minute, or what
/// `TASKMASTER_STORM_TASKS` says.
fn task_count() -> usize {
    std::env::var("TASKMASTER_STORM_TASKS")
        .map_or(20_000, |count| count.parse().expect("TASKMASTER_STORM_TASKS is a number of tasks"))
}

/// Makes the tasks in one call; each waits for up to two of those shortly before it.
async fn create(session: &Session, storm: &Storm) {
    let list: Vec<_> = (0..storm.tasks)
        .map(|n| {
            let back = |step: u64| n.checked_sub(1 + usize::try_from(storm.below(step)).unwrap());
            let depends_on: Vec<_> =
                [back(300), back(3_000)].into_iter().flatten().map(|n| n.to_string()).collect();
            let files = if n % 10 == 0 { json!([format!("file {}", n % 200)]) } else { json!([]) };
            json!({ "ref": n.to_string(), "title": format!("task {n}"), "depends_on": depends_on,
                    "max_attempts": 100, "affected_files": files })
        })
        .collect();
    let sql = format!("select count(*) from create_tasks('{}')", json!(list));
    assert_eq!(session.text(&sql).await, storm.tasks.to_string());
}

/// One life of a worker: until everything is done, or until it crashes.
async fn live(client: &Client, worker: &str, storm: &Storm) -> Result<(), Error> {
    let claim = client
        .prepare("select task_id::text, claim_token from claim_task($1, '3 seconds', 8)")
        .await?;
    let complete = "select count(*) from complete_task($1::text::uuid, $2, '{\"ok\": true}')";
    let complete = client.prepare(complete).await?;
    let beat = "select ok from heartbeat($1::text::uuid, $2, '3 seconds')";
    let beat = client.prepare(beat).await?;
    while !storm.is_over() {
        let tasks = client.query(&claim, &[&worker]).await?;
        if tasks.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for task in tasks {
            let (id, token): (String, i64) = (task.get(0), task.get(1));
            match storm.below(200) {
                0 => return crash(client, &id, token).await,
                1..=20 => {
                    client.query(&beat, &[&id, &token]).await?;
                }
                _ => {}
            }
            match client.query(&complete, &[&id, &token]).await {
                Ok(_) => storm.completed.fetch_add(1, Ordering::Relaxed),
                Err(error) if is_late(&error) => storm.late.fetch_add(1, Ordering::Relaxed),
                Err(error) => return Err(error),
            };
        }
    }
    Ok(())
}

/// Somebody else has the task by now: the lease was over before the work was.
fn is_late(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.code().code() == "55006")
}

/// Ends the server process in the middle of a transaction that has completed the task.
async fn crash(client: &Client, id: &str, token: i64) -> Result<(), Error> {
    let sql = format!(
        "begin; select complete_task('{id}', {token}); select pg_terminate_backend(pg_backend_pid())"
    );
    client.batch_execute(&sql).await
}

async fn work(database: &Database<'_>, number: u64, storm: Arc<Storm>) {
    let mut life = 0;
    while !storm.is_over() {
        let client = database.connect().await;
        let ended = live(&client, &format!("worker {number}, life {life}"), &storm).await;
        life += 1;
        if let Err(error) = ended {
            // 57P01: the crash above, whichever statement it reaches first; late: 55006 inside it.
            let code = error.as_db_error().map(|error| error.code().code().to_owned());
            let is_crash = error.is_closed() || matches!(code.as_deref(), Some("57P01" | "55006"));
            assert!(is_crash, "worker {number}: {error:?}");
            storm.crashes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Takes tasks away from the dead until everything is done.
async fn sweep(session: &Session, storm: &Storm) {
    while !storm.is_over() {
        session.text("select requeue_expired(1000)").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_task_is_completed_exactly_once_whoever_crashes() {
    let database = Cluster::shared().await.database().await;
    let session = Session::open(&database).await;
    let storm = Arc::new(Storm {
        tasks: task_count(),
        completed: AtomicUsize::new(0),
        crashes: AtomicUsize::new(0),
        late: AtomicUsize::new(0),
        random: AtomicU64::new(7),
        deadline: Instant::now() + LIMIT,
    });
    create(&session, &storm).await;
    session.run("analyze").await;
    let workers = (0..WORKERS).map(|number| work(&database, number, storm.clone()));
    let workers = futures_util::future::join_all(workers);
    tokio::join!(workers, sweep(&session, &storm));

    let count = |condition: &str| format!("select count(*) from tasks where {condition}");
    let total = storm.tasks.to_string();
    assert_eq!(session.text(&count("status = 'completed' and open_deps = 0")).await, total);
    assert_eq!(session.text(&count("claimed_by is not null or completed_at is null")).await, "0");
    let once = "select count(*) from (select task_id from task_events where kind = 'completed' \
        group by task_id having count(*) = 1) as once";
    assert_eq!(session.text(once).await, total);
    let early = "select count(*) from task_dependencies d \
        join task_events claimed on claimed.task_id = d.task_id and claimed.kind = 'claimed' \
        join task_events done on done.task_id = d.depends_on and done.kind = 'completed' \
        where claimed.occurred_at < done.occurred_at";
    assert_eq!(session.text(early).await, "0", "nobody began before what it waited for was done");
    assert_eq!(session.text("select count(*) from check_integrity()").await, "0");
    let crashes = storm.crashes.load(Ordering::Relaxed);
    assert!(storm.tasks < 1_000 || crashes > 0, "nobody crashed");
    let results = "select count(*) from task_contexts where context_type = 'result'";
    assert_eq!(session.text(results).await, total);
}
