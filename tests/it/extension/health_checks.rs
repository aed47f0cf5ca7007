//! Health checks of integrations: hysteresis, the circuit breaker, leases of due checks.

use harness::Cluster;

use super::session::{Session, fresh};

async fn register(session: &Session, name: &str) {
    session.run(&format!("select register_integration('github', '{name}')")).await;
}

async fn record(session: &Session, checks: &str) -> String {
    let mut breaker = String::new();
    for check in checks.chars() {
        let sql = format!("select record_health_check('gh', {}, 12, 'why')", check == '1');
        breaker = session.text(&sql).await;
    }
    breaker
}

#[tokio::test]
async fn single_failures_do_not_open_the_breaker() {
    let session = fresh().await;
    register(&session, "gh").await;
    assert_eq!(record(&session, "0110").await, "closed");
    let row = "select concat_ws('|', health_status, last_health_check is not null) from external_integrations";
    assert_eq!(session.text(row).await, "healthy|t");
    assert_eq!(record(&session, "0").await, "open");
    assert_eq!(session.text(row).await, "unhealthy|t");
    let history = "select string_agg(concat_ws(':', ok, breaker, health_status), ' ' order by id) \
        from integration_health_history";
    assert_eq!(
        session.text(history).await,
        "f:closed:healthy t:closed:healthy t:closed:healthy f:closed:healthy f:open:unhealthy"
    );
}

#[tokio::test]
async fn an_open_breaker_stops_calls_then_lets_a_few_probe_then_closes() {
    let session = fresh().await;
    register(&session, "gh").await;
    record(&session, "000").await;
    let acquire =
        "select concat_ws('|', allowed, reason, retry_after_ms > 0) from acquire_rate_limit('gh')";
    assert_eq!(session.text(acquire).await, "f|breaker|t");
    let strict = "select acquire_rate_limit('gh', p_mode => 'strict')";
    assert_eq!(session.sqlstate(strict).await, "53400");
    session.run("update integration_health set open_until = now()").await;
    let mut allowed = 0;
    for _ in 0..6 {
        allowed += i32::from(session.text(acquire).await == "t|f");
    }
    assert_eq!(allowed, 3, "the budget of probes");
    assert_eq!(session.text("select breaker from integration_health").await, "half_open");
    let used = "select window_used from integration_rate_state";
    assert_eq!(session.text(used).await, "3", "a refusal by the breaker costs nothing");
    assert_eq!(record(&session, "1").await, "half_open");
    assert_eq!(record(&session, "1").await, "closed");
    assert_eq!(session.text(acquire).await, "t|f");
}

#[tokio::test]
async fn a_probe_that_fails_opens_for_longer() {
    let session = fresh().await;
    register(&session, "gh").await;
    record(&session, "000").await;
    session.run("update integration_health set open_until = now()").await;
    assert_eq!(record(&session, "0").await, "open");
    let longer = "select open_until > now() + interval '50 seconds' from integration_health";
    assert_eq!(session.text(longer).await, "t");
}

#[tokio::test]
async fn a_refused_check_says_why() {
    let session = fresh().await;
    register(&session, "gh").await;
    for (call, sqlstate) in [
        ("record_health_check('gh', null)", "22004"),
        ("record_health_check(null, true)", "22004"),
        ("record_health_check('nobody', true)", "P0002"),
        ("record_health_check('gh', true, -1)", "22023"),
        ("due_health_checks(0)", "22023"),
        ("due_health_checks(1001)", "22023"),
        ("due_health_checks(1, null)", "22004"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
}

#[tokio::test]
async fn errors_are_stored_without_secrets() {
    let session = fresh().await;
    register(&session, "gh").await;
    session
        .text("select record_health_check('gh', false, 1, 'GET https://a:b@c/?token=x timed out')")
        .await;
    let error = session.text("select error from integration_health_history").await;
    assert_eq!(error, "GET https://[redacted]@c/?token=[redacted] timed out");
}

#[tokio::test]
async fn checks_that_are_due_are_leased_once() {
    let session = fresh().await;
    for name in ["gh", "b", "c"] {
        register(&session, name).await;
    }
    session
        .run(
            "select register_integration('jira', 'no url'); \
             update external_integrations set status = 'inactive' where integration_name = 'c'",
        )
        .await;
    let due = "select string_agg(integration_name, ',' order by integration_name) from due_health_checks(10)";
    assert_eq!(session.text(due).await, "b,gh");
    assert_eq!(session.text(due).await, "NULL", "they are leased");
    session.run("update integration_health set leased_until = now()").await;
    assert_eq!(session.text(due).await, "b,gh", "a lease that is over is given again");
    record(&session, "1").await;
    session.run("update integration_health set leased_until = null").await;
    assert_eq!(session.text(due).await, "b", "the other is due when its interval is over");
}

#[tokio::test]
async fn two_checkers_at_once_never_get_the_same_check() {
    let database = Cluster::shared().await.database().await;
    let (one, two) = (Session::open(&database).await, Session::open(&database).await);
    for number in 0..6 {
        register(&one, &format!("i{number}")).await;
    }
    // The rows of health are made by the first call.
    one.run("select due_health_checks(1); update integration_health set leased_until = null").await;
    one.run("begin").await;
    let take = "select string_agg(integration_name, ',') from due_health_checks(4)";
    let mut names: Vec<String> = Vec::new();
    for session in [&one, &two] {
        names.extend(session.text(take).await.split(',').map(str::to_owned));
    }
    one.run("commit").await;
    names.sort();
    assert_eq!(names, ["i0", "i1", "i2", "i3", "i4", "i5"]);
}

#[tokio::test]
async fn checks_recorded_at_once_are_all_counted() {
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    register(&admin, "gh").await;
    let check = || async {
        let session = Session::open(&database).await;
        for _ in 0..10 {
            session.text("select record_health_check('gh', true)").await;
            session.text("select log_api_call('gh', '/', 'GET', 200, 1, p_response_headers => '{\"x-ratelimit-remaining\": 5, \"x-ratelimit-reset\": 60}')").await;
            session.text("select allowed from acquire_rate_limit('gh')").await;
        }
    };
    tokio::join!(check(), check(), check(), check());
    assert_eq!(admin.text("select count(*) from integration_health_history").await, "40");
    assert_eq!(admin.text("select recent from integration_health").await, "11111");
}
