//! Clients that come through the tunnel: over a WebSocket whose frames are cloudflared's, with headers that say who they are.

use harness::program::Program;
use harness::raw::{Login, RawClient};
use harness::{Authority, Cluster, Database, Edge, Proxy, ProxyConfig, proxy};
use harness::{message, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use toml::Table;

use crate::admin::{console, table};
use crate::drivers::packages;
use crate::support::{create_role, value};

const HERE: (&str, &str) = ("Cf-Connecting-Ip", "203.0.113.7");

/// A proxy with a door for the tunnel, and where that is.
pub(crate) async fn with_tunnel(
    configure: impl FnOnce(&mut ProxyConfig),
) -> (&'static Cluster, Database<'static>, Proxy, u16) {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("tunnel.port", 0).set("pool.min", 1).set("pool.max", 2);
        configure(config);
    })
    .await;
    let door = door_of(&proxy);
    (cluster, database, proxy, door)
}

/// Where the log says that the tunnel comes in.
fn door_of(proxy: &Proxy) -> u16 {
    let log = proxy.log();
    let line = log.lines().find(|line| line.contains("listening for the tunnel")).expect("a door");
    let (_, address) = line.split_once("127.0.0.1:").expect("an address");
    address.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

fn psql(port: u16, database: &Database<'_>) -> Program {
    let Login { user, password, database } = proxy::login(database);
    let target = format!("host=127.0.0.1 port={port} user={user} dbname={database}");
    Program::postgres("psql")
        .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .args([target])
        .env("PGPASSWORD", password)
}

#[tokio::test]
async fn psql_works_through_the_tunnel_with_small_and_large_things() {
    let (cluster, database, proxy, door) = with_tunnel(|_| {}).await;
    let edge = Edge::to(door, &[HERE, ("Cf-Ipcountry", "DE")]).await;
    let large = format!("select length('{}');", "x".repeat(1024 * 1024));
    let script = format!(
        "create table t (n int); insert into t values (1), (2);\nselect sum(n) from t;\n{large}\n"
    );
    let said = psql(edge.port, &database).input(&script).succeed().await.stdout;
    assert!(said.ends_with("3\n1048576\n"), "{said}");
    let rows = "select repeat('y', 1000) from generate_series(1, 100000)";
    let said = psql(edge.port, &database).args(["-c", rows]).succeed().await.stdout;
    assert_eq!(said.len(), 100_100_000);
    // The address that the edge tells is the client's, for operators too.
    let mut client = RawClient::login(edge.port, &proxy::login(&database)).await;
    let (_, clients) = table(&console(cluster, &proxy).await, "show clients").await;
    assert!(clients.iter().any(|row| row["addr"] == "203.0.113.7"), "{clients:?}");
    assert_eq!(client.query_value("select 'lives'").await, "lives");
}

/// A result of many bytes, streamed: a gibibyte with `TASKMASTER_EDGE_BYTES=1073741824`.
#[tokio::test]
async fn a_large_result_streams_without_growing_the_proxy() {
    let bytes: u64 = std::env::var("TASKMASTER_EDGE_BYTES")
        .map_or(64 * 1024 * 1024, |text| text.parse().unwrap());
    let (_, database, proxy, door) = with_tunnel(|_| {}).await;
    let edge = Edge::to(door, &[HERE]).await;
    let mut client = RawClient::login(edge.port, &proxy::login(&database)).await;
    let rows = bytes / 65_536;
    client
        .send(&message::query(&format!(
            "select repeat('z', 65536) from generate_series(1, {rows})"
        )))
        .await;
    let mut received = 0;
    loop {
        let message = client.read().await;
        match message.tag {
            b'D' => received += message.body.len() as u64 - 6,
            b'Z' => break,
            _ => {}
        }
    }
    assert_eq!(received, rows * 65_536);
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kb < 100_000, "{peak}");
}

#[tokio::test]
async fn tls_inside_of_the_tunnel_and_cancel_requests_work() {
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let (_, database, _proxy, door) = with_tunnel(|config| {
        let path = harness::proxy_config::path_text;
        config
            .set("listen.tls.mode", "require")
            .set("listen.tls.cert_file", path(&certificate.cert_file))
            .set("listen.tls.key_file", path(&certificate.key_file));
    })
    .await;
    let edge = Edge::to(door, &[HERE]).await;
    for (mode, tls) in [("require", "true"), ("disable", "false"), ("prefer", "true")] {
        let psql = psql(edge.port, &database).env("PGSSLMODE", mode);
        let info = psql.args(["-c", "\\conninfo"]).succeed().await.stdout;
        assert_eq!(info.contains("SSL connection"), tls == "true", "{mode}: {info}");
    }
    // A cancel request is a connection of its own.
    let mut client = RawClient::connect(edge.port).await;
    let greeting = client.log_in(&proxy::login(&database), &[]).await.unwrap();
    client.send(&message::query("select pg_sleep(600)")).await;
    let watching = database.connect().await;
    let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
    wait::until("it sleeps", || async { value(&watching, asleep).await == "1" }).await;
    let mut canceller = TcpStream::connect(("127.0.0.1", edge.port)).await.unwrap();
    let code = 80_877_102_u32.to_be_bytes();
    let len = (8 + greeting.key.len() as u32).to_be_bytes();
    canceller.write_all(&[&len[..], &code, &greeting.key].concat()).await.unwrap();
    let answer = client.read_until_ready().await;
    assert_eq!(answer.iter().find_map(|message| message.sqlstate()), Some("57014"), "{answer:?}");
}

#[tokio::test]
async fn a_hundred_statements_a_minute_for_each_address_behind_the_tunnel() {
    let (_, database, proxy, door) = with_tunnel(|_| {}).await;
    let (here, there) = (
        Edge::to(door, &[HERE]).await,
        Edge::to(door, &[("Cf-Connecting-Ip", "203.0.113.8")]).await,
    );
    let login = proxy::login(&database);
    let mut busy = RawClient::login(here.port, &login).await;
    for n in 0..100 {
        assert_eq!(busy.query_value(&format!("select {n}")).await, n.to_string());
    }
    let refused = busy.query("select 'one too many'").await;
    assert_eq!(refused[0].sqlstate(), Some("53400"), "{refused:?}");
    let mut again = RawClient::login(here.port, &login).await;
    assert_eq!(again.query("select 1").await[0].sqlstate(), Some("53400"));
    let mut calm = RawClient::login(there.port, &login).await;
    assert_eq!(calm.query_value("select 'calm'").await, "calm");
    let mut direct = proxy.raw(&database).await;
    for n in 0..150 {
        assert_eq!(direct.query_value(&format!("select {n}")).await, n.to_string());
    }
}

#[tokio::test]
async fn countries_are_kept_out_inside_the_protocol_and_headers_count_at_the_door_alone() {
    let (_, database, proxy, door) = with_tunnel(|config| {
        let rule: Table =
            "name = 'not from there'\nverdict = 'deny'\ncountries = ['KP', 'T1']".parse().unwrap();
        config.push("gate.rules", rule);
    })
    .await;
    let login = proxy::login(&database);
    for (headers, code) in [
        (vec![HERE, ("Cf-Ipcountry", "KP")], Some("28000")),
        (vec![HERE, ("Cf-Ipcountry", "T1")], Some("28000")),
        (vec![HERE, ("Cf-Ipcountry", "DE")], None),
        (vec![HERE], None),
        // Headers that are there twice, or are none, are not believed.
        (vec![HERE, ("Cf-Connecting-Ip", "198.51.100.1")], Some("28000")),
        (vec![HERE, ("Cf-Ipcountry", "DE"), ("Cf-Ipcountry", "KP")], Some("28000")),
        (vec![("Cf-Connecting-Ip", "unknown")], Some("28000")),
    ] {
        let edge = Edge::to(door, &headers).await;
        let mut client = RawClient::connect(edge.port).await;
        let refused = client.log_in(&login, &[]).await.err();
        assert_eq!(
            refused.as_ref().and_then(|error| error.sqlstate()),
            code,
            "{headers:?} {refused:?}"
        );
    }
    // PostgreSQL's own door knows no HTTP, and so no headers.
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nCf-Connecting-Ip: 203.0.113.7\r\n\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    proxy.expect_log("login refused");
    proxy.expect_log("was refused");
}

#[tokio::test]
async fn failed_logins_ban_the_address_that_the_edge_tells() {
    let (_, database, proxy, door) = with_tunnel(|config| {
        config.set("gate.login_failures_max", 2);
    })
    .await;
    create_role(&database, "edge_guessed", "x").await;
    let (here, there) = (
        Edge::to(door, &[HERE]).await,
        Edge::to(door, &[("Cf-Connecting-Ip", "203.0.113.8")]).await,
    );
    let login = |password: &str| Login {
        user: "edge_guessed".into(),
        password: password.into(),
        database: database.name.clone(),
    };
    let code = async |port: u16, password: &str| {
        let mut client = RawClient::connect(port).await;
        let refused = client.log_in(&login(password), &[]).await.err();
        refused.and_then(|error| error.sqlstate().map(str::to_owned))
    };
    for _ in 0..2 {
        assert_eq!(code(here.port, "guess").await.as_deref(), Some("28P01"));
    }
    assert_eq!(code(here.port, "x").await.as_deref(), Some("28000"));
    assert_eq!(code(there.port, "x").await, None);
    proxy.expect_log("login refused");
    proxy.expect_log("a client is banned");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_nonsense_at_the_door_is_let_go() {
    let (_, database, _proxy, door) = with_tunnel(|config| {
        config.set("listen.login_timeout_ms", 500);
    })
    .await;
    for request in ["", "GET / HTTP/1.1\r\nHost: x\r\n", "\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}"] {
        let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        wait::within("the end of the connection", stream.read_to_end(&mut said)).await.ok();
    }
    let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK") && said.ends_with("ok\n"), "{said}");
    let edge = Edge::to(door, &[HERE]).await;
    let mut client = RawClient::login(edge.port, &proxy::login(&database)).await;
    assert_eq!(client.query_value("select 'served'").await, "served");
}

#[tokio::test]
async fn the_neon_driver_works_unmodified_with_its_password_first_or_by_scram() {
    let (_, database, proxy, door) = with_tunnel(|config| {
        config.set("tunnel.address_statements_per_minute", 0);
    })
    .await;
    let program =
        tokio::task::spawn_blocking(|| packages::node("neon_websocket.js")).await.unwrap();
    let login = proxy::login(&database);
    let finished = Program::new("node")
        .args([program])
        .env("DOOR", door.to_string())
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", &login.password)
        .env("PGDATABASE", &database.name)
        .succeed()
        .await;
    let seen: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let expected = serde_json::json!({
        "sum": 42, "large": 1_048_576, "state": "22012", "failed": "25P02", "rows": 20_000,
        "pooled": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "wrong": "28P01",
    });
    assert_eq!(seen, serde_json::json!({ "password": expected, "scram": expected }));
    proxy.expect_log("login refused");
}
