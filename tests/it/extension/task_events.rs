//! The log of events as a stream that misses nothing.

use harness::Cluster;

use super::concurrency::pair;
use super::session::fresh;

#[tokio::test]
async fn a_reader_goes_on_where_it_stopped() {
    let session = fresh().await;
    let id = session.text("select create_task('a')").await;
    session.run("select create_task('b')").await;
    session.run(&format!("select update_task_status('{id}', 'deferred')")).await;
    let read = async |arguments: &str| {
        let sql = format!(
            "select coalesce(string_agg(concat_ws(':', kind, to_status), ' '), 'none') \
             from get_task_events({arguments})"
        );
        session.text(&sql).await
    };
    assert_eq!(read("").await, "created:pending created:pending status_changed:deferred");
    assert_eq!(read("p_limit => 1").await, "created:pending");
    assert_eq!(read("1, 1").await, "created:pending");
    assert_eq!(read(&format!("1, p_task_id => '{id}'")).await, "status_changed:deferred");
    assert_eq!(read("3").await, "none");
    assert_eq!(session.sqlstate("select get_task_events(p_limit => 0)").await, "22023");
    session.run("begin isolation level repeatable read").await;
    assert_eq!(session.sqlstate("select get_task_events()").await, "25001");
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_passed_over() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = pair(&database).await;
    let seen = "select coalesce(string_agg(seq::text, ','), 'none') from get_task_events()";
    one.run(
        "begin; savepoint s; select create_task('one'); rollback to s; select create_task('one')",
    )
    .await;
    two.run("select create_task('two')").await;
    assert_eq!(two.text("select string_agg(seq::text, ',') from task_events").await, "3");
    assert_eq!(two.text(seen).await, "none", "a lower number may still come");
    one.run("commit").await;
    assert_eq!(two.text(seen).await, "2,3");
    one.run("begin; select create_task('three')").await;
    two.run("select create_task('four')").await;
    assert_eq!(two.text(seen).await, "2,3");
    one.run("rollback").await;
    assert_eq!(two.text(seen).await, "2,3,5", "a number that was given up holds up nobody");
}

#[tokio::test]
async fn readers_of_a_busy_log_see_every_event_once() {
    let database = Cluster::shared().await.database().await;
    let reader = super::session::Session::open(&database).await;
    let write = async |count: usize| {
        let session = super::session::Session::open(&database).await;
        for n in 0..count {
            let sql =
                format!("begin; select create_task('{n}'); select create_task('{n}'); commit");
            session.run(&sql).await;
        }
    };
    let read = async {
        let (mut after, mut seen) = (0, 0);
        let deadline = std::time::Instant::now() + harness::wait::LIMIT;
        while seen < 160 {
            let sql = format!("select seq from get_task_events({after}, 7)");
            let rows = reader.rows(&sql).await.unwrap();
            seen += rows.len();
            if let Some(last) = rows.last() {
                after = last[0].parse().unwrap();
            }
            assert!(std::time::Instant::now() < deadline, "only {seen} of 160 events seen");
        }
        assert_eq!(seen, 160);
    };
    tokio::join!(write(20), write(20), write(20), write(20), read);
    let all = "select count(*) from task_events";
    assert_eq!(reader.text(all).await, "160");
}
