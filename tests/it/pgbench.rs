//! pgbench through the proxy: no error and no lost transaction, whatever the protocol and the
//! number of clients.

use harness::program::{Finished, Program};
use harness::{Cluster, Database, Proxy};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::value;

/// Server connections behind all the clients of a run.
const POOL_MAX: i64 = 10;

struct Bench {
    database: Database<'static>,
    proxy: Proxy,
}

impl Bench {
    async fn start() -> Self {
        let cluster = Cluster::shared().await;
        let database = cluster.create_database().await;
        let proxy = Proxy::start(cluster, |config| {
            config.set("pool.max", POOL_MAX).set("pool.acquire_timeout_ms", 120_000);
        })
        .await;
        let bench = Self { database, proxy };
        bench.pgbench(&["-i", "-q", "-s", "1"]).await;
        bench
    }

    async fn pgbench(&self, args: &[&str]) -> Finished {
        let cluster = self.database.cluster();
        Program::postgres("pgbench")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.proxy.port.to_string())
            .env("PGUSER", cluster.superuser)
            .env("PGPASSWORD", cluster.password)
            .env("PGSSLMODE", "disable")
            .args(args)
            .args([&self.database.name])
            .succeed()
            .await
    }

    /// Runs `transactions` for each of `clients` and checks that pgbench counted every one.
    async fn run(&self, clients: u32, transactions: u32, args: &[&str]) {
        let (c, t) = (clients.to_string(), transactions.to_string());
        let common = ["-n", "-c", &*c, "-t", &*t, "-j", "2"];
        let finished = self.pgbench(&[&common, args].concat()).await;
        let total = clients * transactions;
        let expected = format!("number of transactions actually processed: {total}/{total}");
        assert!(finished.stdout.contains(&expected), "{}", finished.report());
        assert!(!finished.stderr.contains("error"), "{}", finished.report());
        let failed = "number of failed transactions: 0 ";
        assert!(finished.stdout.contains(failed), "{}", finished.report());
    }

    /// Every delta that pgbench added to an account, it added to a teller, a branch and the
    /// history, in one transaction.
    async fn assert_balanced(&self, transactions: u32) {
        let direct = self.database.connect().await;
        let sql = "select (select sum(abalance) from pgbench_accounts) = sum(delta) \
                   and (select sum(tbalance) from pgbench_tellers) = sum(delta) \
                   and (select sum(bbalance) from pgbench_branches) = sum(delta) \
                   from pgbench_history";
        assert_eq!(value(&direct, sql).await, "t");
        let count = value(&direct, "select count(*) from pgbench_history").await;
        assert_eq!(count, transactions.to_string());
    }
}

#[tokio::test]
async fn one_client() {
    let bench = Bench::start().await;
    for mode in ["simple", "extended", "prepared"] {
        bench.run(1, 500, &["-M", mode, "-S"]).await;
        bench.run(1, 100, &["-M", mode]).await;
    }
    bench.assert_balanced(300).await;
}

#[tokio::test]
async fn fifty_clients() {
    let bench = Bench::start().await;
    for mode in ["simple", "extended", "prepared"] {
        bench.run(50, 100, &["-M", mode, "-S"]).await;
        bench.run(50, 20, &["-M", mode]).await;
    }
    bench.assert_balanced(3 * 50 * 20).await;
}

#[tokio::test]
async fn five_hundred_clients() {
    // Each client is a socket in pgbench and one in the proxy, which inherits our limit.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < 4096 {
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).unwrap();
    }
    let bench = Bench::start().await;
    for mode in ["simple", "extended", "prepared"] {
        bench.run(500, 10, &["-M", mode, "-S"]).await;
    }
    bench.run(500, 4, &["-M", "prepared"]).await;
    bench.assert_balanced(500 * 4).await;
}

#[tokio::test]
async fn a_new_connection_for_each_transaction() {
    let bench = Bench::start().await;
    for mode in ["simple", "extended", "prepared"] {
        bench.run(10, 10, &["-M", mode, "-S", "-C"]).await;
    }
    bench.run(10, 10, &["-C"]).await;
    bench.assert_balanced(100).await;
}

#[tokio::test]
async fn pipelines_of_statements() {
    let bench = Bench::start().await;
    let script = bench.proxy.dir.join("pipeline.sql");
    let text = "\\set aid random(1, 100000)\n\\set delta random(-5000, 5000)\n\\startpipeline\n\
                begin;\nupdate pgbench_accounts set abalance = abalance + :delta where aid = :aid;\n\
                update pgbench_tellers set tbalance = tbalance + :delta where tid = 1;\n\
                update pgbench_branches set bbalance = bbalance + :delta where bid = 1;\n\
                insert into pgbench_history (tid, bid, aid, delta, mtime) \
                values (1, 1, :aid, :delta, current_timestamp);\ncommit;\n\\endpipeline\n";
    std::fs::write(&script, text).unwrap();
    let file = script.to_str().unwrap();
    for mode in ["extended", "prepared"] {
        bench.run(20, 20, &["-M", mode, "-f", file]).await;
    }
    bench.assert_balanced(2 * 20 * 20).await;
}
