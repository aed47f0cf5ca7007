//! Metrics: what is stored and what is refused.

use super::session::fresh;

#[tokio::test]
async fn a_metric_is_stored_as_reported() {
    let session = fresh().await;
    let sql = "select record_metric('queue.depth', 12.50, 'worker', 'histogram', '{\"q\": \"a\"}')";
    let id = session.text(sql).await;
    let sql = format!(
        "select concat_ws('|', metric_name, metric_value, component, metric_type, tags, \
         recorded_at is not null) from system_metrics where id = '{id}'"
    );
    let stored = "queue.depth|12.50|worker|histogram|{\"q\": \"a\"}|t";
    assert_eq!(session.text(&sql).await, stored);
}

#[tokio::test]
async fn a_metric_lands_in_the_partition_of_its_day() {
    let session = fresh().await;
    session.run("select record_metric('m', n) from generate_series(1, 10) n").await;
    assert_eq!(session.text("select count(*) from system_metrics_default").await, "0");
    assert_eq!(session.text("select sum(metric_value) from system_metrics").await, "55");
}

#[tokio::test]
async fn any_finite_number_is_kept_exactly() {
    let session = fresh().await;
    for number in ["0", "-0.000000000000000000000000000001", "1e1000", "123456789.123456789"] {
        session.run(&format!("select record_metric('m', {number})")).await;
        let exact = format!(
            "select count(*) > 0 from system_metrics where metric_value = {number}::numeric"
        );
        assert_eq!(session.text(&exact).await, "t", "{number}");
    }
}

#[tokio::test]
async fn a_refused_metric_says_why() {
    let session = fresh().await;
    for (arguments, sqlstate) in [
        ("null, 1", "22004"),
        ("'m', null", "22004"),
        ("'', 1", "22023"),
        ("repeat('x', 101), 1", "22001"),
        ("'m', 'NaN'", "22023"),
        ("'m', 'Infinity'", "22023"),
        ("'m', '-Infinity'", "22023"),
        ("'m', 1, repeat('x', 101)", "22001"),
        ("'m', 1, 'c', 'summary'", "22023"),
        ("'m', 1, 'c', 'gauge', '[]'", "22023"),
    ] {
        let sql = format!("select record_metric({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    assert_eq!(session.text("select count(*) from system_metrics").await, "0");
}
