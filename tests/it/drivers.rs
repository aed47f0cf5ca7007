//! Drivers against PostgreSQL and against the proxy: each connects over TLS with SCRAM, many clients
//! at once over two server connections, and must see the same in all places: also through the proxy
//! to a database whose sessions report what they hold, and to one whose sessions do not.

pub(crate) mod packages;
mod sqlx_driver;
mod tokio_postgres_driver;

use std::path::PathBuf;

use harness::program::Program;
use harness::proxy_config::path_text;
use harness::{Authority, Cluster, Database, Proxy, artefacts};

/// Clients at once, over two server connections.
const CLIENTS: u32 = 20;

/// Where a driver connects, and how it sees PostgreSQL itself.
#[derive(Clone)]
struct Place {
    port: u16,
    server_port: u16,
    user: String,
    password: String,
    database: String,
    ca_file: PathBuf,
}

/// A cluster that takes TLS logins only, and a proxy in front of it with the same certificate.
/// Fields are dropped in their order: the proxy ends before it could miss its server.
struct Stage {
    proxy: Proxy,
    cluster: Cluster,
    authority: Authority,
}

impl Stage {
    async fn set() -> Self {
        let authority = Authority::new();
        let certificate = authority.server(&["localhost"]);
        let rule = "hostssl all all 127.0.0.1/32 scram-sha-256";
        let cluster = Cluster::builder().tls(&certificate).host_rule(rule);
        let cluster = cluster.setting("max_prepared_transactions", "100").start();
        let proxy = Proxy::start(&cluster, |config| {
            config
                .set("pool.min", 1)
                .set("pool.max", 2)
                // They take turns at what holds a connection, on a machine that is busy with other tests.
                .set("pool.acquire_timeout_ms", 300_000)
                .set("listen.login_timeout_ms", 300_000)
                .set("server.host", "localhost")
                .set("server.ssl_mode", "verify-full")
                .set("server.ssl_root_cert_file", path_text(&authority.cert_file))
                .set("listen.tls.mode", "allow")
                .set("listen.tls.cert_file", path_text(&certificate.cert_file))
                .set("listen.tls.key_file", path_text(&certificate.key_file));
        })
        .await;
        Self { cluster, proxy, authority }
    }

    fn place(&self, port: u16, database: &Database<'_>) -> Place {
        Place {
            port,
            server_port: self.cluster.port,
            user: self.cluster.superuser.to_owned(),
            password: self.cluster.password.to_owned(),
            database: database.name.clone(),
            ca_file: self.authority.cert_file.clone(),
        }
    }

    /// The transcripts of a driver against PostgreSQL and against the proxy, on databases of one
    /// name's length each, so that nothing differs but the way.
    async fn assert_same<F, Fut>(&self, driver: F)
    where
        F: Fn(Place) -> Fut,
        Fut: Future<Output = String>,
    {
        let database = self.cluster.database().await;
        let direct = driver(self.place(self.cluster.port, &database)).await;
        assert!(direct.contains("57014"), "a cancelled query is in every transcript: {direct}");
        assert!(direct.contains("25P02"), "and a failed transaction: {direct}");
        for reports in [true, false] {
            let database = self.cluster.database().await;
            if !reports {
                let sql =
                    format!("alter database {} reset session_preload_libraries", database.name);
                self.cluster.admin().await.batch_execute(&sql).await.unwrap();
            }
            let proxied = driver(self.place(self.proxy.port, &database)).await;
            similar(&direct, &proxied, if reports { "with reports" } else { "without reports" });
        }
    }
}

/// Compares line by line, because a whole transcript is long.
fn similar(direct: &str, proxied: &str, what: &str) {
    for (direct, proxied) in direct.lines().zip(proxied.lines()) {
        assert_eq!(proxied, direct, "{what}");
    }
    assert_eq!(proxied.lines().count(), direct.lines().count(), "{what}");
}

impl Place {
    /// What all our programs read: libpq's environment, the authority's certificate, and where to look at
    /// PostgreSQL itself.
    async fn transcript(&self, program: Program) -> String {
        let program = program
            .env("PGHOST", "localhost")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", &self.database)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", &self.ca_file)
            .env("CA_FILE", &self.ca_file)
            .env("WATCH_PORT", self.server_port.to_string())
            .env("CLIENTS", CLIENTS.to_string());
        program.succeed().await.stdout
    }
}

/// Runs a program of ours in Python.
async fn assert_same_in_python(program: &str) {
    let stage = Stage::set().await;
    let python = tokio::task::spawn_blocking(packages::python).await.unwrap();
    let program = artefacts::repository_dir().join("tests/drivers/python").join(program);
    stage
        .assert_same(async |place: Place| {
            place.transcript(Program::new(&python).args(["-B"]).args([&program])).await
        })
        .await;
}

/// Runs a program of ours in JavaScript.
async fn assert_same_in_node(program: &'static str) {
    let stage = Stage::set().await;
    let program = tokio::task::spawn_blocking(|| packages::node(program)).await.unwrap();
    stage
        .assert_same(async |place: Place| {
            place.transcript(Program::new("node").args([&program])).await
        })
        .await;
}

#[tokio::test]
async fn tokio_postgres_sees_the_same() {
    let stage = Stage::set().await;
    let connector = stage.authority.connector();
    stage.assert_same(|place| tokio_postgres_driver::transcripts(place, connector.clone())).await;
}

#[tokio::test]
async fn sqlx_sees_the_same() {
    let stage = Stage::set().await;
    stage.assert_same(sqlx_driver::transcripts).await;
}

#[tokio::test]
async fn psycopg_sees_the_same() {
    assert_same_in_python("psycopg_transcript.py").await;
}

#[tokio::test]
async fn asyncpg_sees_the_same() {
    assert_same_in_python("asyncpg_transcript.py").await;
}

#[tokio::test]
async fn sqlalchemy_sees_the_same() {
    assert_same_in_python("sqlalchemy_transcript.py").await;
}

#[tokio::test]
async fn node_postgres_sees_the_same() {
    assert_same_in_node("node_postgres.js").await;
}

#[tokio::test]
async fn postgres_js_sees_the_same() {
    assert_same_in_node("postgres_js.js").await;
}

#[tokio::test]
async fn jdbc_sees_the_same() {
    let stage = Stage::set().await;
    // Java ends a TLS connection with this alert before its close_notify.
    stage.proxy.expect_log("UserCanceled");
    let program = artefacts::repository_dir().join("tests/drivers/java/Transcript.java");
    stage
        .assert_same(async |place: Place| {
            let java = Program::new("java").args(["-cp", "/usr/share/java/postgresql.jar"]);
            place.transcript(java.args([&program])).await
        })
        .await;
}
