//! The unnamed statement behind errors and queries, in pipelines: byte for byte what PostgreSQL answers.

use harness::message;

use crate::conversation::{Turn, assert_same, assert_same_where_sessions_report, turn};

/// Runs the unnamed statement, if there is one.
fn look() -> Vec<u8> {
    [message::bind("", &[]), message::execute("", 0), message::sync()].concat()
}

/// An error, and what the server ignores behind it.
fn ignored(messages: &[Vec<u8>]) -> Vec<u8> {
    [message::bind("missing", &[]), messages.concat(), message::sync()].concat()
}

/// Two sequences at once, each answered by ReadyForQuery.
fn two(first: Vec<u8>, second: Vec<u8>) -> [Turn; 2] {
    [([first, second].concat(), b'Z'), (Vec::new(), b'Z')]
}

#[tokio::test]
async fn what_an_error_makes_void_leaves_the_older_one() {
    let parse = |sql: &str| message::parse("", sql);
    let mut turns = vec![turn(&[parse("select 'old'"), message::sync()])];
    for void in [parse("select 'new'"), message::close(b'S', ""), message::query("select 1")] {
        turns.extend([turn(&[ignored(std::slice::from_ref(&void))]), turn(&[look()])]);
        turns.extend(two(ignored(&[void]), look()));
    }
    let queries = [message::query("select 1"), message::query("select 2")].concat();
    turns.extend([turn(&[ignored(&[queries])]), turn(&[look()])]);
    // One that was parsed in front of the error stays, and one that is refused leaves none.
    turns
        .extend(two([parse("select 'kept'"), ignored(&[parse("select 'lost'")])].concat(), look()));
    turns.extend(two([parse("select nonsense"), message::sync()].concat(), look()));
    let answers = assert_same(&turns).await;
    let rows = answers.iter().filter(|answer| answer.tag == b'D').count();
    assert_eq!(rows, 8, "seven times the old one, and the one that was kept");
    assert_same_where_sessions_report(&turns).await;
}

#[tokio::test]
async fn a_query_drops_it_also_when_the_proxy_answers() {
    let parse = [message::parse("s", "select 1"), message::parse("", "select 2"), message::sync()];
    let deallocate = || message::query("deallocate s");
    let mut turns = vec![turn(&parse), turn(&[deallocate()]), turn(&[look()])];
    turns.extend(two(parse.concat(), deallocate()));
    turns.push(turn(&[look()]));
    let answers = assert_same(&turns).await;
    let refused = answers.iter().filter(|answer| answer.sqlstate() == Some("26000")).count();
    assert_eq!(refused, 2, "{answers:?}");
    assert_same_where_sessions_report(&turns).await;
}
