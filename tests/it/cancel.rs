//! CancelRequest ends the query of the client it names, and nobody else's.

use harness::fault::Mode;
use harness::{Authority, Fault, message, proxy_config::path_text, raw::RawClient, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, NoTls};

use crate::support::{first_error, proxied, proxied_by, sqlstate, status, value};

const SLEEP: &str = "select pg_sleep(600)";

/// Waits until the server runs `count` of the sleeping queries of this database.
async fn until_sleeping(admin: &Client, database: &str, count: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' \
         and wait_event = 'PgSleep' and query like '%pg_sleep%' and pid <> pg_backend_pid()"
    );
    let what = format!("{count} queries sleep");
    wait::until(&what, || async { value(admin, &sql).await == count }).await;
}

#[tokio::test]
async fn a_cancel_request_ends_the_right_query_only() {
    let (cluster, database, proxy) = proxied_by(3).await;
    let admin = cluster.admin().await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    let (cancel_one, cancel_two) = (one.cancel_token(), two.cancel_token());
    let one = tokio::spawn(async move { (one.batch_execute(SLEEP).await, one) });
    let two = tokio::spawn(async move { (two.batch_execute(SLEEP).await, two) });
    until_sleeping(&admin, &database.name, "2").await;

    cancel_one.cancel_query(NoTls).await.unwrap();
    let (outcome, one) = wait::within("the cancelled query", one).await.unwrap();
    assert_eq!(sqlstate(&outcome.unwrap_err()), "57014");
    until_sleeping(&admin, &database.name, "1").await;
    assert!(!two.is_finished());
    assert_eq!(value(&one, "select 'lives'").await, "lives");

    cancel_two.cancel_query(NoTls).await.unwrap();
    let (outcome, _) = wait::within("the cancelled query", two).await.unwrap();
    assert_eq!(sqlstate(&outcome.unwrap_err()), "57014");
}

#[tokio::test]
async fn a_cancel_request_of_an_idle_client_does_not_hit_the_next_user_of_its_connection() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let admin = cluster.admin().await;
    let (idle, busy) = (proxy.connect(&database).await, proxy.connect(&database).await);
    value(&idle, "select 1").await;
    let cancel_busy = busy.cancel_token();
    let busy = tokio::spawn(async move { busy.batch_execute(SLEEP).await });
    until_sleeping(&admin, &database.name, "1").await;
    for _ in 0..5 {
        idle.cancel_token().cancel_query(NoTls).await.unwrap();
    }
    until_sleeping(&admin, &database.name, "1").await;
    assert!(!busy.is_finished());
    cancel_busy.cancel_query(NoTls).await.unwrap();
    let error = wait::within("the cancelled query", busy).await.unwrap().unwrap_err();
    assert_eq!(sqlstate(&error), "57014");
}

#[tokio::test]
async fn a_cancel_request_that_a_server_drops_because_it_has_not_read_the_query_is_sent_again() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&harness::proxy::login(&database), &[]).await.unwrap();
    let pid = client.query_value("select pg_backend_pid()").await.parse().unwrap();
    let signal = |signal| kill(Pid::from_raw(pid), signal).unwrap();
    let console = proxy.connect(&harness::Cluster::shared().await.named("pgbouncer")).await;
    signal(Signal::SIGSTOP);
    client.send(&message::query(SLEEP)).await;
    let is_sent = async || pools(&console, &database.name, "sv_active").await == "1";
    wait::until("the proxy has sent it", is_sent).await;
    let request = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &greeting.key];
    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&request.concat()).await;
    let end = canceller.read_to_end().await;
    signal(Signal::SIGCONT);
    assert!(end.is_empty(), "a CancelRequest gets no answer");
    let replies = client.read_until_ready().await;
    assert_eq!((first_error(&replies), status(&replies)), ("57014", "I"));
}

#[tokio::test]
async fn a_cancel_request_with_a_wrong_key_does_nothing() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let admin = cluster.admin().await;
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&harness::proxy::login(&database), &[]).await.unwrap();
    client.send(&message::query(SLEEP)).await;
    until_sleeping(&admin, &database.name, "1").await;
    let request = |key: &[u8]| {
        let length = u32::try_from(8 + key.len()).unwrap();
        [&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), key].concat()
    };
    let mut wrong = greeting.key.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&request(&wrong)).await;
    assert!(canceller.read_to_end().await.is_empty(), "a CancelRequest gets no answer");
    until_sleeping(&admin, &database.name, "1").await;

    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&request(&greeting.key)).await;
    assert!(canceller.read_to_end().await.is_empty(), "a CancelRequest gets no answer");
    let replies = client.read_until_ready().await;
    assert!(replies.iter().any(|reply| reply.sqlstate() == Some("57014")), "{replies:?}");
}

#[tokio::test]
async fn what_follows_a_cancelled_query_is_not_sent_before_the_cancel_request_is_over() {
    let fault = Fault::start(harness::Cluster::shared().await.port);
    let (cluster, database, proxy) = proxied(|config| {
        config.set("pool.max", 1).set("server.port", i64::from(fault.port()));
    })
    .await;
    let admin = cluster.admin().await;
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&harness::proxy::login(&database), &[]).await.unwrap();
    client.query("begin").await;
    client.send(&message::query(SLEEP)).await;
    until_sleeping(&admin, &database.name, "1").await;

    // The server has closed the connection that carried the request, which the proxy does not see yet.
    fault.set(Mode::KeepOpen);
    let request = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &greeting.key];
    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&request.concat()).await;
    let replies = client.read_until_ready().await;
    assert_eq!((first_error(&replies), status(&replies)), ("57014", "E"));
    client.send(&message::query("rollback")).await;
    let state = format!("select state from pg_stat_activity where datname = '{}'", database.name);
    let console = proxy.connect(&cluster.named("pgbouncer")).await;
    for _ in 0..20 {
        waiting(&console, &database.name).await;
        assert_eq!(value(&admin, &state).await, "idle in transaction (aborted)");
    }

    fault.set(Mode::Pass);
    assert_eq!(status(&client.read_until_ready().await), "I");
    assert!(canceller.read_to_end().await.is_empty(), "it ends when the server's has ended");
}

#[tokio::test]
async fn a_server_connection_that_a_cancel_request_may_still_hit_is_closed() {
    let fault = Fault::start(harness::Cluster::shared().await.port);
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.max", 1)
            .set("server.port", i64::from(fault.port()))
            .set("server.connect_timeout_ms", 1_000);
    })
    .await;
    let admin = cluster.admin().await;
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&harness::proxy::login(&database), &[]).await.unwrap();
    let pid = client.query_value("select pg_backend_pid()").await;
    client.send(&message::query(SLEEP)).await;
    until_sleeping(&admin, &database.name, "1").await;
    fault.set(Mode::KeepOpen);
    let request = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &greeting.key];
    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&request.concat()).await;
    assert_eq!(first_error(&client.read_until_ready().await), "57014");
    assert!(canceller.read_to_end().await.is_empty());
    assert_ne!(client.query_value("select pg_backend_pid()").await, pid);
}

#[tokio::test]
async fn a_cancel_request_over_tls_works() {
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("listen.tls.mode", "require")
            .set("listen.tls.cert_file", path_text(&certificate.cert_file))
            .set("listen.tls.key_file", path_text(&certificate.key_file));
    })
    .await;
    let admin = cluster.admin().await;
    let client = proxy.connect_tls(&database, &authority).await;
    let cancel = client.cancel_token();
    let query = tokio::spawn(async move { client.batch_execute(SLEEP).await });
    until_sleeping(&admin, &database.name, "1").await;
    cancel.cancel_query(authority.connector()).await.unwrap();
    let error = wait::within("the cancelled query", query).await.unwrap().unwrap_err();
    assert_eq!(sqlstate(&error), "57014");
}

#[tokio::test]
async fn a_client_that_leaves_while_waiting_for_an_answer_frees_the_connection() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut client = proxy.raw(&database).await;
    client.send(&message::query(SLEEP)).await;
    let other = proxy.connect(&database).await;
    drop(client);
    // The query of the client that left is cancelled, so the pool of one is free again.
    assert_eq!(value(&other, "select 'served'").await, "served");
}

/// How many clients wait for a server connection, as the console shows it.
async fn waiting(console: &Client, database: &str) -> String {
    pools(console, database, "cl_waiting").await
}

/// A column of SHOW POOLS.
async fn pools(console: &Client, database: &str, column: &str) -> String {
    let rows = console.simple_query("show pools").await.unwrap();
    let row = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) if row.get("database") == Some(database) => {
            row.get(column).map(str::to_owned)
        }
        _ => None,
    });
    row.unwrap_or_else(|| panic!("no pool of {database}"))
}

#[tokio::test]
async fn what_a_client_asked_for_that_left_the_queue_is_never_run() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = proxy.connect(&cluster.named("pgbouncer")).await;
    let mut holder = proxy.raw(&database).await;
    holder.query("create table t (i int)").await;
    holder.query("begin").await;
    let mut waiter = proxy.raw(&database).await;
    waiter.send(&message::query("insert into t values (1)")).await;
    let is = async |count: &str| waiting(&console, &database.name).await == count;
    wait::until("it waits", async || is("1").await).await;
    drop(waiter);
    wait::until("it is forgotten", async || is("0").await).await;
    holder.query("commit").await;
    let other = proxy.connect(&database).await;
    assert_eq!(value(&other, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_cancel_request_ends_a_request_that_waits_for_a_server_connection() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = proxy.connect(&cluster.named("pgbouncer")).await;
    let mut holder = proxy.raw(&database).await;
    holder.query("create table t (i int)").await;
    let mut waiter = RawClient::connect(proxy.port).await;
    let greeting = waiter.log_in(&harness::proxy::login(&database), &[]).await.unwrap();
    let is = async |count: &str| waiting(&console, &database.name).await == count;
    let insert = "insert into t values (1)";
    let unnamed = [message::parse("", insert), message::bind("", &[]), message::execute("", 0)];
    for request in [message::query(insert), [unnamed.concat(), message::sync()].concat()] {
        holder.query("begin").await;
        waiter.send(&request).await;
        wait::until("it waits", async || is("1").await).await;
        let cancel = [&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &greeting.key];
        RawClient::connect(proxy.port).await.send(&cancel.concat()).await;
        let replies = waiter.read_until_ready().await;
        assert_eq!((first_error(&replies), status(&replies)), ("57014", "I"));
        assert!(is("0").await);
        holder.query("commit").await;
        assert_eq!(waiter.query_value("select count(*) from t").await, "0");
    }
}

#[tokio::test]
async fn what_a_client_asked_for_before_it_said_goodbye_is_run_be_it_in_the_queue() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = proxy.connect(&cluster.named("pgbouncer")).await;
    let mut holder = proxy.raw(&database).await;
    holder.query("create table t (i int)").await;
    holder.query("begin").await;
    let mut waiter = proxy.raw(&database).await;
    let last = [message::query("insert into t values (1)"), message::terminate()].concat();
    waiter.send(&last).await;
    waiter.shutdown().await;
    let is = async |count: &str| waiting(&console, &database.name).await == count;
    wait::until("it waits", async || is("1").await).await;
    holder.query("commit").await;
    let other = proxy.connect(&database).await;
    wait::until("it is done", || async { value(&other, "select count(*) from t").await == "1" })
        .await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_copy_either_way_frees_the_connection() {
    let (_, database, proxy) = proxied_by(1).await;
    let other = proxy.connect(&database).await;
    other.batch_execute("create table t (i int)").await.unwrap();
    for sql in ["copy t from stdin", "copy (select generate_series(1, 1000000000)) to stdout"] {
        let mut client = proxy.raw(&database).await;
        client.send(&message::query(sql)).await;
        let begun = client.read().await;
        assert!(matches!(begun.tag, b'G' | b'H'), "{begun:?}");
        let _ = client.try_send(&message::copy_data(b"1\n")).await;
        drop(client);
        assert_eq!(value(&other, "select count(*) from t").await, "0");
    }
}
