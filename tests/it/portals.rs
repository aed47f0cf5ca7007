//! Portals, COPY and function calls in the extended protocol: byte for byte what PostgreSQL answers.

use harness::message;

use crate::conversation::{Turn, assert_same, simple, turn};

const SERIES: &str = "select generate_series(1, 5)";

fn bound(portal: &str, sql: &str) -> Vec<u8> {
    [message::parse("", sql), message::bind_portal(portal, "", &[])].concat()
}

fn run(sql: &str) -> Vec<u8> {
    [bound("", sql), message::execute("", 0)].concat()
}

#[tokio::test]
async fn two_named_portals_of_a_transaction_are_fetched_in_turns_across_syncs() {
    assert_same(&[
        turn(&[run("begin"), bound("a", SERIES), bound("b", SERIES), message::sync()]),
        turn(&[message::execute("a", 2), message::execute("b", 1), message::sync()]),
        turn(&[message::describe(b'P', "b"), message::execute("a", 1), message::sync()]),
        // A name that is taken: 42P03, and the transaction has failed.
        turn(&[bound("b", "select 1"), message::sync()]),
        turn(&[message::execute("b", 2), message::sync()]),
        simple("rollback"),
        turn(&[message::execute("b", 2), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn a_portal_that_is_closed_or_whose_transaction_ends_is_gone() {
    assert_same(&[
        simple("begin"),
        turn(&[bound("p", SERIES), message::execute("p", 2), message::sync()]),
        turn(&[message::close(b'P', "p"), message::close(b'P', "p"), message::sync()]),
        turn(&[message::execute("p", 2), message::sync()]),
        simple("rollback"),
        turn(&[run("begin"), bound("q", SERIES), message::execute("q", 2), message::sync()]),
        simple("commit"),
        turn(&[message::execute("q", 2), message::sync()]),
        turn(&[message::describe(b'P', "q"), message::sync()]),
        // Outside of a transaction block a portal lives to the Sync.
        turn(&[bound("r", SERIES), message::execute("r", 2), message::sync()]),
        turn(&[message::execute("r", 2), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn a_portal_suspended_before_commit_in_the_same_pipeline() {
    assert_same(&[
        turn(&[
            run("begin"),
            bound("p", SERIES),
            message::execute("p", 2),
            run("commit"),
            message::execute("p", 2),
            message::sync(),
        ]),
        turn(&[
            bound("", SERIES),
            message::execute("", 3),
            message::execute("", 3),
            message::sync(),
        ]),
        turn(&[
            bound("", SERIES),
            message::execute("", 5),
            message::execute("", 1),
            message::sync(),
        ]),
    ])
    .await;
}

#[tokio::test]
async fn cursors_of_sql_are_fetched_by_protocol() {
    assert_same(&[
        simple("begin"),
        turn(&[
            run("declare c cursor with hold for select generate_series(1, 5)"),
            message::sync(),
        ]),
        // A cursor is a portal.
        turn(&[message::describe(b'P', "c"), message::execute("c", 1), message::sync()]),
        turn(&[run("fetch 2 from c"), message::sync()]),
        simple("commit"),
        turn(&[run("fetch 1 from c"), message::sync()]),
        turn(&[
            message::parse("f", "fetch 1 from c"),
            message::describe(b'S', "f"),
            message::sync(),
        ]),
        turn(&[message::bind("f", &[]), message::execute("", 0), message::sync()]),
        turn(&[message::close(b'P', "c"), message::sync()]),
        turn(&[run("fetch 1 from c"), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn results_are_described_by_statement_and_by_portal() {
    assert_same(&[
        turn(&[
            message::parse("s", "select $1::int, 'x' where $2"),
            message::describe(b'S', "s"),
            message::sync(),
        ]),
        turn(&[
            message::bind_portal("p", "s", &["1", "t"]),
            message::describe(b'P', "p"),
            message::execute("p", 0),
            message::sync(),
        ]),
        turn(&[
            message::parse("n", "set timezone = 'UTC'"),
            message::describe(b'S', "n"),
            message::sync(),
        ]),
        turn(&[
            message::bind("n", &[]),
            message::describe(b'P', ""),
            message::execute("", 0),
            message::sync(),
        ]),
        turn(&[message::describe(b'P', "missing"), message::sync()]),
        turn(&[
            message::parse("e", ""),
            message::describe(b'S', "e"),
            message::bind("e", &[]),
            message::execute("", 0),
            message::sync(),
        ]),
    ])
    .await;
}

#[tokio::test]
async fn copy_in_the_middle_of_a_pipeline() {
    let data = [message::copy_data(b"1\n2\n"), message::copy_done()].concat();
    assert_same(&[
        simple("create table t (id int)"),
        // Everything blindly at once: data, its end, and more statements behind it.
        turn(&[
            run("insert into t values (0)"),
            run("copy t from stdin"),
            data.clone(),
            run("select count(*) from t"),
            message::sync(),
        ]),
        turn(&[run("copy t to stdout"), run("select 'behind'"), message::sync()]),
        // The client ends the COPY with an error: what follows is skipped, the insert is undone.
        turn(&[
            run("insert into t values (9)"),
            run("copy t from stdin"),
            message::copy_data(b"3\n"),
            message::copy_fail("no more"),
            run("select 'skipped'"),
            message::sync(),
        ]),
        turn(&[run("select count(*) from t"), message::sync()]),
        // Bad data, with messages behind the end of the data.
        turn(&[
            run("copy t from stdin"),
            message::copy_data(b"x\n"),
            message::copy_done(),
            run("select 'skipped'"),
            message::sync(),
        ]),
        turn(&[run("select count(*) from t"), message::sync()]),
        turn(&[
            run("copy t from stdin"),
            data,
            run("copy t from stdin"),
            message::copy_data(b"5\n"),
            message::copy_done(),
            message::sync(),
            run("select count(*) from t"),
            message::sync(),
        ]),
        (Vec::new(), b'Z'),
    ])
    .await;
}

#[tokio::test]
async fn a_sync_sent_before_the_server_asked_for_data_or_while_it_reads_is_ignored() {
    assert_same(&[
        simple("create table t (id int)"),
        ([run("copy t from stdin"), message::sync()].concat(), b'G'),
        turn(&[
            message::copy_data(b"1\n"),
            message::sync(),
            message::flush(),
            message::copy_data(b"2\n"),
            message::copy_done(),
            message::sync(),
        ]),
        ([run("copy t from stdin"), message::flush()].concat(), b'G'),
        turn(&[message::copy_fail("changed its mind"), message::sync()]),
        simple("select count(*) from t"),
    ])
    .await;
}

/// FunctionCall of a function with one text argument, text result.
fn call(oid: u32, argument: &[u8]) -> Vec<u8> {
    let mut body = oid.to_be_bytes().to_vec();
    body.extend_from_slice(&[0, 1, 0, 0, 0, 1]);
    body.extend_from_slice(&u32::try_from(argument.len()).unwrap().to_be_bytes());
    body.extend_from_slice(argument);
    body.extend_from_slice(&[0, 0]);
    message::raw(b'F', &body)
}

#[tokio::test]
async fn function_calls_in_transactions_and_pipelines() {
    const INT4ABS: u32 = 1397;
    let turns: Vec<Turn> = vec![
        turn(&[call(INT4ABS, b"-7")]),
        turn(&[call(INT4ABS, b"x")]),
        simple("begin"),
        turn(&[call(INT4ABS, b"-8")]),
        turn(&[call(INT4ABS, b"x")]),
        // In a failed transaction: 25P02.
        turn(&[call(INT4ABS, b"-9")]),
        simple("rollback"),
        turn(&[call(0xffff_fff0, b"1")]),
        // Each is answered by a ReadyForQuery of its own.
        turn(&[call(INT4ABS, b"-1"), message::query("select 2"), call(INT4ABS, b"-3")]),
        (Vec::new(), b'Z'),
        (Vec::new(), b'Z'),
        // Behind messages that no Sync has ended: it ends their transaction.
        turn(&[run("select 4"), call(INT4ABS, b"-5")]),
        turn(&[message::sync()]),
        // Skipped, like everything up to the Sync.
        turn(&[run("select 1/0"), call(INT4ABS, b"-6"), message::sync()]),
        turn(&[call(INT4ABS, b"-10")]),
    ];
    assert_same(&turns).await;
}
