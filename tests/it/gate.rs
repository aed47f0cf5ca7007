//! Who may come in and how often, in front of a real PostgreSQL: rates, rules, failed logins and bans, what a client is
//! told, and that nobody else notices.

use std::time::{Duration, Instant};

use harness::message::{self, Message};
use harness::raw::{Login, RawClient};
use harness::{Cluster, Database, Proxy, ProxyConfig, proxy, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use toml::Table;

use crate::admin::{Row, console, table};
use crate::support::{create_role, proxied, value};

/// `toml` as an entry of an array of tables.
fn entry(toml: &str) -> Table {
    toml.parse().unwrap()
}

fn tags(messages: &[Message]) -> String {
    messages.iter().map(|message| char::from(message.tag)).collect()
}

fn error_of(messages: &[Message]) -> &Message {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.unwrap_or_else(|| panic!("no ErrorResponse in {messages:?}"))
}

/// Three statements a day for each user.
fn three_a_day(config: &mut ProxyConfig) {
    let rate = "name = 'three a day'\neach = 'user'\nmax = 3\nperiod_ms = 86_400_000";
    config.push("gate.rates", entry(rate));
}

async fn logged_in(user: &str, database: &Database<'_>, proxy: &Proxy) -> RawClient {
    RawClient::login(proxy.port, &as_user(user, "x", database)).await
}

fn as_user(user: &str, password: &str, database: &Database<'_>) -> Login {
    Login { user: user.into(), password: password.into(), database: database.name.clone() }
}

/// Whether a login is let in, and if not, why.
async fn try_login(login: &Login, proxy: &Proxy) -> Result<RawClient, Message> {
    let mut client = RawClient::connect(proxy.port).await;
    client.log_in(login, &[]).await.map(|_| client)
}

fn assert_too_fast(error: &Message, severity: &str) {
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some(severity), Some("53400")), "{error:?}");
    assert!(error.field(b'M').unwrap().starts_with("rate limit exceeded: "), "{error:?}");
    let hint = error.field(b'H').unwrap_or_default();
    assert!(hint.starts_with("Wait ") && hint.ends_with(" s."), "{error:?}");
}

async fn limit_of(console: &tokio_postgres::Client, name: &str) -> Row {
    let (_, rows) = table(console, "show limits").await;
    let row = rows.iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("no limit {name}: {rows:?}")).clone()
}

#[tokio::test]
async fn so_many_statements_and_no_more_and_nobody_else_notices() {
    let (cluster, database, proxy) = proxied(three_a_day).await;
    for user in ["gate_busy", "gate_calm"] {
        create_role(&database, user, "x").await;
    }
    let mut busy = logged_in("gate_busy", &database, &proxy).await;
    let mut again = logged_in("gate_busy", &database, &proxy).await;
    assert_eq!(busy.query_value("select 1").await, "1");
    assert_eq!(again.query_value("select 2").await, "2");
    assert_eq!(busy.query_value("select 3").await, "3");
    for client in [&mut busy, &mut again] {
        let refused = client.query("select 4").await;
        assert_eq!(tags(&refused), "EZ");
        assert_too_fast(&refused[0], "ERROR");
    }
    // A statement of the extended protocol is refused as one that fails: what follows is skipped up to the Sync.
    let sequence = [
        message::parse("", "select 5"),
        message::bind("", &[]),
        message::execute("", 0),
        message::parse("later", "select 6"),
        message::sync(),
    ];
    busy.send(&sequence.concat()).await;
    let refused = busy.read_until_ready().await;
    assert_eq!(tags(&refused), "EZ");
    let mut calm = logged_in("gate_calm", &database, &proxy).await;
    assert_eq!(calm.query_value("select 'calm'").await, "calm");
    let row = limit_of(&console(cluster, &proxy).await, "three a day").await;
    // The operator's console is no user of the server, and its statements are free.
    assert_eq!((row["tracked"].as_str(), row["refused"].as_str()), ("2", "3"), "{row:?}");
    assert_eq!((row["each"].as_str(), row["max"].as_str()), ("user", "3"));
}

#[tokio::test]
async fn a_refused_statement_fails_its_transaction_and_the_way_out_is_free() {
    let modes = [("transaction", "gate_transaction"), ("session", "gate_session")];
    for (mode, user) in modes {
        let (_, database, proxy) = proxied(|config| {
            config.set("pool.mode", mode);
            three_a_day(config);
        })
        .await;
        create_role(&database, user, "x").await;
        let mut client = logged_in(user, &database, &proxy).await;
        client.query("begin").await;
        client.query("create temp table made (n int)").await;
        assert_eq!(tags(&client.query("insert into made values (1)").await), "CZ");
        let refused = client.query("insert into made values (2)").await;
        assert_eq!(tags(&refused), "EZ", "{mode}");
        assert_too_fast(&refused[0], "ERROR");
        assert_eq!(refused[1].body, b"E", "{mode}: the transaction has failed");
        let failed = client.query("rollback; select 'not free'").await;
        assert_eq!(error_of(&failed).sqlstate(), Some("53400"), "{mode}");
        let ended = client.query("rollback").await;
        assert_eq!(
            (tags(&ended), ended[1].body.as_slice()),
            ("CZ".to_owned(), &b"I"[..]),
            "{mode}"
        );
        assert_eq!(error_of(&client.query("select 1").await).sqlstate(), Some("53400"), "{mode}");
    }
}

#[tokio::test]
async fn a_pipeline_is_refused_from_the_statement_on_that_is_too_much() {
    let (_, database, proxy) = proxied(three_a_day).await;
    create_role(&database, "gate_pipeline", "x").await;
    let mut client = logged_in("gate_pipeline", &database, &proxy).await;
    let mut pipeline = message::parse("one", "select $1::int");
    for n in 1..=5 {
        pipeline.extend(message::bind("one", &[&n.to_string()]));
        pipeline.extend(message::execute("", 0));
    }
    pipeline.extend(message::sync());
    client.send(&pipeline).await;
    let replies = client.read_until_ready().await;
    assert_eq!(tags(&replies), "12DC2DC2DC2EZ");
    assert_too_fast(error_of(&replies), "ERROR");
    // To prepare is free, and what is prepared is known.
    client.send(&[message::describe(b'S', "one"), message::sync()].concat()).await;
    assert_eq!(tags(&client.read_until_ready().await), "tTZ");
    // Many queries in one write: each has its answer, in order.
    client.send(&[message::query("select 1"), message::query("select 2")].concat()).await;
    assert_eq!(tags(&client.read_until_ready().await), "EZ");
    assert_eq!(tags(&client.read_until_ready().await), "EZ");
}

#[tokio::test]
async fn a_long_statement_in_a_pipeline_that_is_too_much_ends_the_session() {
    let (_, database, proxy) = proxied(three_a_day).await;
    create_role(&database, "gate_long", "x").await;
    let mut client = logged_in("gate_long", &database, &proxy).await;
    client.query("begin").await;
    client.query("select 1").await;
    client.query("select 2").await;
    let long = format!("select '{}'", "x".repeat(300_000));
    client.send(&message::query(&long)).await;
    let replies = client.read_to_end().await;
    assert_eq!(
        (error_of(&replies).field(b'S'), error_of(&replies).sqlstate()),
        (Some("FATAL"), Some("53400"))
    );
    let open =
        "select count(*) from pg_stat_activity where usename = 'gate_long' and state <> 'idle'";
    let admin = database.connect().await;
    wait::until("the transaction is gone", || async { value(&admin, open).await == "0" }).await;
}

#[tokio::test]
async fn a_rate_refills_and_new_settings_reach_sessions_that_are_there() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let mut config = ProxyConfig::new(cluster);
    let rate = "name = 'quick'\neach = 'database'\nmax = 2\nperiod_ms = 200";
    config.push("gate.rates", entry(rate));
    let proxy = Proxy::start_with(&config).await;
    let mut client = proxy.raw(&database).await;
    for n in 1..=2 {
        assert_eq!(client.query_value(&format!("select {n}")).await, n.to_string());
    }
    let began = Instant::now();
    while tags(&client.query("select 'again'").await) == "EZ" {
        assert!(began.elapsed() < Duration::from_secs(20), "it never refills");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    config.unset("gate.rates");
    config.push(
        "gate.rates",
        entry("name = 'none'\neach = 'database'\nmax = 1\nperiod_ms = 86_400_000"),
    );
    config.write();
    let console = console(cluster, &proxy).await;
    console.batch_execute("reload").await.unwrap();
    assert_eq!(client.query_value("select 'the one'").await, "the one");
    assert_too_fast(error_of(&client.query("select 'one more'").await), "ERROR");
    config.unset("gate");
    config.write();
    console.batch_execute("reload").await.unwrap();
    assert_eq!(client.query_value("select 'free'").await, "free");
}

#[tokio::test]
async fn logins_have_rates_too() {
    let (_, database, proxy) = proxied(|config| {
        let rate = "name = 'logins'\ncounted = 'logins'\nmax = 2\nperiod_ms = 86_400_000\nusers = ['gate_often']";
        config.push("gate.rates", entry(rate));
    })
    .await;
    create_role(&database, "gate_often", "x").await;
    let login = as_user("gate_often", "x", &database);
    for _ in 0..2 {
        assert!(try_login(&login, &proxy).await.is_ok());
    }
    let refused = try_login(&login, &proxy).await.err().expect("the third is refused");
    assert_too_fast(&refused, "FATAL");
    assert!(try_login(&proxy::login(&database), &proxy).await.is_ok());
    proxy.expect_log("login refused");
}

#[tokio::test]
async fn rules_keep_out_whom_they_name() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    create_role(&database, "gate_kept_out", "x").await;
    let mut config = ProxyConfig::new(cluster);
    config
        .push("gate.rules", entry("name = 'not her'\nverdict = 'deny'\nusers = ['gate_kept_out']"));
    config
        .push("gate.rules", entry("name = 'here'\nverdict = 'allow'\naddresses = ['127.0.0.0/8']"));
    config.set("gate.otherwise", "deny");
    let proxy = Proxy::start_with(&config).await;
    // Before the password is asked for, so that nobody learns whether it is right.
    let refused =
        try_login(&as_user("gate_kept_out", "wrong", &database), &proxy).await.err().unwrap();
    assert_eq!((refused.field(b'S'), refused.sqlstate()), (Some("FATAL"), Some("28000")));
    assert!(!refused.text().contains("not her"), "{refused:?}");
    let mut client = proxy.raw(&database).await;
    assert_eq!(client.query_value("select 'in'").await, "in");
    let console = console(cluster, &proxy).await;
    assert_eq!(limit_of(&console, "not her").await["refused"], "1");
    let rule = limit_of(&console, "here").await;
    assert_eq!(
        (rule["kind"].as_str(), rule["about"].as_str()),
        ("allow", "addresses = 127.0.0.0/8")
    );
    config.unset("gate.rules");
    config.write();
    console.batch_execute("reload").await.unwrap();
    let refused = try_login(&proxy::login(&database), &proxy).await.err().unwrap();
    assert_eq!(refused.sqlstate(), Some("28000"), "nobody is let in now");
    proxy.expect_log("login refused");
}

#[tokio::test]
async fn who_guesses_passwords_is_slowed_down_banned_and_let_in_again() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("gate.login_failures_max", 4)
            .set("gate.login_ban_exempt", toml::Value::Array(Vec::new()));
    })
    .await;
    for user in ["gate_guessed", "gate_other"] {
        create_role(&database, user, "x").await;
    }
    let guess = as_user("gate_guessed", "guess", &database);
    let mut waited = Vec::new();
    for _ in 0..4 {
        let began = Instant::now();
        let refused = try_login(&guess, &proxy).await.err().unwrap();
        assert_eq!(refused.sqlstate(), Some("28P01"));
        waited.push(began.elapsed());
    }
    assert!(waited[3] >= Duration::from_millis(400), "{waited:?}");
    let right = as_user("gate_guessed", "x", &database);
    let banned = try_login(&right, &proxy).await.err().expect("the right password comes too late");
    assert_eq!((banned.field(b'S'), banned.sqlstate()), (Some("FATAL"), Some("28000")));
    assert!(banned.field(b'H').unwrap().starts_with("Wait "), "{banned:?}");
    assert!(try_login(&as_user("gate_other", "x", &database), &proxy).await.is_ok());
    let console = console(cluster, &proxy).await;
    let (_, bans) = table(&console, "show bans").await;
    let ban = |name: &str| bans[0][name].as_str();
    assert_eq!(
        (ban("address"), ban("user"), ban("reason")),
        ("127.0.0.1", "gate_guessed", "too many failed logins")
    );
    assert!(ban("left_ms").parse::<u64>().unwrap() > 290_000, "{bans:?}");
    console.batch_execute("unban 127.0.0.1").await.unwrap();
    assert!(try_login(&right, &proxy).await.is_ok());
    proxy.expect_log("login refused");
    proxy.expect_log("a client is banned");
}

#[tokio::test]
async fn operators_ban_networks_and_take_it_back() {
    let (cluster, database, proxy) = proxied(|_| {}).await;
    let console = console(cluster, &proxy).await;
    let mut there = proxy.raw(&database).await;
    console.batch_execute("ban 127.0.0.0/8 10min").await.unwrap();
    let refused = try_login(&proxy::login(&database), &proxy).await.err().unwrap();
    assert_eq!(refused.sqlstate(), Some("28000"));
    assert_eq!(refused.field(b'H'), Some("Wait 600 s."));
    // Who is in stays in.
    assert_eq!(there.query_value("select 'still here'").await, "still here");
    let (_, bans) = table(&console, "show bans").await;
    assert_eq!((bans.len(), bans[0]["address"].as_str()), (1, "127.0.0.0/8"));
    console.batch_execute("unban 127.0.0.0/8").await.unwrap();
    assert!(try_login(&proxy::login(&database), &proxy).await.is_ok());
    for (sql, code) in
        [("unban 127.0.0.0/8", "42704"), ("ban nowhere", "42601"), ("ban ::1 soon", "42601")]
    {
        let error = console.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), code, "{sql}");
    }
    proxy.expect_log("login refused");
}

/// Logs in behind a header of the PROXY protocol.
async fn passed_on(proxy: &Proxy, header: &[u8], login: &Login) -> Option<Message> {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    stream.write_all(header).await.unwrap();
    let mut client = RawClient::over(stream);
    client.log_in(login, &[]).await.err()
}

#[tokio::test]
async fn whom_a_load_balancer_passes_on_is_the_client() {
    let (_, database, proxy) = proxied(|config| {
        config.set("listen.proxy_protocol", vec!["127.0.0.0/8"]);
        config.push(
            "gate.rules",
            entry("name = 'not them'\nverdict = 'deny'\naddresses = ['203.0.113.0/24']"),
        );
    })
    .await;
    let header = |source: [u8; 4]| {
        let addresses = [&source[..], &[10, 0, 0, 1, 0x9C, 0x40, 0x19, 0x20]].concat();
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C"[..], &addresses].concat()
    };
    let login = proxy::login(&database);
    assert!(passed_on(&proxy, &header([198, 51, 100, 1]), &login).await.is_none());
    let refused = passed_on(&proxy, &header([203, 0, 113, 9]), &login).await.unwrap();
    assert_eq!(refused.sqlstate(), Some("28000"));
    // A health check of the load balancer's own.
    let own = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    assert!(passed_on(&proxy, own, &login).await.is_none());
    // Without a header there is nobody to serve.
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    stream.write_all(&message::startup(&[("user", "postgres")])).await.unwrap();
    stream.write_all(&[0; 32]).await.unwrap();
    let mut said = Vec::new();
    wait::within("the end of the connection", stream.read_to_end(&mut said)).await.ok();
    assert!(said.is_empty(), "{said:?}");
    proxy.expect_log("login refused");
    proxy.expect_log("a connection was refused");
}

#[tokio::test]
async fn replication_is_not_counted_by_statements() {
    let (_, database, proxy) = proxied(three_a_day).await;
    let mut client = RawClient::connect(proxy.port).await;
    client.log_in(&proxy::login(&database), &[("replication", "database")]).await.unwrap();
    for _ in 0..5 {
        assert_eq!(tags(&client.query("IDENTIFY_SYSTEM").await), "TDCZ");
    }
}
