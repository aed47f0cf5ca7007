//! A session's start where sessions report: a server connection takes over what each client began with, so that everything
//! that goes back there does so as in PostgreSQL, and only the proxy can say what that is.

use harness::message::Message;
use harness::raw::{RawClient, parameter};
use harness::{Cluster, Database, Proxy, message};

use crate::support::{first_error, run, value};

async fn paired() -> (Database<'static>, Proxy) {
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("pool.max", 1);
    })
    .await;
    (database, proxy)
}

/// What a session of PostgreSQL may begin with: by parameters of their own, by options, with a role.
const STARTS: [&[(&str, &str)]; 4] = [
    &[],
    &[
        ("application_name", "mine"),
        ("TimeZone", "Asia/Tokyo"),
        ("default_transaction_read_only", "on"),
    ],
    &[("options", "-c work_mem=3MB -c search_path=pg_catalog -c my.word=begun")],
    &[("options", "-c role=pg_monitor -c statement_timeout=77s -c extra_float_digits=0")],
];

const SHOW: &str = "select string_agg(name || '=' || setting || '/' || reset_val, ' ' order by name), \
     current_user, nullif(current_setting('my.word', true), '') from pg_settings where name in ('application_name', 'TimeZone', \
     'default_transaction_read_only', 'work_mem', 'search_path', 'role', 'statement_timeout', 'extra_float_digits')";

/// Each is one turn, and goes back to the start in another way.
const TURNS: [&str; 15] = [
    SHOW,
    "set work_mem = '9MB'; set timezone = 'UTC'; set my.word = 'set'; set search_path = public",
    "reset work_mem; show work_mem; reset search_path; show search_path; reset timezone",
    "begin; set application_name = 'other'; reset all; show application_name; rollback",
    "set timezone = 'UTC'; set statement_timeout = '1h'; set my.word = 'set'",
    "do $$ begin reset timezone; execute 'reset statement_timeout'; end $$; show statement_timeout",
    "set session characteristics as transaction read write",
    "set default_transaction_read_only to default; show transaction_read_only",
    "set local work_mem = '8MB'; set work_mem = default; show work_mem",
    "begin; set work_mem = '9MB'; savepoint a; reset work_mem; rollback to a; show work_mem; commit",
    "reset all",
    "set timezone = 'UTC'; set application_name = 'third'",
    "discard all",
    "create function pg_temp.f() returns text language sql set work_mem = '2MB' as $$ show work_mem $$; select pg_temp.f()",
    "discard all",
];

fn seen(messages: &[Message]) -> Vec<String> {
    let mut told: Vec<_> =
        messages.iter().filter(|message| message.tag == b'S').map(parameter).collect();
    told.sort();
    let others = messages.iter().filter(|message| message.tag != b'S');
    let others = others.map(|message| String::from_utf8_lossy(&message.body).into_owned());
    told.into_iter().map(|pair| format!("{pair:?}")).chain(others).collect()
}

#[tokio::test]
async fn what_goes_back_to_the_start_goes_back_to_the_clients() {
    let (database, proxy) = paired().await;
    let login = harness::proxy::login(&database);
    for start in STARTS {
        let mut direct = RawClient::connect(Cluster::shared().await.port).await;
        let mut proxied = RawClient::connect(proxy.port).await;
        let mut greetings = [
            direct.log_in(&login, start).await.expect("a login").parameters,
            proxied.log_in(&login, start).await.expect("a login").parameters,
        ];
        greetings.iter_mut().for_each(|parameters| parameters.sort());
        assert_eq!(greetings[0], greetings[1], "{start:?}");
        // Somebody else has the connection between any two turns.
        let mut other = RawClient::connect(proxy.port).await;
        other.log_in(&login, STARTS[1]).await.expect("a login");
        for turn in TURNS {
            assert_eq!(
                seen(&proxied.query(turn).await),
                seen(&direct.query(turn).await),
                "{start:?} {turn}"
            );
            if !turn.contains("pg_temp") {
                other.query("set work_mem = '7MB'; set my.word = 'of another'").await;
            }
            assert_eq!(
                seen(&proxied.query(SHOW).await),
                seen(&direct.query(SHOW).await),
                "{start:?} after {turn}"
            );
        }
    }
}

#[tokio::test]
async fn a_start_that_a_server_refuses_is_the_clients_error_and_nobody_elses() {
    let (database, proxy) = paired().await;
    let login = harness::proxy::login(&database);
    let mut good = RawClient::connect(proxy.port).await;
    good.log_in(&login, STARTS[2]).await.expect("a login");
    run(&mut good, &["set my.word = 'kept'"]).await;
    for options in
        ["-c work_mem=much", "-c application_name=x -c nonsense=1", "-c TimeZone=Nowhere/X"]
    {
        let mut direct = RawClient::connect(Cluster::shared().await.port).await;
        let mut proxied = RawClient::connect(proxy.port).await;
        let start = [("options", options)];
        let expected = direct.log_in(&login, &start).await.expect_err("PostgreSQL refuses it");
        let refused = proxied.log_in(&login, &start).await.expect_err("so does the proxy");
        assert_eq!(refused.sqlstate(), expected.sqlstate(), "{options}");
        assert_eq!(good.query_value("show work_mem").await, "3MB");
        assert_eq!(good.query_value("show my.word").await, "kept");
        assert_eq!(good.query_value("show application_name").await, "");
    }
}

#[tokio::test]
async fn no_client_can_say_what_the_next_one_begins_with() {
    let (database, proxy) = paired().await;
    let mut client = RawClient::connect(proxy.port).await;
    let login = harness::proxy::login(&database);
    client.log_in(&login, &[("options", "-c work_mem=3MB")]).await.expect("a login");
    let pid = client.query_value("select pg_backend_pid()").await;
    assert_eq!(client.query_value("show taskmaster.start_key").await, "");
    assert_eq!(client.query_value("select current_setting('taskmaster.start_key')").await, "");

    // Another start is given; its text can be read afterwards, and is worth nothing.
    let mut other = RawClient::connect(proxy.port).await;
    other.log_in(&login, &[("options", "-c work_mem=5MB")]).await.expect("a login");
    let witness = database.connect().await;
    let sql = format!("select query from pg_stat_activity where pid = {pid}");
    let text = value(&witness, &sql).await;
    assert!(text.starts_with("SET taskmaster.start") && text.contains("5MB"), "{text}");
    let forged = text.replace("5MB", "6MB");
    let mut forgeries = vec![text.clone(), forged, "set taskmaster.start = '9 x {}'".to_owned()];
    forgeries.push("do $$ begin execute 'set taskmaster.start = ''{}'''; end $$".to_owned());
    forgeries.push("set taskmaster.start_key = 'mine'".to_owned());
    for forgery in forgeries {
        let replies = client.query(&forgery).await;
        assert_eq!(first_error(&replies), "55P02", "{forgery}");
        assert_eq!(client.query_value("show work_mem").await, "3MB");
    }
    // Nor can a login bring what is between the proxy and its server.
    let mut late = RawClient::connect(proxy.port).await;
    let bring = [("taskmaster.start_key", "00"), ("Taskmaster.Report", "off")];
    late.log_in(&login, &bring).await.expect("a login");
    assert_eq!(late.query_value("show taskmaster.start_key").await, "");
    late.send(&message::terminate()).await;
}

#[tokio::test]
async fn a_login_waits_a_while_for_the_servers_spelling_and_goes_on_without() {
    let (database, proxy) = paired().await;
    let login = harness::proxy::login(&database);
    let mut holder = proxy.raw(&database).await;
    let told = async |style: &'static str| {
        let mut client = RawClient::connect(proxy.port).await;
        let greeting = client.log_in(&login, &[("DateStyle", style)]).await.expect("a login");
        let parameter = greeting.parameters.into_iter().find(|(name, _)| name == "DateStyle");
        parameter.expect("it is reported").1
    };
    run(&mut holder, &["begin"]).await;
    assert_eq!(told("German").await, "German", "all connections are busy for longer");
    // On a machine that is busy with other things the holder may be late, but not each time.
    for _ in 0..20 {
        let commit = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            run(&mut holder, &["commit"]).await;
        };
        let (style, ()) = tokio::join!(told("German"), commit);
        if style == "German, DMY" {
            return;
        }
        run(&mut holder, &["begin"]).await;
    }
    panic!("no login has waited");
}
