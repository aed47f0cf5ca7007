//! Several runners on one database take turns.

use std::time::Duration;

use harness::Cluster;
use taskmaster_migrations::{ErrorKind, Event, Settings};

use super::support::{runner_of, step, up, value};

#[tokio::test]
async fn two_runners_at_once_both_succeed_and_apply_each_step_once() {
    let database = Cluster::shared().await.create_database().await;
    let mut one = runner_of(&database, 7, vec![]).await;
    let mut other = runner_of(&database, 7, vec![]).await;
    let ((first, _), (second, _)) = tokio::join!(up(&mut one), up(&mut other));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.steps.len() + second.steps.len(), 7);
    assert!(first.steps.is_empty() || second.steps.is_empty(), "they took turns in the middle");
    let count = "SELECT count(*) FROM taskmaster.schema_migrations";
    assert_eq!(value(&database, count).await, "7");
}

#[tokio::test]
async fn a_runner_gives_up_on_one_that_does_not_end_and_names_it() {
    let database = Cluster::shared().await.create_database().await;
    let slow = step("2", "SELECT pg_sleep(60)", "SELECT 1");
    let mut holder = runner_of(&database, 1, vec![slow]).await;
    let (started, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let holding = tokio::spawn(async move {
        let mut observe = |event: &Event| drop(started.send(event.clone()));
        holder.up(taskmaster_migrations::UpTo::Latest, &mut observe).await
    });
    begun.recv().await.unwrap();

    let settings = Settings { runner_wait: Duration::from_millis(100), ..Settings::default() };
    let mut late = runner_of(&database, 1, vec![]).await.settings(settings);
    let (outcome, events) = up(&mut late).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("taskmaster migrate, process "), "{error}");
    assert!(matches!(events.as_slice(), [Event::WaitingForRunner { .. }]), "{events:?}");

    // The lock and the step at work go with the connection.
    holding.abort();
    assert!(holding.await.unwrap_err().is_cancelled());
    Cluster::shared().await.kill_backends(&database.name).await;
    up(&mut runner_of(&database, 1, vec![]).await).await.0.unwrap();
    let count = "SELECT count(*) FROM taskmaster.schema_migrations";
    assert_eq!(value(&database, count).await, "1");
}
