//! Input no well-behaved client sends, and servers that fail: each a clear error, and a proxy that
//! goes on serving.

use harness::cluster::{Stop, free_port};
use harness::fault::Mode;
use harness::raw::{Login, RawClient};
use harness::{Cluster, Database, Fault, Proxy, ProxyConfig, message, proxy, wait};

use crate::support::{assert_serves, first_error, proxied, proxied_by, value};

/// Sends bytes instead of a startup packet and returns the SQLSTATE that was answered before the
/// proxy closed, or `None` when it closed without a word.
async fn answer_to(proxy: &Proxy, bytes: &[u8]) -> Option<String> {
    let mut client = RawClient::connect(proxy.port).await;
    // The proxy may refuse before it has read everything.
    let _ = client.try_send(bytes).await;
    client.shutdown().await;
    let answers = client.read_to_end().await;
    answers.iter().find_map(harness::message::Message::sqlstate).map(str::to_owned)
}

#[tokio::test]
async fn garbage_instead_of_a_startup_packet() {
    let (_, database, proxy) = proxied_by(1).await;
    let random: Vec<u8> =
        (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let inputs: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &random,
        &[0xff; 64],
        &[0; 64],
    ];
    for input in inputs {
        let answer = answer_to(&proxy, input).await;
        assert!(matches!(answer.as_deref(), None | Some("08P01")), "{input:?}: {answer:?}");
        assert_serves(&proxy, &database).await;
    }
}

#[tokio::test]
async fn a_startup_packet_of_1_gib() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut packet = (1_u32 << 30).to_be_bytes().to_vec();
    packet.extend_from_slice(&196_608_u32.to_be_bytes());
    packet.extend_from_slice(&[b'x'; 100_000]);
    let answer = answer_to(&proxy, &packet).await;
    assert!(matches!(answer.as_deref(), None | Some("08P01")), "{answer:?}");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn startup_packets_that_end_early_or_lack_a_user() {
    let (_, database, proxy) = proxied_by(1).await;
    let good = message::startup(&[("user", "x"), ("database", "y")]);
    for length in 0..good.len() {
        let answer = answer_to(&proxy, &good[..length]).await;
        assert!(matches!(answer.as_deref(), None | Some("08P01")), "{length}: {answer:?}");
    }
    // PostgreSQL: "no PostgreSQL user name specified in startup packet", 28000.
    let answer = answer_to(&proxy, &message::startup(&[("database", "y")])).await;
    assert_eq!(answer.as_deref(), Some("28000"));
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_protocol_version_of_the_past_is_refused() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut packet = message::startup(&[("user", "x")]);
    packet[4..8].copy_from_slice(&(2_u32 << 16).to_be_bytes());
    // PostgreSQL: "unsupported frontend protocol 2.0", 0A000.
    assert_eq!(answer_to(&proxy, &packet).await.as_deref(), Some("0A000"));
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_minor_version_and_options_of_the_future_are_negotiated() {
    let (_, database, proxy) = proxied_by(1).await;
    let login = proxy::login(&database);
    let pairs = [("user", &*login.user), ("database", &*login.database), ("_pq_.future", "1")];
    let mut packet = message::startup(&pairs);
    packet[4..8].copy_from_slice(&((3_u32 << 16) | 9999).to_be_bytes());
    let mut client = RawClient::connect(proxy.port).await;
    client.send(&packet).await;
    let negotiation = client.read().await;
    assert_eq!(negotiation.tag, b'v', "{negotiation:?}");
    let text = String::from_utf8_lossy(&negotiation.body[8..]).into_owned();
    assert!(text.contains("_pq_.future"), "{text}");
    assert_eq!(client.read().await.tag, b'R');
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (_, database, proxy) = proxied(|config| {
        config.set("listen.login_timeout_ms", 2000);
    })
    .await;
    let silent = RawClient::connect(proxy.port).await;
    let mut half = RawClient::connect(proxy.port).await;
    half.send(&message::startup(&[("user", "x")])[..7]).await;
    // Silence after the first message of the login counts too.
    let mut asked = RawClient::connect(proxy.port).await;
    let login = proxy::login(&database);
    asked.send(&message::startup(&[("user", &login.user), ("database", &login.database)])).await;
    for mut client in [silent, half, asked] {
        client.read_to_end().await;
    }
    assert_serves(&proxy, &database).await;
}

async fn refusal(proxy: &Proxy, login: &Login) -> (String, String) {
    let mut client = RawClient::connect(proxy.port).await;
    let error = client.log_in(login, &[]).await.expect_err("the login is wrong");
    assert!(client.read_to_end().await.is_empty(), "nothing comes after a FATAL error");
    assert_eq!(error.field(b'S'), Some("FATAL"));
    (error.sqlstate().unwrap().to_owned(), error.field(b'M').unwrap().to_owned())
}

#[tokio::test]
async fn an_unknown_database() {
    let (_, database, proxy) = proxied_by(1).await;
    proxy.expect_log("3D000");
    let login = Login { database: "nowhere".into(), ..proxy::login(&database) };
    let (sqlstate, text) = refusal(&proxy, &login).await;
    assert_eq!(sqlstate, "3D000");
    assert!(text.contains("nowhere"), "{text}");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let (_, database, proxy) = proxied_by(1).await;
    let wrong = Login { password: "wrong".into(), ..proxy::login(&database) };
    let unknown = Login { user: "nobody_here".into(), ..wrong.clone() };
    let (state, text) = refusal(&proxy, &wrong).await;
    assert_eq!(state, "28P01");
    let (unknown_state, unknown_text) = refusal(&proxy, &unknown).await;
    assert_eq!(unknown_state, "28P01");
    assert_eq!(unknown_text.replace("nobody_here", &wrong.user), text);
    // Nor does the database name tell anything to somebody who cannot log in.
    let elsewhere = Login { database: "nowhere".into(), ..wrong };
    assert_eq!(refusal(&proxy, &elsewhere).await.0, "28P01");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn an_unknown_frontend_message() {
    let (_, database, proxy) = proxied_by(1).await;
    for in_transaction in ["select 1", "begin"] {
        let mut client = proxy.raw(&database).await;
        client.query(in_transaction).await;
        client.send(&message::raw(b'?', b"what")).await;
        let answers = client.read_to_end().await;
        assert_eq!(first_error(&answers), "08P01");
        assert_eq!(answers[0].field(b'S'), Some("FATAL"));
        assert_serves(&proxy, &database).await;
    }
}

#[tokio::test]
async fn message_lengths_of_0_and_2_to_the_31() {
    let (_, database, proxy) = proxied_by(1).await;
    for length in [0, 3, 1 << 31, u32::MAX] {
        for tag in [b'Q', b'P', b'B', b'S', b'd'] {
            let mut client = proxy.raw(&database).await;
            client.send(&message::with_length(tag, length, b"xxxx")).await;
            let answers = client.read_to_end().await;
            assert_eq!(first_error(&answers), "08P01", "{} of {length}", tag as char);
        }
        assert_serves(&proxy, &database).await;
    }
}

#[tokio::test]
async fn half_a_message_and_then_silence_blocks_nobody() {
    let (_, database, proxy) = proxied_by(1).await;
    let whole = message::query("select 'half a message'");
    let mut silent = Vec::new();
    for length in [1, 4, 5, 6, whole.len() - 1] {
        let mut client = proxy.raw(&database).await;
        client.send(&whole[..length]).await;
        silent.push((client, length));
        assert_serves(&proxy, &database).await;
    }
    for (client, length) in &mut silent {
        client.send(&whole[*length..]).await;
        let answers = client.read_until_ready().await;
        assert!(answers.iter().any(|answer| answer.tag == b'D'), "{length}: {answers:?}");
    }
}

#[tokio::test]
async fn malformed_bodies_are_answered_and_the_session_ends_or_lives_as_with_postgresql() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let bodies: [(u8, &[u8]); 8] = [
        (b'Q', b"select 1"),
        (b'P', b"name without an end"),
        (b'B', b"\0\0\0\xff"),
        (b'E', b""),
        (b'D', b"X\0"),
        (b'C', b"X\0"),
        (b'C', b""),
        (b'F', b"\0"),
    ];
    for (tag, body) in bodies {
        let bytes = [message::raw(tag, body), message::sync()].concat();
        let mut direct = RawClient::login(cluster.port, &proxy::login(&database)).await;
        direct.send(&bytes).await;
        let mut client = proxy.raw(&database).await;
        client.send(&bytes).await;
        let (expected, answer) = (direct.read().await, client.read().await);
        assert_eq!(answer.sqlstate(), expected.sqlstate(), "{} {body:?}", tag as char);
        drop(client);
        assert_serves(&proxy, &database).await;
    }
}

#[tokio::test]
async fn a_second_startup_message_during_login() {
    let (_, database, proxy) = proxied_by(1).await;
    let login = proxy::login(&database);
    let startup = message::startup(&[("user", &login.user), ("database", &login.database)]);
    let mut client = RawClient::connect(proxy.port).await;
    client.send(&[startup.clone(), startup].concat()).await;
    let answers = client.read_to_end().await;
    assert_eq!(first_error(&answers), "08P01", "{answers:?}");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn messages_before_the_login_is_complete_are_refused() {
    let (_, database, proxy) = proxied_by(1).await;
    let login = proxy::login(&database);
    let startup = message::startup(&[("user", &login.user), ("database", &login.database)]);
    let mut client = RawClient::connect(proxy.port).await;
    client.send(&[startup, message::query("select 'let me in'")].concat()).await;
    let answers = client.read_to_end().await;
    assert!(answers.iter().all(|answer| answer.tag != b'D'), "{answers:?}");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_client_that_closes_at_every_stage_of_the_login_leaves_nothing() {
    let (_, database, proxy) = proxied_by(1).await;
    let login = proxy::login(&database);
    for _ in 0..20 {
        let mut client = RawClient::connect(proxy.port).await;
        client.send(&message::startup(&[("user", &login.user)])).await;
    }
    for _ in 0..20 {
        drop(RawClient::connect(proxy.port).await);
        drop(proxy.raw(&database).await);
    }
    assert_serves(&proxy, &database).await;
}

fn through(fault: &Fault, config: &mut ProxyConfig) {
    config.set("server.port", i64::from(fault.port()));
    config.set("pool.min", 1).set("pool.max", 2).set("server.connect_retry_interval_ms", 20);
}

async fn faulty() -> (&'static Cluster, Database<'static>, Fault, Proxy) {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| through(&fault, config)).await;
    (cluster, database, fault, proxy)
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_query() {
    let (cluster, database, fault, proxy) = faulty().await;
    proxy.expect_log("was lost");
    let admin = cluster.admin().await;
    let mut client = proxy.raw(&database).await;
    let mut idle = proxy.raw(&database).await;
    client.send(&message::query("select pg_sleep(600)")).await;
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{}' \
                       and query like '%pg_sleep%' and wait_event = 'PgSleep'",
        database.name
    );
    wait::until("the query runs", || async { value(&admin, &sql).await == "1" }).await;
    fault.cut();
    let answers = client.read_to_end().await;
    assert_eq!(first_error(&answers), "08006");
    assert_eq!(answers[0].field(b'S'), Some("FATAL"));
    assert_eq!(idle.query_value("select 'others go on'").await, "others go on");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_the_middle_of_a_query() {
    let (cluster, database, proxy) = proxied_by(2).await;
    proxy.expect_log("57P01");
    proxy.expect_log("was lost");
    let admin = cluster.admin().await;
    let mut client = proxy.raw(&database).await;
    let pid = client.query_value("begin; select pg_backend_pid()").await;
    let mut idle = proxy.raw(&database).await;
    client.send(&message::query("select pg_sleep(600)")).await;
    value(&admin, &format!("select pg_terminate_backend({pid}, 30000)")).await;
    let answers = client.read_to_end().await;
    // The server's own words when it had time for them.
    assert!(["57P01", "08006"].contains(&first_error(&answers)), "{answers:?}");
    assert_eq!(idle.query_value("select 'others go on'").await, "others go on");
}

#[tokio::test]
async fn idle_server_connections_that_died_are_not_handed_out() {
    let (_, database, fault, proxy) = faulty().await;
    let client = proxy.connect(&database).await;
    assert_eq!(value(&client, "select 1").await, "1");
    for break_it in [Fault::cut, Fault::half_close] {
        break_it(&fault);
        // The end of an idle connection may be seen after the next request was sent on it; then
        // that request fails with 08006 and only that one, because it may have been executed.
        proxy.expect_log("was lost");
        wait::until("a new server connection serves", || async {
            let client = proxy.connect(&database).await;
            client.simple_query("select 2").await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_waits_for_a_server_that_stalls_and_others_of_the_proxy_do_not() {
    let (cluster, database, fault, proxy) = faulty().await;
    let mut client = proxy.raw(&database).await;
    assert_eq!(client.query_value("select 'before'").await, "before");
    fault.set(Mode::Stall);
    client.send(&message::query("select 'delayed'")).await;
    let healthy = Proxy::start(cluster, |_| {}).await;
    assert_serves(&healthy, &database).await;
    fault.set(Mode::Pass);
    let answers = client.read_until_ready().await;
    assert!(answers.iter().any(|answer| answer.tag == b'D'), "{answers:?}");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn no_server_at_all() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let port = free_port();
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.port", i64::from(port))
            .set("server.down_after_ms", 100)
            .set("server.connect_retry_interval_ms", 20);
    })
    .await;
    for part in ["57P03", "refused", "unreachable", "connect"] {
        proxy.expect_log(part);
    }
    let (sqlstate, _) = refusal(&proxy, &proxy::login(&database)).await;
    assert_eq!(sqlstate, "57P03");
    assert!(proxy.exit_status().is_none(), "the proxy goes on without a server");
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back() {
    let cluster = Cluster::builder().start();
    let database = cluster.create_database().await;
    let proxy = Proxy::start(&cluster, |config| {
        config.set("server.down_after_ms", 100).set("server.connect_retry_interval_ms", 20);
    })
    .await;
    for part in ["57P01", "57P03", "08006", "connect", "refused", "closed"] {
        proxy.expect_log(part);
    }
    let mut client = proxy.raw(&database).await;
    assert_eq!(client.query_value("select 'before'").await, "before");
    cluster.stop(Stop::Fast);
    let mut refused = false;
    while !refused {
        let answers = client.query("select 'without a server'").await;
        let error = first_error(&answers).to_owned();
        assert!(["57P03", "57P01", "08006"].contains(&&*error), "{answers:?}");
        refused = error == "57P03";
    }
    cluster.start();
    wait::until("the same client is served again", async || {
        client.query("select 'after'").await.iter().any(|answer| answer.tag == b'D')
    })
    .await;
    assert_serves(&proxy, &database).await;
}
