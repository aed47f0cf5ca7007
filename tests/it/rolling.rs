//! A new process takes the place of the one that runs: nobody is refused, nothing that is under way is cut, and cancel
//! requests find the process that they are for.

use std::path::PathBuf;

use harness::program::Program;
use harness::proxy_config::path_text;
use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy, ProxyConfig, message, proxy, run_dir, wait};
use nix::sys::signal::Signal;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::support::{assert_serves, backend_pid, sqlstate, value};

/// Processes that follow each other on one port.
struct Scene {
    cluster: &'static Cluster,
    database: Database<'static>,
    dir: PathBuf,
    port: u16,
}

impl Scene {
    async fn start() -> (Self, Proxy) {
        let cluster = Cluster::shared().await;
        let database = cluster.create_database().await;
        let mut scene = Self { cluster, database, dir: run_dir::fresh_dir("peers"), port: 0 };
        let first = Proxy::start_with(&scene.config()).await;
        scene.port = first.port;
        (scene, first)
    }

    fn config(&self) -> ProxyConfig {
        let mut config = ProxyConfig::new(self.cluster);
        config
            .set("listen.port", i64::from(self.port))
            .set("listen.peer_dir", path_text(&self.dir))
            .set("listen.unix_socket_dir", path_text(&self.dir))
            .set("listen.workers", 2)
            .set("listen.leave_timeout_ms", 600_000)
            .set("pool.max", 4);
        config
    }

    /// Starts the next process, which takes the place of `old`.
    async fn roll(&self, old: &Proxy) -> Proxy {
        let mut config = self.config();
        config.arguments.push("--take-over".to_owned());
        let new = Proxy::start_with(&config).await;
        wait::until("the old process has heard of it", async || has_been_followed(old)).await;
        new
    }

    /// Runs a script by pgbench through the port.
    fn load(&self, arguments: &[&str]) -> JoinHandle<()> {
        let script = self.dir.join("load.sql");
        std::fs::write(&script, "begin;\ninsert into done values (1);\ncommit;\n").unwrap();
        let program = Program::postgres("pgbench")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", self.cluster.superuser)
            .env("PGPASSWORD", self.cluster.password)
            .env("PGSSLMODE", "disable")
            .args(["-n", "-c", "4", "-f", script.to_str().unwrap()])
            .args(arguments)
            .args([&self.database.name]);
        tokio::spawn(async move {
            let finished = program.succeed().await;
            assert!(!finished.stderr.contains("error"), "{}", finished.report());
        })
    }
}

fn has_been_followed(proxy: &Proxy) -> bool {
    proxy.log().contains("another process serves newcomers now")
}

#[tokio::test]
async fn load_over_two_changes_of_the_process_sees_no_error() {
    let (scene, first) = Scene::start().await;
    let direct = scene.database.connect().await;
    direct.batch_execute("create table done (i int)").await.unwrap();
    let count = async || value(&direct, "select count(*) from done").await.parse::<u32>().unwrap();
    // Those who stay connected, and those who connect for every transaction.
    let stays = scene.load(&["-t", "1000", "-M", "extended"]);
    wait::until("the load is on", async || count().await > 0).await;
    let comes = scene.load(&["-t", "120", "-C"]);
    let second = scene.roll(&first).await;
    let before = count().await;
    wait::until("the load goes on", async || count().await > before + 100).await;
    let third = scene.roll(&second).await;
    for load in [stays, comes] {
        wait::within("the load", load).await.unwrap();
    }
    assert_eq!(count().await, 4 * (1000 + 120));
    assert!(first.wait().await.success(), "its clients have left");
    assert!(second.wait().await.success(), "its clients have left");
    assert_serves(&third, &scene.database).await;
}

#[tokio::test]
async fn transactions_go_on_in_the_old_process_and_newcomers_come_to_the_new_one() {
    let (scene, old) = Scene::start().await;
    let busy = old.connect(&scene.database).await;
    busy.batch_execute("create table rows (i int); begin; insert into rows values (1)")
        .await
        .unwrap();
    let pid = backend_pid(&busy).await;
    let new = scene.roll(&old).await;
    assert_eq!(new.port, old.port);
    assert_serves(&new, &scene.database).await;
    let socket = Program::postgres("psql")
        .env("PGPASSWORD", scene.cluster.password)
        .args(["-h", path_text(&scene.dir), "-p", &scene.port.to_string()])
        .args(["-U", scene.cluster.superuser, "-Atc", "select 'over the unix socket'"])
        .args([&scene.database.name]);
    assert_eq!(socket.succeed().await.stdout.trim(), "over the unix socket");
    assert_eq!(backend_pid(&busy).await, pid);
    busy.batch_execute("commit; insert into rows values (2)").await.unwrap();
    assert_eq!(value(&busy, "select count(*) from rows").await, "2");
    drop(busy);
    assert!(old.wait().await.success());
    assert!(scene.dir.join(format!(".s.PGSQL.{}", scene.port)).exists(), "it is the new one's");
    assert_serves(&new, &scene.database).await;
}

#[tokio::test]
async fn a_cancel_request_that_comes_to_the_new_process_ends_a_query_of_the_old_one() {
    let (scene, old) = Scene::start().await;
    let admin = scene.cluster.admin().await;
    let running = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and wait_event = 'PgSleep'",
        scene.database.name
    );
    let is_running = async |expected: &str| value(&admin, &running).await == expected;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let client = old.connect(&scene.database).await;
        let token = client.cancel_token();
        let query = async move { client.batch_execute("select pg_sleep(600)").await };
        clients.push((token, tokio::spawn(query)));
    }
    wait::until("both queries run", async || is_running("2").await).await;
    let new = scene.roll(&old).await;
    wait::until("the old process takes nobody", async || {
        let mut client = RawClient::connect(scene.port).await;
        client.log_in(&proxy::login(&scene.database), &[]).await.is_ok()
    })
    .await;

    // A key that is wrong in its last bit ends nothing.
    let mut wrong = RawClient::connect(scene.port).await;
    let mut other = RawClient::connect(scene.port).await;
    let greeting = other.log_in(&proxy::login(&scene.database), &[]).await.unwrap();
    let (pid, secret) = greeting.key.split_at(4);
    // The first session of the first process has its number and that of its worker in the upper bits.
    let mine = i32::from_be_bytes(pid.try_into().unwrap()).cast_unsigned();
    let first = (mine & !(31 << 26)) | (1 << 26);
    let request =
        [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &first.to_be_bytes(), secret];
    wrong.send(&request.concat()).await;
    assert!(wrong.read_to_end().await.is_empty());
    assert!(is_running("2").await);

    let (token, query) = clients.remove(0);
    token.cancel_query(NoTls).await.unwrap();
    let error = wait::within("the cancelled query", query).await.unwrap().unwrap_err();
    assert_eq!(sqlstate(&error), "57014");
    assert!(is_running("1").await, "the other one goes on");
    let (token, query) = clients.remove(0);
    token.cancel_query(NoTls).await.unwrap();
    let error = wait::within("the cancelled query", query).await.unwrap().unwrap_err();
    assert_eq!(sqlstate(&error), "57014");
    assert!(old.wait().await.success());
    assert_serves(&new, &scene.database).await;
}

#[tokio::test]
async fn a_new_process_that_cannot_serve_leaves_the_old_one_as_it_was() {
    let (scene, old) = Scene::start().await;
    let client = old.connect(&scene.database).await;
    let mut config = scene.config();
    config.set("listen.unix_socket_dir", path_text(&scene.dir.join("missing")));
    let failed = proxy::taskmaster(&config.dir)
        .args(["serve", "--take-over", "--config"])
        .arg(config.write())
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    wait::until("the old process has heard of it", async || {
        old.log().contains("nobody took the listening sockets over")
    })
    .await;
    assert!(!has_been_followed(&old));
    assert_eq!(value(&client, "select 'still here'").await, "still here");
    assert_serves(&old, &scene.database).await;
    let new = scene.roll(&old).await;
    drop(client);
    assert!(old.wait().await.success());
    assert_serves(&new, &scene.database).await;
}

#[tokio::test]
async fn what_a_killed_process_left_behind_is_in_nobodys_way() {
    let (scene, killed) = Scene::start().await;
    killed.signal(Signal::SIGKILL);
    killed.wait().await;
    let mut config = scene.config();
    config.arguments.push("--take-over".to_owned());
    let new = Proxy::start_with(&config).await;
    assert_serves(&new, &scene.database).await;
    let mut waiting = new.raw(&scene.database).await;
    let next = scene.roll(&new).await;
    waiting.send(&message::query("select 1")).await;
    assert!(waiting.read_until_ready().await.iter().any(|reply| reply.tag == b'D'));
    assert_serves(&next, &scene.database).await;
}

#[tokio::test]
async fn taking_over_needs_a_place_to_meet() {
    let cluster = Cluster::shared().await;
    let config = ProxyConfig::new(cluster);
    let refused = proxy::taskmaster(&config.dir)
        .args(["serve", "--take-over", "--config"])
        .arg(config.write())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("listen.peer_dir"), "{refused:?}");
}
