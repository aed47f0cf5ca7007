//! The same bytes sent to PostgreSQL and through the proxy get the same bytes back.
//!
//! Each conversation is a list of turns; a turn ends when the expected message has come. PostgreSQL
//! is the oracle: nothing here says what the right answer is.

use harness::message::{self, Message};
use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy, proxy};

/// What a client sends, and the tag of the message that ends the answer to it.
pub(crate) type Turn = (Vec<u8>, u8);

/// One turn of several messages, answered up to ReadyForQuery.
pub(crate) fn turn(messages: &[Vec<u8>]) -> Turn {
    (messages.concat(), b'Z')
}

pub(crate) fn simple(sql: &str) -> Turn {
    turn(&[message::query(sql)])
}

async fn converse(client: &mut RawClient, turns: &[Turn]) -> Vec<Message> {
    let mut answers = Vec::new();
    for (bytes, end) in turns {
        client.send(bytes).await;
        answers.extend(client.read_until(*end).await);
    }
    answers
}

/// Runs the conversation on two empty databases, directly and through the proxy with one server
/// connection, and compares every message byte for byte.
pub(crate) async fn assert_same(turns: &[Turn]) -> Vec<Message> {
    let cluster = Cluster::shared().await;
    compare(turns, [cluster.create_database().await, cluster.create_database().await]).await
}

/// The same on two databases with the extension, whose sessions report to the proxy.
pub(crate) async fn assert_same_where_sessions_report(turns: &[Turn]) -> Vec<Message> {
    let cluster = Cluster::shared().await;
    compare(turns, [cluster.database().await, cluster.database().await]).await
}

async fn compare(turns: &[Turn], databases: [Database<'_>; 2]) -> Vec<Message> {
    let cluster = Cluster::shared().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("pool.min", 1).set("pool.max", 1);
    })
    .await;
    let mut direct = RawClient::login(cluster.port, &proxy::login(&databases[0])).await;
    let expected = converse(&mut direct, turns).await;
    let mut client = proxy.raw(&databases[1]).await;
    let answers = converse(&mut client, turns).await;
    assert_eq!(answers, expected);
    assert_eq!(client.query_value("select 'in step'").await, "in step");
    answers
}

#[tokio::test]
async fn simple_queries_with_many_statements_and_errors() {
    assert_same(&[
        simple("select 1; select 2, 'x' where false; select null::int"),
        simple(""),
        simple("  ;; "),
        simple("select 1; select 1/0; select 3"),
        simple("begin; select 1"),
        simple("select nonsense"),
        simple("select 1"),
        simple("rollback"),
        simple("commit"),
        simple("create table t (id int primary key); insert into t values (1), (2)"),
        simple("insert into t values (1)"),
        simple("update t set id = id + 10; delete from t"),
        simple("do $$ begin raise notice 'from the server'; end $$"),
    ])
    .await;
}

#[tokio::test]
async fn a_pipeline_with_an_error_in_the_middle() {
    let step = |sql: &str| {
        [message::parse("", sql), message::bind("", &[]), message::execute("", 0)].concat()
    };
    let answers = assert_same(&[
        turn(&[step("select 1"), step("select 1/0"), step("select 3"), message::sync()]),
        turn(&[step("select 4"), message::sync(), step("select 5/0"), message::sync()]),
        // The second ReadyForQuery of the turn above, then a pipeline of several Syncs.
        (Vec::new(), b'Z'),
        turn(&[step("select 6"), message::sync()]),
    ])
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.tag == b'E').count(), 2);
}

#[tokio::test]
async fn simple_queries_in_a_pipeline() {
    let three = [
        message::query("select 1"),
        message::query("select 1/0"),
        message::query("select 3; select 4"),
    ];
    assert_same(&[turn(&three), (Vec::new(), b'Z'), (Vec::new(), b'Z')]).await;
}

#[tokio::test]
async fn a_transaction_in_one_pipeline() {
    let step = |sql: &str| {
        [message::parse("", sql), message::bind("", &[]), message::execute("", 0)].concat()
    };
    assert_same(&[
        simple("create table t (id int unique)"),
        turn(&[step("begin"), step("insert into t values (1)"), step("commit"), message::sync()]),
        turn(&[step("begin"), step("insert into t values (1)"), step("commit"), message::sync()]),
        simple("rollback"),
        simple("select count(*) from t"),
    ])
    .await;
}

#[tokio::test]
async fn named_statements_and_their_errors() {
    let run = |name: &str, parameters: &[&str]| {
        [message::bind(name, parameters), message::execute("", 0), message::sync()].concat()
    };
    assert_same(&[
        turn(&[message::parse("s", "select $1::int + 1"), message::sync()]),
        turn(&[run("s", &["41"])]),
        turn(&[message::describe(b'S', "s"), message::sync()]),
        // The name is taken: 42P05.
        turn(&[message::parse("s", "select 'other'"), message::sync()]),
        turn(&[run("s", &["1"])]),
        // No such statement: 26000, for Bind and for Describe.
        turn(&[run("missing", &[])]),
        turn(&[message::describe(b'S', "missing"), message::sync()]),
        // Closing what is not there is no error.
        turn(&[message::close(b'S', "missing"), message::sync()]),
        turn(&[message::close(b'S', "s"), message::sync()]),
        turn(&[run("s", &["1"])]),
        turn(&[message::parse("s", "select 'again'"), message::sync()]),
        turn(&[run("s", &[])]),
        // A syntax error leaves no statement of that name.
        turn(&[message::parse("bad", "selec 1"), message::sync()]),
        turn(&[run("bad", &[])]),
        turn(&[message::parse("bad", "select 'good'"), run("bad", &[])]),
    ])
    .await;
}

#[tokio::test]
async fn what_others_have_prepared_is_refused_in_a_failed_transaction_too() {
    let parse = |name: &str, sql: &str| [message::parse(name, sql), message::sync()].concat();
    let run = |name: &str| [message::bind(name, &[]), message::execute("", 0), message::sync()];
    assert_same(&[
        turn(&[parse("one", "select 1")]),
        turn(&[parse("end", "rollback")]),
        simple("begin"),
        simple("select 1/0"),
        turn(&[parse("two", "select 1")]),
        turn(&run("two")),
        turn(&run("one")),
        turn(&[parse("again", "rollback")]),
        turn(&run("again")),
        turn(&[parse("two", "select 1")]),
        turn(&run("two")),
    ])
    .await;
}

#[tokio::test]
async fn a_statement_parsed_in_a_pipeline_that_failed_before_it_does_not_exist() {
    let fail = [message::parse("", "select 1/0"), message::bind("", &[]), message::execute("", 0)];
    assert_same(&[
        turn(&[fail.concat(), message::parse("after", "select 1"), message::sync()]),
        turn(&[message::bind("after", &[]), message::execute("", 0), message::sync()]),
        turn(&[message::parse("after", "select 2"), message::sync()]),
        turn(&[message::bind("after", &[]), message::execute("", 0), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn unnamed_statements_live_until_the_next_parse_or_query() {
    let run = [message::bind("", &[]), message::execute("", 0), message::sync()].concat();
    assert_same(&[
        turn(&[message::parse("", "select 'kept'"), message::sync()]),
        turn(std::slice::from_ref(&run)),
        turn(std::slice::from_ref(&run)),
        turn(&[message::describe(b'S', ""), message::sync()]),
        simple("select 'this ends it'"),
        turn(&[run]),
    ])
    .await;
}

#[tokio::test]
async fn sql_level_deallocate_and_discard_reach_protocol_statements() {
    let parse = |name: &str| turn(&[message::parse(name, "select 'kept'"), message::sync()]);
    let run =
        |name: &str| turn(&[message::bind(name, &[]), message::execute("", 0), message::sync()]);
    assert_same(&[
        parse("one"),
        run("one"),
        simple("deallocate one"),
        run("one"),
        parse("two"),
        simple("deallocate all"),
        run("two"),
        parse("three"),
        simple("discard all"),
        run("three"),
        parse("three"),
        run("three"),
    ])
    .await;
}

#[tokio::test]
async fn a_statement_prepared_in_sql_and_run_by_the_protocol() {
    assert_same(&[
        simple("prepare q as select 'from sql'"),
        simple("execute q"),
        turn(&[message::bind("q", &[]), message::execute("", 0), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn portals_that_are_fetched_in_parts() {
    assert_same(&[
        simple("begin"),
        turn(&[
            message::parse("", "select generate_series(1, 5)"),
            message::bind_portal("p", "", &[]),
            message::describe(b'P', "p"),
            message::execute("p", 2),
            message::sync(),
        ]),
        turn(&[message::execute("p", 2), message::sync()]),
        turn(&[message::execute("p", 2), message::close(b'P', "p"), message::sync()]),
        turn(&[message::execute("p", 1), message::sync()]),
        simple("rollback"),
    ])
    .await;
}

#[tokio::test]
async fn flush_brings_answers_before_sync() {
    let described = [message::parse("f", "select $1::text"), message::describe(b'S', "f")].concat();
    assert_same(&[
        ([described, message::flush()].concat(), b'T'),
        ([message::bind("f", &["x"]), message::execute("", 0), message::flush()].concat(), b'C'),
        turn(&[message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn a_changed_table_behind_a_prepared_statement() {
    let run = || turn(&[message::bind("s", &[]), message::execute("", 0), message::sync()]);
    assert_same(&[
        simple("create table t (id int); insert into t values (1)"),
        turn(&[message::parse("s", "select * from t"), message::sync()]),
        run(),
        simple("alter table t add column more text default 'm'"),
        // PostgreSQL says 0A000, cached plan must not change result type.
        run(),
        turn(&[message::close(b'S', "s"), message::sync()]),
        turn(&[message::parse("s", "select * from t"), message::sync()]),
        run(),
    ])
    .await;
}

#[tokio::test]
async fn copy_in_both_protocols() {
    let rows = [message::copy_data(b"1\n"), message::copy_data(b"2\n3\n"), message::copy_done()];
    let step = |sql: &str| {
        [message::parse("", sql), message::bind("", &[]), message::execute("", 0), message::sync()]
            .concat()
    };
    assert_same(&[
        simple("create table t (id int)"),
        (message::query("copy t from stdin"), b'G'),
        turn(&rows),
        simple("copy t to stdout"),
        (step("copy t from stdin"), b'G'),
        turn(&[rows.concat(), message::sync()]),
        turn(&[step("copy (select count(*) from t) to stdout")]),
        (message::query("copy t from stdin; select 'after the copy'"), b'G'),
        turn(&rows),
    ])
    .await;
}

#[tokio::test]
async fn copy_that_fails_on_either_side() {
    assert_same(&[
        simple("create table t (id int)"),
        (message::query("copy t from stdin"), b'G'),
        turn(&[message::copy_data(b"1\n"), message::copy_fail("the client changed its mind")]),
        (message::query("copy t from stdin"), b'G'),
        // The server refuses the second line; what follows is swallowed, as in PostgreSQL.
        turn(&[message::copy_data(b"1\nx\n"), message::copy_data(b"3\n"), message::copy_done()]),
        simple("select count(*) from t"),
        simple("begin"),
        (message::query("copy t from stdin"), b'G'),
        turn(&[message::copy_fail("inside a transaction")]),
        simple("select 1"),
        simple("rollback"),
    ])
    .await;
}

#[tokio::test]
async fn copy_data_without_a_copy_is_ignored_as_postgresql_does() {
    assert_same(&[
        turn(&[message::copy_data(b"1\n"), message::copy_done(), message::query("select 1")]),
        turn(&[message::copy_fail("late"), message::query("select 2")]),
    ])
    .await;
}

#[tokio::test]
async fn function_calls() {
    // FunctionCall of int4abs(-7) (oid 1397) with a text argument and a text result.
    let mut body = 1397_u32.to_be_bytes().to_vec();
    body.extend_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0, 0, 2, b'-', b'7', 0, 0]);
    assert_same(&[turn(&[message::raw(b'F', &body)]), simple("select 1")]).await;
}

#[tokio::test]
async fn savepoints_and_chained_transactions() {
    assert_same(&[
        simple("create table t (id int); begin; savepoint a; insert into t values (1)"),
        simple("select 1/0"),
        simple("rollback to a"),
        simple("insert into t values (2)"),
        simple("commit and chain"),
        simple("select id + 0 from t"),
        simple("rollback"),
    ])
    .await;
}
