//! Clients that log in, come as far as they come, and vanish: nothing of them is left.

use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy, message, wait};
use taskmaster_proxy::backend::message::MessageReader;
use taskmaster_proxy::backend::scram::{Binding, SCRAM_SHA_256, ScramClient};
use taskmaster_proxy::backend::secret::Password;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::open_files;
use crate::admin::{console, until_pool};
use crate::support::value;

const CROWD: usize = 1_000;
/// Clients of a crowd that are there at once.
const AT_ONCE: usize = 100;
const CLIENTS_MAX: usize = 150;
const SERVERS_MAX: i64 = 3;
/// What the memory of the proxy may differ by after a second crowd: its allocator keeps some of it.
const GROWTH_MAX_KIB: u64 = 4 * 1024;

/// How far a client comes before it vanishes.
#[derive(Clone, Copy, Debug)]
enum Stage {
    SslRequest,
    Startup,
    FirstMessage,
    LoggedIn,
    HalfAQuery,
    Query,
    Transaction,
    Prepared,
}

const STAGES: [Stage; 8] = [
    Stage::SslRequest,
    Stage::Startup,
    Stage::FirstMessage,
    Stage::LoggedIn,
    Stage::HalfAQuery,
    Stage::Query,
    Stage::Transaction,
    Stage::Prepared,
];

/// A client whose password was derived before: a thousand logins cost as much as one.
struct Visitor<'a> {
    stream: TcpStream,
    password: &'a Password,
}

impl Visitor<'_> {
    async fn visit(mut self, user: &str, database: &str, stage: Stage) -> std::io::Result<()> {
        if matches!(stage, Stage::SslRequest) {
            self.stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
            return self.stream.read_u8().await.map(drop);
        }
        let startup = message::startup(&[("user", user), ("database", database)]);
        self.stream.write_all(&startup).await?;
        if matches!(stage, Stage::Startup) || !self.log_in(stage).await? {
            return Ok(());
        }
        let query = message::query("select pg_sleep(600)");
        let last = match stage {
            Stage::HalfAQuery => query[..9].to_vec(),
            Stage::Query => query,
            Stage::Transaction => message::query("begin; create temp table mine (i int)"),
            Stage::Prepared => [message::parse("s", "select 1"), message::bind("s", &[])].concat(),
            _ => return Ok(()),
        };
        self.stream.write_all(&last).await
    }

    /// True when the proxy has let it in.
    async fn log_in(&mut self, stage: Stage) -> std::io::Result<bool> {
        let mut reader = MessageReader::default();
        let mut scram = Some(ScramClient::start(Binding::None));
        loop {
            let Ok(message) = reader.next(&mut self.stream).await else { return Ok(false) };
            let (tag, body) = (message.tag(), message.body().to_vec());
            let reply = match (tag, body.get(3)) {
                (b'Z', _) => return Ok(true),
                (b'E', _) => return Ok(false),
                (b'R', Some(10)) => first(scram.as_ref().expect("asked once").first().as_bytes()),
                (b'R', Some(11)) => {
                    let scram = scram.take().expect("asked once");
                    let challenge = scram.challenge(&body[4..]).expect("a challenge");
                    let known = self.password.known_keys(&challenge.salt, challenge.iterations);
                    let derive =
                        || self.password.derive_keys(&challenge.salt, challenge.iterations);
                    let keys = known.unwrap_or_else(derive);
                    challenge.answer(&keys).0.into_bytes()
                }
                _ => continue,
            };
            self.stream.write_all(&message::raw(b'p', &reply)).await?;
            if matches!(stage, Stage::FirstMessage) {
                return Ok(false);
            }
        }
    }
}

fn first(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("short").to_be_bytes();
    [SCRAM_SHA_256.as_bytes(), b"\0", &len, message].concat()
}

/// Has a crowd come and go, a hundred at once.
async fn crowd(proxy: &Proxy, database: &Database<'_>, password: &Password) {
    let user = database.cluster().superuser;
    for wave in 0..CROWD / AT_ONCE {
        let visits = (0..AT_ONCE).map(async |number| {
            let stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
            let stage = STAGES[(wave + number) % STAGES.len()];
            let visitor = Visitor { stream, password };
            // It may be refused because those before it have not been forgotten yet.
            let _ = visitor.visit(user, &database.name, stage).await;
        });
        wait::within("a wave", futures_util::future::join_all(visits)).await;
    }
}

fn resident_kib(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until nothing of the crowd is left: no file, no client, no query, no server connection in use.
async fn until_forgotten(proxy: &Proxy, database: &Database<'static>, files: usize) {
    let console = console(database.cluster(), proxy).await;
    let idle = [("cl_active", "1"), ("cl_waiting", "0"), ("sv_active", "0"), ("sv_used", "0")];
    until_pool(&console, database, &idle).await;
    // The console's own, and as many as there may be of servers.
    let most = files + 1 + usize::try_from(SERVERS_MAX).unwrap();
    wait::until("the files are closed", || async { open_files(proxy.pid()) <= most }).await;
    let admin = database.cluster().admin().await;
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and state <> 'idle'",
        database.name
    );
    wait::until("the server is at rest", || async { value(&admin, &sql).await == "0" }).await;
}

/// All places are free: as many clients as there may be, and as many transactions as there are server connections.
async fn assert_room(proxy: &Proxy, database: &Database<'_>) {
    let mut clients = Vec::new();
    // The steady one has a place.
    for _ in 1..CLIENTS_MAX {
        clients.push(proxy.raw(database).await);
    }
    for client in clients.iter_mut().take(usize::try_from(SERVERS_MAX).unwrap()) {
        let replies = client.query("begin").await;
        assert!(replies.iter().all(|reply| reply.tag != b'E'), "{replies:?}");
    }
}

#[tokio::test]
async fn two_thousand_clients_log_in_and_vanish_and_leave_nothing() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        let max = i64::try_from(CLIENTS_MAX).unwrap();
        config
            .set("listen.client_max", max)
            .set("limits.user_clients_max", max)
            .set("limits.address_clients_max", max)
            .set("limits.server_connections_max", SERVERS_MAX)
            .set("pool.max", SERVERS_MAX);
    })
    .await;
    let mut steady = proxy.raw(&database).await;
    steady.query("select 1").await;
    let files = open_files(proxy.pid());
    let password = Password::new(cluster.password.into());
    let mut resident = Vec::new();
    for _ in 0..2 {
        crowd(&proxy, &database, &password).await;
        assert_eq!(steady.query_value("select 'served'").await, "served");
        until_forgotten(&proxy, &database, files).await;
        resident.push(resident_kib(&proxy));
    }
    assert!(
        resident[1] < resident[0] + GROWTH_MAX_KIB,
        "it grew from crowd to crowd: {resident:?}"
    );
    assert_room(&proxy, &database).await;
    drop::<RawClient>(steady);
}
