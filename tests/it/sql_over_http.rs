//! SQL over HTTP at the tunnel's door: the Neon driver, and requests of our own that are wrong, long, or left alone.

use std::time::Duration;

use harness::program::Program;
use harness::{Database, Proxy, proxy, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::drivers::packages;
use crate::edge::with_tunnel;
use crate::support::value;

/// The head of a request, for a body of this length.
fn head(database: &Database<'_>, len: usize, more: &str) -> String {
    let login = proxy::login(database);
    let (user, password, name) = (login.user, login.password, login.database);
    format!(
        "POST /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\nNeon-Connection-String: \
         postgresql://{user}:{password}@x/{name}\r\n{more}\r\n"
    )
}

/// Status, and the body as JSON if it is.
async fn post(door: u16, head: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut said = Vec::new();
    wait::within("the answer", stream.read_to_end(&mut said)).await.ok();
    let said = String::from_utf8(said).unwrap();
    let status = said.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn ask(door: u16, database: &Database<'_>, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    post(door, &head(database, body.len(), ""), &body).await
}

#[tokio::test]
async fn the_neon_driver_works_unmodified_over_http() {
    let (_, database, proxy, door) = with_tunnel(|config| {
        config.set("tunnel.address_statements_per_minute", 0);
    })
    .await;
    let program = tokio::task::spawn_blocking(|| packages::node("neon_http.js")).await.unwrap();
    let login = proxy::login(&database);
    let finished = Program::new("node")
        .args([program])
        .env("DOOR", door.to_string())
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", &login.password)
        .env("PGDATABASE", &database.name)
        .succeed()
        .await;
    let seen: Value = serde_json::from_str(&finished.stdout).unwrap();
    let expected = json!({
        "inserted": [{ "id": 1, "word": "é\"\n", "made": { "a": [1] } }, { "id": 2, "word": null, "made": null }],
        "types": [{ "i": 1, "b": "2", "t": true, "f": 1.5, "a": [1, 2], "d": "2001-02-03", "n": null, "y": "\\x00ff" }],
        "arrays": { "rows": [[2, null]], "command": "SELECT", "rowCount": 1 },
        "error": { "code": "22012", "message": "division by zero", "severity": "ERROR" },
        "position": { "code": "42601", "position": "1" },
        "many": 50_000,
        "batch": [[], [{ "n": 3 }]],
        "rolledBack": "22012",
        "left": 3,
        "readOnly": "25006",
        "isolation": [[{ "level": "repeatable read" }]],
        "wrong": "28P01",
        "together": (0..30).collect::<Vec<_>>(),
    });
    assert_eq!(seen, expected);
    proxy.expect_log("login refused");
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_what_to_do() {
    let (_, database, _proxy, door) = with_tunnel(|_| {}).await;
    let whole = json!({ "query": "select $1::int as n, 'a' as a", "params": [7] });
    let (status, answer) = ask(door, &database, &whole).await;
    assert_eq!((status, &answer["rows"]), (200, &json!([{ "n": 7, "a": "a" }])), "{answer}");
    assert_eq!(answer["fields"][0]["dataTypeID"], 23);
    let good = whole.to_string();
    let no_account = format!(
        "POST /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        good.len()
    );
    let (status, answer) = post(door, &no_account, &good).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("08P01")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("Neon-Connection-String"), "{answer}");
    for body in ["", "[1]", "{\"query\": 1}", "not json"] {
        let (status, answer) = post(door, &head(&database, body.len(), ""), body).await;
        assert_eq!((status, answer["code"].as_str()), (400, Some("08P01")), "{body}: {answer}");
    }
    let isolation =
        head(&database, good.len(), "Neon-Batch-Isolation-Level: Serializable; drop table x\r\n");
    assert_eq!(post(door, &isolation, &good).await.0, 400);
    let twice = head(
        &database,
        good.len(),
        "Cf-Connecting-Ip: 203.0.113.7\r\nCf-Connecting-Ip: 203.0.113.7\r\n",
    );
    let (status, answer) = post(door, &twice, &good).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("28000")), "{answer}");
    let (status, answer) =
        ask(door, &database, &json!({ "query": "copy (select 1) to stdout" })).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("0A000")), "{answer}");
    let (status, answer) = ask(door, &database, &json!({ "query": "" })).await;
    assert_eq!((status, &answer["rows"]), (200, &json!([])), "{answer}");
    let many = vec![json!({ "query": "select 1" }); 1_001];
    let (status, answer) = ask(door, &database, &json!({ "queries": many })).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("54000")), "{answer}");
    let huge = 17 * 1024 * 1024;
    let (status, _) = post(door, &head(&database, huge, ""), &"x".repeat(huge)).await;
    assert!(
        [413, 0].contains(&status),
        "the rest of the body may meet a closed connection: {status}"
    );
}

#[tokio::test]
async fn rates_count_statements_of_http_too() {
    let (_, database, _proxy, door) = with_tunnel(|config| {
        config.set("tunnel.address_statements_per_minute", 5);
    })
    .await;
    let (status, _) =
        ask(door, &database, &json!({ "queries": vec![json!({ "query": "select 1" }); 3] })).await;
    // BEGIN and COMMIT are statements as well; the COMMIT is free, as the end of every transaction.
    assert_eq!(status, 200);
    assert_eq!(ask(door, &database, &json!({ "query": "select 1" })).await.0, 200);
    let (status, answer) = ask(door, &database, &json!({ "query": "select 1" })).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("53400")), "{answer}");
    assert!(answer["hint"].as_str().unwrap().starts_with("Wait "), "{answer}");
}

fn peak_kb(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_large_answer_streams_and_breaks_off_when_an_error_comes_late() {
    let (_, database, proxy, door) = with_tunnel(|_| {}).await;
    let rows = "select repeat('y', 10000) as y from generate_series(1, 10000)";
    let (status, answer) = ask(door, &database, &json!({ "query": rows })).await;
    // In chunks: the test's own reader does not take them apart.
    assert_eq!((status, answer), (200, Value::Null));
    let peak = peak_kb(&proxy);
    assert!(peak < 100_000, "{peak} kB");
    let late = "select repeat('y', 10000) as y, 1 / (9000 - n) from generate_series(1, 10000) n";
    let body = json!({ "query": late }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
    stream
        .write_all(format!("{}{body}", head(&database, body.len(), "")).as_bytes())
        .await
        .unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 200"), "it began well");
    assert!(!said.ends_with(b"0\r\n\r\n"), "an answer that broke off looks whole");
    assert_eq!(
        ask(door, &database, &json!({ "query": "select 'served' as s" })).await.1["rows"][0]["s"],
        "served"
    );
}

#[tokio::test]
async fn a_client_that_leaves_has_its_statement_cancelled() {
    let (_, database, _proxy, door) = with_tunnel(|_| {}).await;
    let body = json!({ "query": "select pg_sleep(600)" }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
    stream
        .write_all(format!("{}{body}", head(&database, body.len(), "")).as_bytes())
        .await
        .unwrap();
    let watching = database.connect().await;
    let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
    wait::until("it sleeps", || async { value(&watching, asleep).await == "1" }).await;
    drop(stream);
    wait::until("it is cancelled", || async { value(&watching, asleep).await == "0" }).await;
    tokio::time::timeout(
        Duration::from_secs(30),
        ask(door, &database, &json!({ "query": "select 1" })),
    )
    .await
    .unwrap();
}
