//! Four drivers against PostgreSQL and against the proxy: each connects over TLS with SCRAM, many
//! clients at once over two server connections, and must see the same in both places.

mod sqlx_driver;
mod tokio_postgres_driver;

use std::fs;
use std::path::{Path, PathBuf};

use harness::installation::build_once;
use harness::program::Program;
use harness::proxy_config::path_text;
use harness::{Authority, Cluster, Database, Proxy, artefacts, run_dir};

/// Clients at once, over two server connections.
const CLIENTS: u32 = 8;

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
        let cluster = Cluster::builder().tls(&certificate).host_rule(rule).start();
        let proxy = Proxy::start(&cluster, |config| {
            config
                .set("pool.min", 1)
                .set("pool.max", 2)
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
        let database = self.cluster.create_database().await;
        let direct = driver(self.place(self.cluster.port, &database)).await;
        let database = self.cluster.create_database().await;
        let proxied = driver(self.place(self.proxy.port, &database)).await;
        assert!(direct.contains("57014"), "a cancelled query is in every transcript: {direct}");
        assert!(direct.contains("25P02"), "and a failed transaction: {direct}");
        similar(&direct, &proxied);
    }
}

/// Compares line by line, because a whole transcript is long.
fn similar(direct: &str, proxied: &str) {
    for (direct, proxied) in direct.lines().zip(proxied.lines()) {
        assert_eq!(proxied, direct);
    }
    assert_eq!(proxied.lines().count(), direct.lines().count());
}

impl Place {
    /// libpq's environment, which node-postgres reads too.
    fn environment(&self, program: Program) -> Program {
        program
            .env("PGHOST", "localhost")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", &self.database)
            .env("CLIENTS", CLIENTS.to_string())
    }
}

/// The driver's directory in the repository, its name, and a directory outside of the repository
/// where its packages are installed once for each content of `lock`.
fn installed(name: &str, lock: &str, install: impl FnOnce(&Path, &Path)) -> PathBuf {
    let source = artefacts::repository_dir().join("tests/drivers").join(name);
    let text = fs::read(source.join(lock)).expect("the lock file is in the repository");
    let digest = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let dir = run_dir::machine_dir().join(format!("driver-{name}-{digest:016x}"));
    build_once(&dir, |dir| install(&source, dir));
    dir
}

fn install(program: Program) {
    let finished = program.run_blocking();
    let advice = "the driver tests install psycopg and node-postgres with pip and npm";
    assert!(finished.status.success(), "{advice}: {}", finished.report());
}

fn python() -> PathBuf {
    let dir = installed("python", "requirements.txt", |source, dir| {
        install(Program::new("python3").args(["-m", "venv"]).args([dir]));
        let pip = Program::new(dir.join("bin/python")).args(["-m", "pip", "install", "--quiet"]);
        install(pip.args(["--no-deps", "-r"]).args([source.join("requirements.txt")]));
    });
    dir.join("bin/python")
}

/// The installed packages; the program is copied beside them, because node looks for packages
/// from the program's place upwards.
fn node_program() -> PathBuf {
    let dir = installed("node", "package-lock.json", |source, dir| {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(source.join(name), dir.join(name)).expect("the file is in the repository");
        }
        let npm = Program::new("npm").args(["ci", "--no-audit", "--no-fund"]);
        install(npm.current_dir(dir));
    });
    let own = run_dir::fresh_dir("node");
    let source = artefacts::repository_dir().join("tests/drivers/node");
    for name in ["package.json", "transcript.js"] {
        fs::copy(source.join(name), own.join(name)).expect("the file is in the repository");
    }
    let packages = own.join("node_modules");
    std::os::unix::fs::symlink(dir.join("node_modules"), packages).expect("a fresh directory");
    own.join("transcript.js")
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
    let stage = Stage::set().await;
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let program = artefacts::repository_dir().join("tests/drivers/python/transcript.py");
    stage
        .assert_same(async |place: Place| {
            let watch = format!(
                "host=localhost port={} dbname={} sslmode=verify-full",
                place.server_port, place.database
            );
            let program = place.environment(Program::new(&python)).args(["-B"]).args([&program]);
            let program = program
                .env("PGSSLMODE", "verify-full")
                .env("PGSSLROOTCERT", &place.ca_file)
                .env("WATCH", watch);
            program.succeed().await.stdout
        })
        .await;
}

#[tokio::test]
async fn node_postgres_sees_the_same() {
    let stage = Stage::set().await;
    let program = tokio::task::spawn_blocking(node_program).await.unwrap();
    stage
        .assert_same(async |place: Place| {
            let node = place.environment(Program::new("node")).args([&program]);
            let node = node
                .env("CA_FILE", &place.ca_file)
                .env("WATCH_PORT", place.server_port.to_string());
            node.succeed().await.stdout
        })
        .await;
}
