//! `metric_series`: the same answer from rollups, from the measurements, and from both.

use super::rollups::roll_up_until;
use super::session::{Session, fresh};

/// Two days of measurements every ten minutes up to now, of two hosts and a counter that starts anew twice.
const DATA: &str = "
    select record_metric_arrays(array_agg('load'::varchar), array_agg((50 + 40 * sin(n))::numeric),
      p_tags => array_agg(jsonb_build_object('host', case n % 2 when 0 then 'a' else 'b' end)),
      p_components => array_agg('db'::varchar),
      p_recorded_at => array_agg(now() - n * interval '10 minutes')) from generate_series(0, 400) n;
    select record_metric_arrays(array_agg('requests'::varchar), array_agg((400 - n) % 150 * 6), p_types => array_agg('counter'::varchar),
      p_recorded_at => array_agg(now() - n * interval '10 minutes')) from generate_series(0, 400) n";

async fn series(session: &Session, arguments: &str) -> Vec<Vec<String>> {
    let sql = format!(
        "select bucket, labels, round(value::numeric, 6) from metric_series({arguments}) order by bucket, labels"
    );
    session.rows(&sql).await.unwrap_or_else(|report| panic!("{arguments}: {report:?}"))
}

#[tokio::test]
async fn rollups_and_measurements_give_the_same_answer() {
    let session = fresh().await;
    session.run(DATA).await;
    let spans = [
        "now() - interval '2 days', now()",
        "now() - interval '47 hours 13 minutes 7 seconds', now() - interval '3 hours 1 minute'",
        "date_trunc('day', now()) - interval '1 day', date_trunc('day', now())",
    ];
    let mut questions = Vec::new();
    for span in spans {
        for step in ["1 day", "1 hour", "90 minutes", "1 minute", "7 hours"] {
            for aggregate in ["avg", "sum", "min", "max", "count", "last", "p50", "p99"] {
                questions.push(format!("'load', {span}, '{step}', '{aggregate}'"));
            }
            for aggregate in ["rate", "increase"] {
                questions.push(format!("'requests', {span}, '{step}', '{aggregate}'"));
            }
        }
    }
    // One transaction, so that now() is the same before and after.
    session.run("begin").await;
    let mut before = Vec::new();
    for question in &questions {
        before.push(series(&session, question).await);
    }
    session.run("savepoint s; select roll_up_metrics(p_max_buckets => 10000)").await;
    assert_ne!(
        session.text("select count(*) from metric_rollups where resolution = 'day'").await,
        "0"
    );
    for (question, before) in questions.iter().zip(before) {
        assert!(!before.is_empty(), "{question}");
        assert_eq!(series(&session, question).await, before, "{question}");
    }
    session.run("rollback").await;
}

#[tokio::test]
async fn rollups_answer_when_the_measurements_are_gone() {
    let session = fresh().await;
    session.run(DATA).await;
    roll_up_until(&session, "now() - interval '5 minutes'").await;
    let question = "'load', date_trunc('hour', now()) - interval '1 day', date_trunc('hour', now()), '1 hour', 'p90'";
    let before = series(&session, question).await;
    assert_eq!(before.len(), 48);
    session.run("delete from system_metrics").await;
    assert_eq!(series(&session, question).await, before);
}

#[tokio::test]
async fn a_counter_that_starts_anew_does_not_fall() {
    let session = fresh().await;
    let at = "date_trunc('hour', now()) - interval '2 hours'";
    let insert = format!(
        "select record_metric_arrays(array_fill('c'::varchar, '{{6}}'), '{{100,160,10,40,5,5}}', \
         p_types => array_fill('counter'::varchar, '{{6}}'), \
         p_recorded_at => array(select {at} + n * interval '30 seconds' from generate_series(0, 5) n))"
    );
    session.text(&insert).await;
    // 60, then 10 after the first start, 30, 5 after the second, 0.
    let question = |step: &str, aggregate: &str| {
        format!("'c', {at}, {at} + interval '1 hour', '{step}', '{aggregate}'")
    };
    for rolled in [false, true] {
        if rolled {
            roll_up_until(&session, "now() - interval '5 minutes'").await;
        }
        let value = |rows: Vec<Vec<String>>| {
            rows.into_iter().map(|row| row[2].clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(value(series(&session, &question("1 hour", "increase")).await), "105.000000");
        assert_eq!(
            value(series(&session, &question("1 minute", "increase")).await),
            "60.000000 40.000000 5.000000"
        );
        assert_eq!(value(series(&session, &question("1 hour", "rate")).await), "0.029167");
    }
}

#[tokio::test]
async fn labels_are_tags_and_component_and_can_be_filtered() {
    let session = fresh().await;
    session.run(DATA).await;
    for rolled in [false, true] {
        if rolled {
            roll_up_until(&session, "now() - interval '5 minutes'").await;
        }
        let rows = series(
            &session,
            "'load', now() - interval '5 hours', now(), '1 day', 'count', '{\"host\": \"a\"}'",
        )
        .await;
        assert!(
            rows.iter().all(|row| row[1] == "{\"host\": \"a\", \"component\": \"db\"}"),
            "{rows:?}"
        );
        assert!(!rows.is_empty());
        let none = series(
            &session,
            "'load', now() - interval '5 hours', now(), '1 day', 'avg', '{\"host\": \"z\"}'",
        )
        .await;
        assert!(none.is_empty());
    }
}

#[tokio::test]
async fn refusals_have_their_sqlstate() {
    let session = fresh().await;
    for (arguments, sqlstate) in [
        ("null, now() - interval '1 hour', now(), '1 minute'", "22004"),
        ("'m', null, now(), '1 minute'", "22004"),
        ("'m', now(), null, '1 minute'", "22004"),
        ("'m', now() - interval '1 hour', now(), null", "22004"),
        ("'m', now(), now(), '1 minute'", "22023"),
        ("'m', '-infinity', now(), '1 minute'", "22023"),
        ("'m', now() - interval '1 hour', now(), '1 month'", "22023"),
        ("'m', now() - interval '1 hour', now(), '0'", "22023"),
        ("'m', now() - interval '1 hour', now(), '1 minute', 'median'", "22023"),
        ("'m', now() - interval '1 hour', now(), '1 minute', 'p101'", "22023"),
        ("'m', now() - interval '1 hour', now(), '1 minute', 'avg', '[]'", "22023"),
        ("'m', now() - interval '1 year', now(), '1 second'", "54000"),
    ] {
        let sql = format!("select * from metric_series({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{arguments}");
    }
}
