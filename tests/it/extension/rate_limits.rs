//! The limiter of integrations: windows, GCRA, what services say, strict mode, budgets, and that
//! sessions racing for it get exactly what it holds.

use harness::Cluster;
use serde_json::json;

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn register(session: &Session, requests: i32, window_seconds: i32) {
    session
        .run(&format!(
            "insert into external_integrations (integration_type, integration_name, configuration, \
             rate_limit_requests, rate_window_seconds) \
             values ('github', 'gh', '{{}}', {requests}, {window_seconds})"
        ))
        .await;
}

async fn acquire(session: &Session, arguments: &str) -> String {
    let sql = format!(
        "select concat_ws('|', allowed, remaining, retry_after_ms > 0, reason) \
         from acquire_rate_limit('gh'{arguments})"
    );
    session.text(&sql).await
}

#[tokio::test]
async fn a_window_holds_its_requests() {
    let session = fresh().await;
    register(&session, 3, 3600).await;
    assert_eq!(acquire(&session, "").await, "t|2|f");
    assert_eq!(acquire(&session, ", 2").await, "t|0|f");
    assert_eq!(acquire(&session, "").await, "f|0|t|limit");
    session
        .run("update integration_rate_state set window_started_at = now() - interval '1 hour'")
        .await;
    assert_eq!(acquire(&session, "").await, "t|2|f");
}

#[tokio::test]
async fn gcra_holds_its_burst_and_pays_it_back() {
    let session = fresh().await;
    register(&session, 60, 3600).await;
    session.run("update external_integrations set rate_burst = 2").await;
    assert_eq!(acquire(&session, ", 1, 'gcra'").await, "t|1|f");
    assert_eq!(acquire(&session, ", 1, 'gcra'").await, "t|0|f");
    assert_eq!(acquire(&session, ", 1, 'gcra'").await, "f|0|t|limit");
    session
        .run("update integration_rate_state set arrival_at = arrival_at - interval '1 minute'")
        .await;
    assert_eq!(acquire(&session, ", 1, 'gcra'").await, "t|0|f");
}

#[tokio::test]
async fn a_refused_call_of_the_limiter_says_why() {
    let session = fresh().await;
    register(&session, 3, 3600).await;
    for (call, sqlstate) in [
        ("acquire_rate_limit(null)", "22004"),
        ("acquire_rate_limit('nobody')", "P0002"),
        ("acquire_rate_limit('gh', 0)", "22023"),
        ("acquire_rate_limit('gh', 4)", "22023"),
        ("acquire_rate_limit('gh', 1, 'leaky')", "22023"),
        ("acquire_rate_limit('gh', p_mode => 'maybe')", "22023"),
        ("acquire_rate_limit('gh', p_integration_type => 'slack')", "P0002"),
        ("check_rate_limit('nobody')", "P0002"),
        ("observe_rate_headers('nobody', '{}')", "P0002"),
        ("observe_rate_headers('gh', '[]')", "22023"),
        ("observe_rate_headers('gh', null)", "22004"),
        ("observe_rate_headers('gh', jsonb_build_object('x', repeat('x', 70000)))", "54000"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
    let task = format!("select acquire_rate_limit('gh', p_task_id => '{NOBODY}')");
    assert_eq!(session.sqlstate(&task).await, "P0002");
    let nulls = "select allowed from acquire_rate_limit('gh', null, null, null, null, null)";
    assert_eq!(session.text(nulls).await, "t");
}

#[tokio::test]
async fn strict_mode_refuses_with_the_time_to_wait() {
    let session = fresh().await;
    register(&session, 1, 3600).await;
    let strict = "select acquire_rate_limit('gh', p_mode => 'strict')";
    session.text(strict).await;
    let refusal = session.refusal(strict).await;
    assert_eq!(refusal.sqlstate, "53400");
    assert_eq!(refusal.detail["reason"], json!("limit"));
    let wait = refusal.detail["retry_after_ms"].as_i64().unwrap();
    assert!((1..=3_600_000).contains(&wait), "{wait}");
    assert!(refusal.hint.starts_with("Try again in "), "{}", refusal.hint);
}

#[tokio::test]
async fn defect_03_checking_reads_and_reserves_nothing() {
    let session = fresh().await;
    register(&session, 2, 3600).await;
    for _ in 0..5 {
        assert_eq!(session.text("select check_rate_limit('gh')").await, "t");
    }
    assert_eq!(session.text("select count(*) from integration_rate_state").await, "0");
    acquire(&session, ", 2").await;
    assert_eq!(session.text("select check_rate_limit('gh')").await, "f");
    assert_eq!(session.text("select check_rate_limit(null) is null").await, "t");
    session.run("begin read only; select check_rate_limit('gh'); commit").await;
    session.run("delete from integration_rate_state").await;
    session
        .run("update external_integrations set rate_limit_per_minute = 2, current_usage = 2, usage_reset_at = now() + '1 day'")
        .await;
    assert_eq!(session.text("select check_rate_limit('gh')").await, "f", "logged calls count");
    session.run("update external_integrations set usage_reset_at = now()").await;
    assert_eq!(session.text("select check_rate_limit('gh')").await, "t");
}

#[tokio::test]
async fn each_services_headers_are_heeded() {
    let session = fresh().await;
    register(&session, 100, 3600).await;
    let later = "extract(epoch from date_trunc('second', now() + '10 minutes'))::bigint";
    for (headers, answer) in [
        (format!("jsonb_build_object('X-RateLimit-Limit', '5000', 'X-RateLimit-Remaining', '1', 'X-RateLimit-Reset', {later}::text, 'X-RateLimit-Resource', 'core')"), "t|0|f"),
        (format!("jsonb_build_object('X-RateLimit-Requests-Remaining', 0, 'X-RateLimit-Requests-Reset', {later} * 1000)"), "f|0|t|remote"),
        ("jsonb_build_object('anthropic-ratelimit-tokens-remaining', '0', 'anthropic-ratelimit-tokens-reset', to_char(now() at time zone 'UTC' + interval '5 minutes', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))".to_owned(), "f|0|t|retry_after"),
        ("'{\"Retry-After\": \"120\"}'".to_owned(), "f|0|t|retry_after"),
        ("jsonb_build_object('retry-after', to_char(now() at time zone 'UTC' + interval '5 minutes', 'Dy, DD Mon YYYY HH24:MI:SS \"GMT\"'))".to_owned(), "f|0|t|retry_after"),
    ] {
        session.run("delete from integration_rate_state").await;
        session.text(&format!("select observe_rate_headers('gh', {headers})")).await;
        assert_eq!(acquire(&session, "").await, answer, "{headers}");
    }
    let nothing = session.text("select observe_rate_headers('gh', '{\"a\": \"b\"}')").await;
    assert_eq!(nothing, r#"{"scopes": {}, "retry_at": null}"#);
}

/// How many of the attempts of `sessions` sessions at once are allowed.
async fn race(algorithm: &str, requests: i32) -> i64 {
    const SESSIONS: usize = 8;
    let database = Cluster::shared().await.database().await;
    let admin = Session::open(&database).await;
    register(&admin, requests, 86_400).await;
    let sql = format!("select allowed from acquire_rate_limit('gh', 1, '{algorithm}')");
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let (session, sql) = (Session::open(&database).await, sql.clone());
        racing.spawn(async move {
            let mut allowed = 0;
            for _ in 0..20 {
                allowed += i64::from(session.text(&sql).await == "t");
            }
            allowed
        });
    }
    racing.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn sessions_racing_for_a_window_get_exactly_what_it_holds() {
    assert_eq!(race("window", 37).await, 37);
}

#[tokio::test]
async fn sessions_racing_for_gcra_get_exactly_its_burst() {
    // One more comes every 39 minutes.
    assert_eq!(race("gcra", 37).await, 37);
}

#[tokio::test]
async fn a_crash_of_the_server_loses_the_state_and_nothing_else() {
    let session = fresh().await;
    register(&session, 3, 3600).await;
    let unlogged = "select relpersistence from pg_class where relname = 'integration_rate_state'";
    assert_eq!(session.text(unlogged).await, "u");
    acquire(&session, ", 3").await;
    // What a crash does to an unlogged table.
    session.run("truncate integration_rate_state").await;
    assert_eq!(acquire(&session, "").await, "t|2|f");
}

#[tokio::test]
async fn budgets_warn_are_exceeded_and_stop_acquiring_but_not_logging() {
    let session = fresh().await;
    register(&session, 100, 3600).await;
    let task = session.text("select create_task('t')").await;
    let state = format!(
        "select concat_ws('|', state, tokens_used, cost_usd_used) from task_budget('{task}')"
    );
    assert_eq!(session.text(&state).await, "unlimited|0|0");
    let log = format!(
        "select log_api_call('gh', '/', 'POST', 200, 1, '{task}', p_tokens_in => 30, p_tokens_out => 10, p_cost_usd => 0.05)"
    );
    session.text(&log).await;
    session.text(&format!("select set_task_budget('{task}', 100)")).await;
    assert_eq!(session.text(&state).await, "ok|40|0.05", "what was used before counts");
    session.text(&log).await;
    assert_eq!(session.text(&state).await, "warn|80|0.10");
    let strict = format!(
        "select allowed from acquire_rate_limit('gh', p_task_id => '{task}', p_mode => 'strict')"
    );
    assert_eq!(session.text(&strict).await, "t");
    session.text(&log).await;
    assert_eq!(session.text(&state).await, "exceeded|120|0.15");
    let refusal = session.refusal(&strict).await;
    assert_eq!(
        (refusal.sqlstate.as_str(), &refusal.detail),
        ("53400", &json!({ "task_id": task }))
    );
    let reported = acquire(&session, &format!(", p_task_id => '{task}'")).await;
    assert_eq!(reported, "f|0|t|budget");
    session.text(&log).await;
    session.text(&format!("select set_task_budget('{task}', null, 0.2)")).await;
    assert_eq!(session.text(&state).await, "exceeded|160|0.20");
    session.text(&format!("select set_task_budget('{task}')")).await;
    assert_eq!(session.text(&state).await, "unlimited|160|0.20");
}

#[tokio::test]
async fn a_refused_budget_says_why() {
    let session = fresh().await;
    let task = session.text("select create_task('t')").await;
    for (call, sqlstate) in [
        ("set_task_budget(null)".to_owned(), "22004"),
        (format!("set_task_budget('{NOBODY}')"), "P0002"),
        (format!("task_budget('{NOBODY}')"), "P0002"),
        (format!("set_task_budget('{task}', -1)"), "23514"),
        (format!("set_task_budget('{task}', 1, -1)"), "23514"),
        (format!("set_task_budget('{task}', 1, 1, 2)"), "23514"),
    ] {
        assert_eq!(session.sqlstate(&format!("select {call}")).await, sqlstate, "{call}");
    }
}
