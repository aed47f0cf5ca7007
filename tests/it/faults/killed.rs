//! The server is killed in each way there is, under clients in every state at once.

use std::time::Duration;

use harness::cluster::Stop;
use harness::message::{self, Message};
use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy, proxy, wait};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::{assert_lost, effects, insert};
use crate::support::{run, value};

/// Clients that hold a server connection when the server is killed.
const HOLDERS: i64 = 7;
/// Clients that hold none.
const IDLE: usize = 20;

/// A cluster of its own, whose commits survive a crash.
struct Scene {
    cluster: Cluster,
    database: String,
    proxy: Proxy,
}

impl Scene {
    async fn start() -> Self {
        let cluster = Cluster::builder().setting("synchronous_commit", "on").start();
        let database = cluster.create_database().await.name.clone();
        let proxy = Proxy::start(&cluster, |config| {
            config
                .set("pool.min", 1)
                .set("pool.max", HOLDERS)
                .set("pool.acquire_timeout_ms", 60_000)
                .set("pool.test_idle_interval_ms", 50)
                .set("pool.reap_interval_ms", 20)
                .set("server.down_after_ms", 60_000)
                .set("server.connect_retry_interval_ms", 20);
        })
        .await;
        for part in ["was lost", "no server connection", "57P01", "auth query"] {
            proxy.expect_log(part);
        }
        let scene = Self { cluster, database, proxy };
        let setup = scene.database().connect().await;
        setup.batch_execute("create table effects (what text)").await.unwrap();
        scene
    }

    fn database(&self) -> Database<'_> {
        self.cluster.named(&self.database)
    }

    async fn client(&self) -> RawClient {
        self.proxy.raw(&self.database()).await
    }

    async fn admin(&self) -> Client {
        self.database().connect().await
    }
}

/// Reads rows until the connection ends; whether the end was told.
fn read_on(mut client: RawClient) -> JoinHandle<Vec<Message>> {
    tokio::spawn(async move {
        let mut last = Vec::new();
        while let Ok(message) = client.try_read().await {
            if message.tag == b'E' {
                last.push(message);
            }
        }
        last
    })
}

/// Sends COPY data until the connection ends, reading nothing, as drivers do.
fn copy_on(mut client: RawClient) -> JoinHandle<RawClient> {
    tokio::spawn(async move {
        let data = message::copy_data(&b"copied\n".repeat(100));
        while client.try_send(&data).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client
    })
}

fn step(sql: &str) -> Vec<u8> {
    let parts = [message::parse("", sql), message::bind("", &[]), message::execute("", 0)];
    [parts.concat(), message::sync()].concat()
}

/// Clients in every state there is.
struct Clients {
    in_query: RawClient,
    in_pipeline: RawClient,
    in_transaction: RawClient,
    listening: RawClient,
    with_temp_table: RawClient,
    copying_in: JoinHandle<RawClient>,
    copying_out: JoinHandle<Vec<Message>>,
    idle: Vec<RawClient>,
    /// Its request waits for a server connection.
    waiting: RawClient,
}

impl Clients {
    async fn bring(scene: &Scene) -> Self {
        let mut idle = Vec::new();
        for number in 0..IDLE {
            let mut client = scene.client().await;
            let sql = format!("set application_name = 'idle {number}'");
            run(&mut client, &[&sql]).await;
            idle.push(client);
        }
        let mut in_transaction = scene.client().await;
        run(&mut in_transaction, &["begin", &insert("transaction")]).await;
        let mut listening = scene.client().await;
        run(&mut listening, &["listen news"]).await;
        let mut with_temp_table = scene.client().await;
        run(&mut with_temp_table, &["create temp table mine (i int)"]).await;
        let (mut copier, mut copied) = (scene.client().await, scene.client().await);
        copier.send(&message::query("copy effects from stdin")).await;
        copier.read_until(b'G').await;
        copied
            .send(&message::query("copy (select generate_series(1, 2000000000)) to stdout"))
            .await;
        copied.read_until(b'd').await;
        let mut in_query = scene.client().await;
        let sql = format!("{}; select pg_sleep(600)", insert("query"));
        in_query.send(&message::query(&sql)).await;
        let mut in_pipeline = scene.client().await;
        let steps = [insert("first"), "select pg_sleep(600)".into(), insert("third")];
        in_pipeline.send(&steps.map(|sql| step(&sql)).concat()).await;
        in_pipeline.read_until_ready().await;
        let mut waiting = scene.client().await;
        waiting.send(&message::query(&insert("waiting"))).await;
        let (copying_in, copying_out) = (copy_on(copier), read_on(copied));
        let clients = Self {
            in_query,
            in_pipeline,
            in_transaction,
            listening,
            with_temp_table,
            copying_in,
            copying_out,
            idle,
            waiting,
        };
        let admin = scene.admin().await;
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = '{}' \
             and wait_event = 'PgSleep' and pid <> pg_backend_pid()",
            scene.database
        );
        wait::until("both sleep", || async { value(&admin, &sql).await == "2" }).await;
        clients
    }

    /// Each of those who had a server connection sees its own end, and nobody else sees anything.
    async fn assert_seen(&mut self) {
        for lost in [&mut self.in_query, &mut self.in_pipeline, &mut self.in_transaction] {
            assert_lost(lost).await;
        }
        for pinned in [&mut self.listening, &mut self.with_temp_table] {
            assert_lost(pinned).await;
        }
        let mut copier = wait::within("the copy in", &mut self.copying_in).await.unwrap();
        copier.read_to_end().await;
        let told = wait::within("the copy out", &mut self.copying_out).await.unwrap();
        assert!(told.len() <= 1, "{told:?}");
        for (number, client) in self.idle.iter_mut().enumerate() {
            let name = client.query_value("show application_name").await;
            assert_eq!(name, format!("idle {number}"));
            run(client, &[&insert("idle")]).await;
        }
        let served = self.waiting.read_until_ready().await;
        assert!(served.iter().all(|message| message.tag != b'E'), "{served:?}");
    }
}

/// Has all clients meet what `kill` does to the server, and counts what took effect.
async fn survive(kill: impl AsyncFnOnce(&Scene)) {
    let scene = Scene::start().await;
    let mut clients = Clients::bring(&scene).await;
    kill(&scene).await;
    // A login that needs a server: nobody has come with this setting before.
    let mut newcomer = RawClient::connect(scene.proxy.port).await;
    let login = proxy::login(&scene.database());
    newcomer
        .log_in(&login, &[("options", "-c work_mem=5MB")])
        .await
        .expect("it waits, and is let in");
    assert_eq!(newcomer.query_value("show work_mem").await, "5MB");
    clients.assert_seen().await;
    let admin = scene.admin().await;
    for (what, count) in [
        ("query", "0"),
        ("transaction", "0"),
        ("copied", "0"),
        ("first", "1"),
        ("third", "0"),
        ("waiting", "1"),
        ("idle", "20"),
    ] {
        assert_eq!(effects(&admin, what).await, count, "{what}");
    }
}

#[tokio::test]
async fn all_backends_are_terminated() {
    survive(async |scene| scene.cluster.kill_backends(&scene.database).await).await;
}

#[tokio::test]
async fn a_backend_crashes_and_the_cluster_recovers() {
    survive(async |scene| {
        let admin = scene.admin().await;
        let pid =
            value(&admin, "select min(pid) from pg_stat_activity where wait_event = 'PgSleep'");
        scene.cluster.crash(&pid.await);
        wait::until("the admin's backend is gone too", || async { admin.is_closed() }).await;
        // Until recovery is over the server refuses everybody.
        wait::until("the server is back", || async {
            scene.database().config().connect(tokio_postgres::NoTls).await.is_ok()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_server_is_shut_down_at_once_and_comes_back() {
    survive(async |scene| {
        scene.cluster.stop(Stop::Immediate);
        scene.cluster.start();
    })
    .await;
}

#[tokio::test]
async fn the_postmaster_is_killed_and_another_is_started() {
    survive(async |scene| {
        scene.cluster.stop(Stop::Killed);
        scene.cluster.start();
    })
    .await;
}
