//! What belongs to one client stays with it (I6), and what a vanished client leaves is cleaned.

use harness::raw::{self, RawClient};
use harness::{Database, Proxy, message, proxy};

use crate::support::{backend_pid, first_error, proxied_by, run, status, value};

async fn login_with(
    proxy: &Proxy,
    database: &Database<'_>,
    extra: &[(&str, &str)],
) -> (RawClient, raw::Greeting) {
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&proxy::login(database), extra).await.unwrap();
    (client, greeting)
}

fn reported<'a>(greeting: &'a raw::Greeting, name: &str) -> &'a str {
    let parameter = greeting.parameters.iter().find(|(key, _)| key == name);
    &parameter.unwrap_or_else(|| panic!("{name} is not in {greeting:?}")).1
}

#[tokio::test]
async fn the_greeting_is_that_of_the_server() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut direct = RawClient::connect(database.cluster().port).await;
    let direct = direct.log_in(&proxy::login(&database), &[]).await.unwrap();
    let (_client, greeting) = login_with(&proxy, &database, &[]).await;
    let sorted = |greeting: &raw::Greeting| {
        let mut parameters = greeting.parameters.clone();
        parameters.sort();
        parameters
    };
    assert_eq!(sorted(&greeting), sorted(&direct));
    assert_eq!(greeting.key.len(), direct.key.len());
}

#[tokio::test]
async fn reported_settings_follow_the_client_over_one_server_connection() {
    let (_, database, proxy) = proxied_by(1).await;
    let ours = [
        [("application_name", "one"), ("TimeZone", "Asia/Tokyo"), ("DateStyle", "German")],
        [("application_name", "two"), ("TimeZone", "UTC"), ("DateStyle", "ISO, DMY")],
    ];
    let mut clients = Vec::new();
    for settings in &ours {
        let (client, greeting) = login_with(&proxy, &database, settings).await;
        assert_eq!(reported(&greeting, "application_name"), settings[0].1);
        assert_eq!(reported(&greeting, "TimeZone"), settings[1].1);
        clients.push(client);
    }
    for _ in 0..3 {
        for (client, settings) in clients.iter_mut().zip(&ours) {
            assert_eq!(client.query_value("show application_name").await, settings[0].1);
            assert_eq!(client.query_value("show timezone").await, settings[1].1);
            let style = client.query_value("show datestyle").await;
            assert!(style.starts_with(settings[2].1), "{style}");
        }
    }
}

#[tokio::test]
async fn a_setting_changed_later_is_reported_once_and_stays() {
    let (_, database, proxy) = proxied_by(1).await;
    let (mut one, _) = login_with(&proxy, &database, &[]).await;
    let (mut two, _) = login_with(&proxy, &database, &[]).await;
    let replies = one.query("set timezone to 'America/Lima'").await;
    let told: Vec<_> =
        replies.iter().filter(|reply| reply.tag == b'S').map(raw::parameter).collect();
    assert_eq!(told, [("TimeZone".to_owned(), "America/Lima".to_owned())]);
    for _ in 0..3 {
        let replies = two.query("show timezone").await;
        assert!(replies.iter().all(|reply| reply.tag != b'S'), "{replies:?}");
        assert_eq!(two.query_value("show timezone").await, "UTC");
        let replies = one.query("show timezone").await;
        assert!(replies.iter().all(|reply| reply.tag != b'S'), "{replies:?}");
        assert_eq!(one.query_value("show timezone").await, "America/Lima");
    }
}

#[tokio::test]
async fn client_encoding_follows_the_client() {
    let (_, database, proxy) = proxied_by(1).await;
    let (mut latin, _) = login_with(&proxy, &database, &[("client_encoding", "LATIN1")]).await;
    let (mut utf8, _) = login_with(&proxy, &database, &[("client_encoding", "UTF8")]).await;
    for _ in 0..2 {
        assert_eq!(raw_value(&mut latin, "select chr(233)").await, b"\xe9");
        assert_eq!(raw_value(&mut utf8, "select chr(233)").await, "é".as_bytes());
    }
}

/// The bytes of the only column of the only row.
async fn raw_value(client: &mut RawClient, sql: &str) -> Vec<u8> {
    let replies = client.query(sql).await;
    let row = replies.iter().find(|reply| reply.tag == b'D').expect("a row");
    row.body[6..].to_vec()
}

#[tokio::test]
async fn startup_options_reach_the_server_for_this_client_alone() {
    let (_, database, proxy) = proxied_by(2).await;
    let (mut one, _) = login_with(&proxy, &database, &[("options", "-c work_mem=99MB")]).await;
    let (mut two, _) = login_with(&proxy, &database, &[]).await;
    let (mut three, _) = login_with(&proxy, &database, &[("work_mem", "55MB")]).await;
    for _ in 0..4 {
        assert_eq!(one.query_value("show work_mem").await, "99MB");
        assert_eq!(two.query_value("show work_mem").await, "4MB");
        assert_eq!(three.query_value("show work_mem").await, "55MB");
    }
}

/// Makes state in one client, looks for it from another over the same two server connections while
/// the first lives and after it left.
async fn assert_never_leaks(make: &str, look: &str) {
    let (_, database, proxy) = proxied_by(2).await;
    let mut owner = proxy.raw(&database).await;
    run(&mut owner, &[make]).await;
    let mut other = proxy.raw(&database).await;
    for _ in 0..6 {
        assert_eq!(other.query_value(look).await, "f", "{make}: seen by another client");
    }
    assert_eq!(owner.query_value(look).await, "t", "{make}: lost by its owner");
    owner.send(&message::terminate()).await;
    assert!(owner.read_to_end().await.is_empty());
    // Both server connections are looked at: one transaction holds each of them.
    let mut third = proxy.raw(&database).await;
    run(&mut other, &["begin"]).await;
    run(&mut third, &["begin"]).await;
    assert_eq!(other.query_value(look).await, "f", "{make}: left behind");
    assert_eq!(third.query_value(look).await, "f", "{make}: left behind");
}

#[tokio::test]
async fn a_setting_the_server_does_not_report_never_leaks() {
    assert_never_leaks("set work_mem = '77MB'", "select current_setting('work_mem') = '77MB'")
        .await;
}

#[tokio::test]
async fn a_setting_made_by_set_config_never_leaks() {
    let make = "select set_config('work_mem', '77MB', false)";
    assert_never_leaks(make, "select current_setting('work_mem') = '77MB'").await;
}

#[tokio::test]
async fn a_role_never_leaks() {
    assert_never_leaks("set role pg_monitor", "select current_user = 'pg_monitor'").await;
}

#[tokio::test]
async fn a_temporary_table_never_leaks() {
    let look = "select exists (select from pg_class where relname = 'mine' \
                and relnamespace = pg_my_temp_schema())";
    assert_never_leaks("create temp table mine (id int)", look).await;
    assert_never_leaks("select 1 as id into temporary mine", look).await;
}

#[tokio::test]
async fn a_statement_prepared_in_sql_never_leaks() {
    let look = "select exists (select from pg_prepared_statements where name = 'mine')";
    assert_never_leaks("prepare mine as select 1", look).await;
}

#[tokio::test]
async fn a_holdable_cursor_never_leaks() {
    let look = "select exists (select from pg_cursors where name = 'mine')";
    assert_never_leaks("declare mine cursor with hold for select 1", look).await;
}

#[tokio::test]
async fn a_session_lock_never_leaks() {
    let look = "select exists (select from pg_locks where locktype = 'advisory' \
                and objid = 4711 and pid = pg_backend_pid())";
    assert_never_leaks("select pg_advisory_lock(4711)", look).await;
    assert_never_leaks("select pg_try_advisory_lock(4711)", look).await;
}

#[tokio::test]
async fn a_listener_never_leaks() {
    let look = "select exists (select from pg_listening_channels())";
    assert_never_leaks("listen news", look).await;
}

#[tokio::test]
async fn a_listener_is_told() {
    let (_, database, proxy) = proxied_by(2).await;
    let mut listener = proxy.raw(&database).await;
    run(&mut listener, &["listen news"]).await;
    let mut speaker = proxy.raw(&database).await;
    run(&mut speaker, &["notify news, 'hello'"]).await;
    let notification = listener.read().await;
    assert_eq!(notification.tag, b'A', "{notification:?}");
    assert!(String::from_utf8_lossy(&notification.body).contains("hello"));
}

#[tokio::test]
async fn local_settings_and_locks_end_with_the_transaction_and_pin_nothing() {
    let (_, database, proxy) = proxied_by(1).await;
    let one = proxy.connect(&database).await;
    let sql = "begin; set local work_mem = '77MB'; select pg_advisory_xact_lock(1); commit";
    one.batch_execute(sql).await.unwrap();
    let two = proxy.connect(&database).await;
    assert_eq!(value(&two, "show work_mem").await, "4MB");
    assert_eq!(backend_pid(&one).await, backend_pid(&two).await);
}

#[tokio::test]
async fn reset_all_goes_back_to_the_startup_values_of_the_client() {
    let (_, database, proxy) = proxied_by(2).await;
    let ours = [("application_name", "mine"), ("TimeZone", "Asia/Tokyo")];
    let (mut client, _) = login_with(&proxy, &database, &ours).await;
    let (mut other, _) = login_with(&proxy, &database, &[]).await;
    for reset in ["reset all", "discard all"] {
        run(&mut client, &["set timezone to 'UTC'", "set application_name to 'x'", reset]).await;
        for _ in 0..2 {
            assert_eq!(other.query_value("show application_name").await, "", "{reset}");
            assert_eq!(client.query_value("show application_name").await, "mine", "{reset}");
            assert_eq!(client.query_value("show timezone").await, "Asia/Tokyo", "{reset}");
        }
    }
    run(&mut client, &["set timezone to 'UTC'", "reset timezone"]).await;
    assert_eq!(client.query_value("show timezone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn reset_all_pins_nothing() {
    let (_, database, proxy) = proxied_by(1).await;
    let (mut one, _) = login_with(&proxy, &database, &[]).await;
    let (mut two, _) = login_with(&proxy, &database, &[]).await;
    for reset in ["reset all", "reset timezone", "discard all"] {
        run(&mut one, &[reset]).await;
        let replies = two.query("select 1").await;
        assert!(replies.iter().any(|reply| reply.tag == b'D'), "after {reset}: {replies:?}");
    }
}

#[tokio::test]
async fn discard_all_gives_a_held_connection_back() {
    let (_, database, proxy) = proxied_by(1).await;
    let one = proxy.connect(&database).await;
    one.batch_execute("create temp table mine (id int)").await.unwrap();
    one.batch_execute("discard all").await.unwrap();
    let two = proxy.connect(&database).await;
    let look = "select count(*) from pg_class where relname = 'mine'";
    assert_eq!(value(&two, look).await, "0");
    assert_eq!(value(&one, "select 1").await, "1");
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_transaction_leaves_a_reusable_connection() {
    let (_, database, proxy) = proxied_by(1).await;
    let witness = proxy.connect(&database).await;
    witness.batch_execute("create table rows (id int)").await.unwrap();
    let pid = backend_pid(&witness).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["begin", "insert into rows values (1)"]).await;
    drop(client);
    assert_eq!(value(&witness, "select count(*) from rows").await, "0");
    assert_eq!(backend_pid(&witness).await, pid, "the connection was rolled back, not replaced");
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_failed_transaction_leaves_a_reusable_connection() {
    let (_, database, proxy) = proxied_by(1).await;
    let witness = proxy.connect(&database).await;
    let pid = backend_pid(&witness).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["begin"]).await;
    let replies = client.query("select 1/0").await;
    assert_eq!((first_error(&replies), status(&replies)), ("22012", "E"));
    drop(client);
    assert_eq!(backend_pid(&witness).await, pid);
}

#[tokio::test]
async fn a_client_that_vanishes_in_a_copy_leaves_a_serving_proxy_and_no_rows() {
    let (_, database, proxy) = proxied_by(1).await;
    let witness = proxy.connect(&database).await;
    witness.batch_execute("create table rows (id int)").await.unwrap();
    let mut client = proxy.raw(&database).await;
    client.send(&message::query("copy rows from stdin")).await;
    client.read_until(b'G').await;
    client.send(&message::copy_data(b"1\n2\n")).await;
    // Half of a CopyData: the header promises more than is sent.
    client.send(&message::with_length(b'd', 1000, b"3\n")).await;
    drop(client);
    assert_eq!(value(&witness, "select count(*) from rows").await, "0");
}

#[tokio::test]
async fn a_client_that_vanishes_during_a_long_answer_does_not_block_the_next() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut client = proxy.raw(&database).await;
    let sql = "select repeat('x', 1000) from generate_series(1, 200000)";
    client.send(&message::query(sql)).await;
    client.read_until(b'T').await;
    drop(client);
    let next = proxy.connect(&database).await;
    assert_eq!(value(&next, "select 'next'").await, "next");
}

#[tokio::test]
async fn a_client_that_vanishes_after_half_a_parse_leaves_no_half_statement() {
    let (_, database, proxy) = proxied_by(1).await;
    for _ in 0..3 {
        let mut client = proxy.raw(&database).await;
        client.send(&message::query("begin")).await;
        client.read_until_ready().await;
        let parse = message::parse("s", "select 'half'");
        client.send(&parse[..parse.len() / 2]).await;
        drop(client);
        let next = proxy.connect(&database).await;
        let row = next.query_one("select 'whole'::text", &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "whole");
    }
}
