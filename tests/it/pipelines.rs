//! Long pipelines of the extended protocol, with errors in places: byte for byte what PostgreSQL answers.

use harness::message;

use crate::conversation::{Turn, assert_same, assert_same_where_sessions_report, simple, turn};

fn run(sql: &str) -> Vec<u8> {
    [message::parse("", sql), message::bind("", &[]), message::execute("", 0)].concat()
}

/// These bytes, answered by so many ReadyForQuery.
fn answered_by(syncs: usize, bytes: Vec<u8>) -> Vec<Turn> {
    let mut turns = vec![(bytes, b'Z')];
    turns.resize(syncs, (Vec::new(), b'Z'));
    turns
}

#[tokio::test]
async fn a_hundred_syncs_in_flight_with_errors_in_some() {
    let step = |number: usize| {
        let body = match number % 10 {
            3 => run("select 1/0"),
            5 => message::bind("missing", &[]),
            6 => [
                message::parse("s", "select 'again'"),
                message::bind("s", &[]),
                message::execute("", 0),
            ]
            .concat(),
            7 => [message::bind("s", &[]), message::execute("", 0), message::close(b'S', "s")]
                .concat(),
            8 => message::execute("gone", 0),
            9 => [
                message::parse(&format!("n{number}"), "select $1::int"),
                message::bind(&format!("n{number}"), &["x"]),
            ]
            .concat(),
            _ => run(&format!("select {number}")),
        };
        [body, message::sync()].concat()
    };
    let pipeline: Vec<u8> = (0..100).flat_map(step).collect();
    let answers = assert_same(&answered_by(100, pipeline)).await;
    assert_eq!(answers.iter().filter(|answer| answer.tag == b'E').count(), 40);
}

#[tokio::test]
async fn an_error_undoes_what_its_pipeline_did_before_and_no_more() {
    let mut turns = vec![simple("create table t (id int)")];
    let pipeline = [
        run("insert into t values (1)"),
        message::sync(),
        run("insert into t values (2)"),
        run("select 1/0"),
        run("insert into t values (3)"),
        message::sync(),
        run("insert into t values (4)"),
        message::sync(),
    ];
    turns.extend(answered_by(3, pipeline.concat()));
    // A simple query behind messages without a Sync is in the same implicit transaction.
    turns.push(turn(&[run("insert into t values (5)"), message::query("select 1/0")]));
    turns.push(turn(&[run("insert into t values (6)"), message::query("select 'ends it'")]));
    turns.push(simple("select array_agg(id) from t"));
    assert_same(&turns).await;
}

#[tokio::test]
async fn simple_queries_are_skipped_behind_an_error_up_to_the_sync() {
    assert_same(&[
        turn(&[run("select 1/0"), message::query("select 'skipped'"), message::sync()]),
        simple("select 'served'"),
        ([message::bind("missing", &[]), message::flush()].concat(), b'E'),
        turn(&[
            message::query("select 'skipped'"),
            message::parse("s", "select 1"),
            message::sync(),
        ]),
        turn(&[message::bind("s", &[]), message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn answers_that_a_flush_brings_before_the_sync() {
    assert_same(&[
        ([message::parse("a", "select 1"), message::flush()].concat(), b'1'),
        ([message::parse("b", "select 1"), message::flush()].concat(), b'1'),
        ([message::close(b'S', "a"), message::flush()].concat(), b'3'),
        ([message::bind("b", &[]), message::flush()].concat(), b'2'),
        ([message::execute("", 0), message::flush()].concat(), b'C'),
        ([message::bind("a", &[]), message::flush()].concat(), b'E'),
        turn(&[message::sync()]),
        turn(&[message::sync(), message::query("select 1")]),
        (Vec::new(), b'Z'),
    ])
    .await;
}

#[tokio::test]
async fn a_name_parsed_closed_and_parsed_again_in_one_pipeline() {
    let parse = |sql: &str| message::parse("s", sql);
    let look = [message::bind("s", &[]), message::execute("", 0)].concat();
    assert_same(&[
        turn(&[
            parse("select 1"),
            look.clone(),
            message::close(b'S', "s"),
            parse("select 2"),
            look.clone(),
            message::sync(),
        ]),
        turn(&[
            message::close(b'S', "s"),
            parse("select 1"),
            parse("select 3"),
            look.clone(),
            message::sync(),
        ]),
        turn(&[look.clone(), message::sync()]),
        // The Close is skipped: the statement lives.
        turn(&[run("select 1/0"), message::close(b'S', "s"), message::sync()]),
        turn(&[look, message::sync()]),
    ])
    .await;
}

#[tokio::test]
async fn a_statement_whose_preparation_an_error_made_void_is_there_for_the_next_sequence() {
    let look = [message::bind("s", &[]), message::execute("", 0)].concat();
    let again = || message::parse("s", "set work_mem = '5MB'");
    let mut turns = vec![
        turn(&[message::parse("s", "select 1"), look.clone(), message::sync()]),
        // The server connection has the statements under the client's own names now, and no others.
        simple("select name from pg_prepared_statements order by 1"),
    ];
    let pipeline = [
        [message::bind("missing", &[]), look.clone(), message::sync()].concat(),
        [look.clone(), message::sync()].concat(),
        [again(), look.clone(), message::sync()].concat(),
        [run("select 2"), message::sync()].concat(),
        [again(), message::sync()].concat(),
        [look, message::sync()].concat(),
    ];
    turns.extend(answered_by(6, pipeline.concat()));
    let answers = assert_same(&turns).await;
    assert_eq!(answers.iter().filter(|answer| answer.tag == b'E').count(), 3);
    assert_same_where_sessions_report(&turns).await;
}

#[tokio::test]
async fn a_name_whose_preparation_is_refused_is_free_for_the_next_sequence() {
    let look = [message::bind("s", &[]), message::execute("", 0), message::sync()].concat();
    let parse = |sql: &str| [message::parse("s", sql), message::sync()].concat();
    let close =
        [message::bind("missing", &[]), message::close(b'S', "s"), message::sync()].concat();
    let mut turns = vec![simple("begin"), simple("select 1/0")];
    let pipeline = [parse("select 1"), look.clone(), parse("rollback"), look.clone(), close];
    turns.extend(answered_by(5, pipeline.concat()));
    let close = [message::close(b'S', "s"), message::sync()].concat();
    let pipeline = [close, parse("select nothing"), look.clone(), parse("select 2"), look];
    turns.extend(answered_by(5, pipeline.concat()));
    assert_same(&turns).await;
    assert_same_where_sessions_report(&turns).await;
}

#[tokio::test]
async fn what_follows_a_deallocate_inside_a_sequence_does_not_find_the_name() {
    let look = [message::bind("s", &[]), message::execute("", 0), message::sync()].concat();
    let parse = |sql: &str| [message::parse("s", sql), message::sync()].concat();
    let deallocate = || [run("select 1"), message::query("deallocate s")].concat();
    let mut turns = answered_by(3, [parse("select 1"), deallocate(), look.clone()].concat());
    turns.extend(answered_by(3, [parse("select 2"), deallocate(), parse("select 3")].concat()));
    turns.push((look, b'Z'));
    assert_same(&turns).await;
    assert_same_where_sessions_report(&turns).await;
}

#[tokio::test]
async fn a_deallocate_in_a_failed_transaction_leaves_the_name() {
    let look = [message::bind("s", &[]), message::execute("", 0), message::sync()].concat();
    let mut turns = vec![turn(&[message::parse("s", "select 1"), message::sync()])];
    turns.extend([simple("begin"), simple("select 1/0")]);
    let pipeline = [message::query("deallocate s"), look.clone(), message::query("rollback")];
    turns.extend(answered_by(4, [pipeline.concat(), look].concat()));
    assert_same(&turns).await;
    assert_same_where_sessions_report(&turns).await;
}

#[tokio::test]
async fn each_error_of_a_pipeline_names_its_own_statement() {
    let parsed = |name: &str| turn(&[message::parse(name, "select 1"), message::sync()]);
    let again = |name: &str, sql: &str| [message::parse(name, sql), message::sync()].concat();
    let mut turns = vec![parsed("one"), parsed("two"), simple("begin")];
    turns.push(simple("select 1/0"));
    // What is refused because the transaction has failed says nothing of the name.
    let pipeline = [again("two", "begin"), again("one", ""), again("two", "commit")];
    turns.extend(answered_by(3, pipeline.concat()));
    turns.push(simple("rollback"));
    let answers = assert_same(&turns).await;
    let says = |name: &str| {
        let text = format!("\"{name}\" already exists").into_bytes();
        answers
            .iter()
            .filter(|answer| answer.body.windows(text.len()).any(|part| part == text))
            .count()
    };
    assert_eq!((says("one"), says("two")), (1, 1), "{answers:?}");
}

#[tokio::test]
async fn what_follows_a_statement_that_drops_all_names_does_not_find_them() {
    let look = [message::bind("s", &[]), message::execute("", 0), message::sync()].concat();
    let parse = |sql: &str| [message::parse("s", sql), message::sync()].concat();
    let prepared = |sql: &str| [run(sql), message::sync()].concat();
    for drops in ["deallocate all", "discard all", "deallocate prepare all; select 1"] {
        let mut turns = vec![];
        let mut pipeline = vec![parse("select 1"), look.clone(), message::query(drops)];
        pipeline.extend([look.clone(), parse("select 2"), look.clone(), message::query(drops)]);
        pipeline.extend([parse("select 3"), look.clone()]);
        turns.extend(answered_by(9, pipeline.concat()));
        turns.push((look.clone(), b'Z'));
        if !drops.contains(';') {
            let pipeline = [prepared(drops), look.clone(), parse("select 4"), look.clone()];
            turns.extend(answered_by(4, pipeline.concat()));
        }
        turns.push((look.clone(), b'Z'));
        assert_same(&turns).await;
        assert_same_where_sessions_report(&turns).await;
    }
}
