//! API calls: a call that has happened is logged, counted and never refused for rate.

use serde_json::json;

use super::session::{Session, fresh};

const NOBODY: &str = "00000000-0000-0000-0000-000000000001";

async fn register(session: &Session, kind: &str, name: &str) {
    let sql = format!(
        "insert into external_integrations (integration_type, integration_name, configuration, \
         rate_limit_per_minute) values ('{kind}', '{name}', '{{}}', 2)"
    );
    session.run(&sql).await;
}

async fn log(session: &Session, arguments: &str) -> String {
    session.text(&format!("select log_api_call({arguments})")).await
}

async fn column(session: &Session, id: &str, column: &str) -> String {
    session.text(&format!("select {column} from api_access_logs where id = '{id}'")).await
}

#[tokio::test]
async fn a_call_is_stored_as_reported() {
    let mut session = fresh().await;
    register(&session, "github", "gh").await;
    let task = session.text("select create_task('t')").await;
    let id = log(&session, &format!("'gh', '/x', 'get', 502, 12, '{task}', 'ann', 'bad'")).await;
    let all = "concat_ws('|', endpoint, method, response_status, response_time_ms, task_id, \
        user_id, error_message, request_headers is null)";
    let stored = format!("/x|GET|502|12|{task}|ann|bad|t");
    assert_eq!(column(&session, &id, all).await, stored);
    let named =
        "(select integration_name from external_integrations i where i.id = integration_id)";
    assert_eq!(column(&session, &id, named).await, "gh");
    assert_eq!(session.notices(), []);
}

#[tokio::test]
async fn a_call_without_an_answer_is_logged() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    let id = log(&session, "'gh', '/x', 'POST', null, null, null, null, 'no route'").await;
    assert_eq!(column(&session, &id, "response_status").await, "NULL");
}

#[tokio::test]
async fn defect_04_a_call_beyond_the_rate_limit_is_logged() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    for _ in 0..5 {
        log(&session, "'gh', '/x', 'GET', 200, 1").await;
    }
    assert_eq!(session.text("select count(*) from api_access_logs").await, "5");
    let usage = "select current_usage from external_integrations";
    assert_eq!(session.text(usage).await, "5");
}

#[tokio::test]
async fn the_usage_window_starts_anew_when_it_is_over() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    session
        .run("update external_integrations set current_usage = 40, usage_reset_at = now()")
        .await;
    log(&session, "'gh', '/x', 'GET', 200, 1").await;
    let sql = "select concat_ws('|', current_usage, usage_reset_at > now(), \
        last_used_at is not null) from external_integrations";
    assert_eq!(session.text(sql).await, "1|t|t");
    session.run("update external_integrations set usage_reset_at = null").await;
    log(&session, "'gh', '/x', 'GET', 200, 1").await;
    assert_eq!(session.text(sql).await, "1|t|t");
}

#[tokio::test]
async fn defect_05_a_call_of_an_unknown_integration_is_kept_and_said() {
    let mut session = fresh().await;
    let id = log(&session, "'nobody', '/x', 'GET', 200, 1").await;
    let kept = "concat_ws('|', integration_id is null, \
        request_headers ->> 'x-taskmaster-integration')";
    assert_eq!(column(&session, &id, kept).await, "t|nobody");
    let notices = session.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].sqlstate, "01000");
    assert_eq!(notices[0].message, "integration \"nobody\" is not registered");
    assert_eq!(notices[0].detail, json!({ "integration_name": "nobody" }));
}

#[tokio::test]
async fn a_name_that_two_integrations_share_is_said() {
    let mut session = fresh().await;
    register(&session, "linear", "shared").await;
    register(&session, "github", "shared").await;
    session
        .run("update external_integrations set status = 'error' where integration_type = 'linear'")
        .await;
    let id = log(&session, "'shared', '/x', 'GET', 200, 1").await;
    let kind = "(select integration_type from external_integrations i where i.id = integration_id)";
    assert_eq!(column(&session, &id, kind).await, "github");
    let notices = session.notices();
    let expected = json!({ "integration_name": "shared", "logged_under": "github" });
    assert_eq!(notices.iter().map(|notice| &notice.detail).collect::<Vec<_>>(), [&expected]);
}

#[tokio::test]
async fn an_endpoint_of_any_length_is_logged() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    let id = log(&session, "'gh', repeat('é', 255), 'GET', 200, 1").await;
    assert_eq!(column(&session, &id, "endpoint = repeat('é', 255)").await, "t");
    let id = log(&session, "'gh', '/s?q=' || repeat('é', 1000), 'GET', 200, 1").await;
    let hashed = "endpoint = left('/s?q=' || repeat('é', 1000), 211) || '...[sha256:' || left( \
        encode(sha256(convert_to('/s?q=' || repeat('é', 1000), 'UTF8')), 'hex'), 32) || ']'";
    assert_eq!(column(&session, &id, hashed).await, "t");
}

#[tokio::test]
async fn a_refused_call_says_why() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    for (arguments, sqlstate) in [
        ("null, '/x', 'GET', 200, 1", "22004"),
        ("'gh', null, 'GET', 200, 1", "22004"),
        ("'gh', '/x', null, 200, 1", "22004"),
        ("' ', '/x', 'GET', 200, 1", "22023"),
        ("repeat('x', 101), '/x', 'GET', 200, 1", "22001"),
        ("'gh', '/x', 'PROPFIND-ALL', 200, 1", "22001"),
        ("'gh', '/x', 'FETCH', 200, 1", "22023"),
        ("'gh', '/x', 'GET', 0, 1", "22023"),
        ("'gh', '/x', 'GET', 200, -1", "22023"),
        ("'gh', '/x', 'GET', 200, 1, null, repeat('x', 256)", "22001"),
    ] {
        let sql = format!("select log_api_call({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
    let sql = format!("select log_api_call('gh', '/x', 'GET', 200, 1, '{NOBODY}')");
    let refusal = session.refusal(&sql).await;
    assert_eq!(refusal.sqlstate, "23503");
    assert_eq!(refusal.constraint, "api_access_logs.api_access_logs_task_id_fkey");
    let usage = "select current_usage from external_integrations";
    assert_eq!(session.text(usage).await, "0");
}
