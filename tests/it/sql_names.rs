//! Statements prepared by protocol, seen from SQL and in errors: under the client's own names, as in PostgreSQL.

use harness::message;

use crate::conversation::{assert_same, assert_same_where_sessions_report, simple, turn};

fn parsed(name: &str, sql: &str) -> crate::conversation::Turn {
    turn(&[message::parse(name, sql), message::sync()])
}

fn run(sql: &str) -> Vec<u8> {
    [message::parse("", sql), message::bind("", &[]), message::execute("", 0)].concat()
}

#[tokio::test]
async fn errors_name_statements_as_the_client_does() {
    let bind = |name: &str, values: &[&str]| turn(&[message::bind(name, values), message::sync()]);
    let answers = assert_same(&[
        parsed("two", "select $1::int + $2::int"),
        bind("two", &["1"]),
        bind("two", &["1", "2", "3"]),
        bind("two", &["1", "x"]),
        parsed("two", "select 1"),
        simple("prepare two as select 1"),
        // The name goes away before the error has come.
        turn(&[message::bind("two", &["1"]), message::close(b'S', "two"), message::sync()]),
        turn(&[message::close(b'S', "two"), message::sync()]),
        bind("two", &["1"]),
        turn(&[message::describe(b'S', "two"), message::sync()]),
        simple("execute two"),
        simple("deallocate two"),
        parsed("CamelCase", "select $1::int"),
        bind("CamelCase", &[]),
        simple("begin"),
        bind("CamelCase", &[]),
        simple("rollback"),
    ])
    .await;
    for answer in answers {
        assert!(!String::from_utf8_lossy(&answer.body).contains("taskmaster_"), "{answer:?}");
    }
}

#[tokio::test]
async fn sql_executes_what_was_prepared_by_protocol() {
    assert_same(&[
        parsed("add", "select $1::int + $2::int as sum"),
        parsed("Quoted", "select 'quoted'"),
        parsed("word", "values ('one'), ('two')"),
        simple("execute add(1, 2)"),
        simple("  /* first */ EXECUTE Add (3, 4);"),
        simple("execute \"Quoted\""),
        simple("execute quoted"),
        simple("explain (costs off) execute word"),
        simple("explain (analyze, costs off, timing off, summary off) execute word;"),
        simple("create temp table made as execute word"),
        simple("select column1 || '' as word from made"),
        simple("discard temp"),
        simple("execute add(1)"),
        simple("execute add(1, 'x')"),
        simple("execute add(1, nonsense)"),
        simple("select 1; execute add(5, 6); select 2"),
        simple("begin"),
        simple("execute add(7, 8)"),
        simple("execute missing"),
        simple("execute add(7, 8)"),
        simple("rollback"),
        simple("execute add(9, 10)"),
        turn(&[run("execute add(11, 12)"), message::sync()]),
        turn(&[run("execute missing"), message::sync()]),
        parsed("outer", "execute add(13, 14)"),
        turn(&[
            message::describe(b'S', "outer"),
            message::bind("outer", &[]),
            message::execute("", 0),
            message::sync(),
        ]),
    ])
    .await;
}

#[tokio::test]
async fn sql_sees_a_name_go_and_come_back_with_another_text() {
    assert_same(&[
        parsed("s", "select 'first'"),
        simple("execute s"),
        turn(&[message::close(b'S', "s"), message::sync()]),
        simple("execute s"),
        parsed("s", "select 'second'"),
        simple("execute s"),
        // Held all along, as when something pins the client.
        simple("begin"),
        simple("execute s"),
        turn(&[message::close(b'S', "s"), parsed("s", "select 'third'").0]),
        simple("execute s"),
        simple("deallocate s"),
        simple("commit"),
        simple("execute s"),
        parsed("s", "select 'fourth'"),
        simple("begin; execute s; deallocate all"),
        simple("execute s"),
        simple("rollback"),
        simple("execute s"),
    ])
    .await;
}

#[tokio::test]
async fn names_of_protocol_and_sql_are_one_set() {
    assert_same(&[
        parsed("p", "select 'by protocol'"),
        simple("prepare p as select 'by sql'"),
        simple("execute p"),
        simple("prepare q as select 'by sql'"),
        parsed("q", "select 'by protocol'"),
        simple("execute q"),
        turn(&[message::bind("q", &[]), message::execute("", 0), message::sync()]),
        turn(&[message::close(b'S', "q"), message::sync()]),
        simple("execute q"),
        parsed("q", "select 'by protocol'"),
        simple("execute q"),
        simple("deallocate q"),
        simple("execute q"),
    ])
    .await;
}

#[tokio::test]
async fn the_catalog_of_prepared_statements_is_the_clients_own() {
    let look = "select name, statement, parameter_types, from_sql from pg_prepared_statements order by name";
    assert_same(&[
        simple(look),
        parsed("a", "select $1::int"),
        parsed("b", "select 'b'"),
        simple(look),
        turn(&[message::bind("a", &["1"]), message::execute("", 0), message::sync()]),
        simple(look),
        turn(&[message::close(b'S', "a"), message::sync()]),
        simple(look),
        simple("prepare c as select 'c'"),
        simple(look),
        turn(&[message::bind("b", &[]), message::execute("", 0), message::sync()]),
        simple("deallocate all"),
        simple(look),
    ])
    .await;
}

#[tokio::test]
async fn the_catalog_of_prepared_statements_can_be_read_where_they_mean_nothing() {
    let catalog = "select count(*) from pg_prepared_statements where from_sql";
    let turns = [
        simple("create table hidden (i int)"),
        parsed("one", "select i from hidden"),
        parsed("all", catalog),
        simple("set role pg_monitor"),
        // The names of this step are in the middle of a sequence, so an error in them would be the client's.
        turn(&[
            message::describe(b'S', "all"),
            message::bind("all", &[]),
            message::execute("", 0),
            message::sync(),
        ]),
        simple(catalog),
        simple("reset role"),
        simple("set search_path = pg_catalog"),
        turn(&[
            message::parse("", catalog),
            message::bind("", &[]),
            message::execute("", 0),
            message::sync(),
        ]),
        simple("reset search_path"),
        turn(&[message::bind("one", &[]), message::execute("", 0), message::sync()]),
    ];
    assert_same(&turns).await;
    assert_same_where_sessions_report(&turns).await;
}
