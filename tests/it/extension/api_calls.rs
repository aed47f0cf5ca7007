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
    session.text(&format!("select {column} from api_access_logs l where id = '{id}'")).await
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
async fn no_call_is_refused_and_what_was_changed_is_said() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    for (arguments, stored, adjustments) in [
        ("'gh', null, 'GET', 200, 1", "(none)|GET|200|1", r#"{"endpoint": null}"#),
        ("'gh', '/x', null, 200, 1", "/x|OTHER|200|1", r#"{"method": null}"#),
        ("'gh', '/x', 'propfind-all', 200, 1", "/x|OTHER|200|1", r#"{"method": "propfind-all"}"#),
        ("'gh', '/x', 'GET', 0, 1", "/x|GET|0|1", "NULL"),
        ("'gh', '/x', 'GET', -7, 1", "/x|GET||1", r#"{"response_status": -7}"#),
        ("'gh', '/x', 'GET', 200, -1", "/x|GET|200|", r#"{"response_time_ms": -1}"#),
        ("'gh', '/x', 'GET', null, null", "/x|GET||", "NULL"),
    ] {
        let id = log(&session, arguments).await;
        let all = "concat_ws('|', endpoint, method, coalesce(response_status::text, ''), \
            coalesce(response_time_ms::text, ''))";
        assert_eq!(column(&session, &id, all).await, stored, "{arguments}");
        assert_eq!(column(&session, &id, "adjustments").await, adjustments, "{arguments}");
    }
    assert_eq!(session.text("select current_usage from external_integrations").await, "7");
}

#[tokio::test]
async fn the_later_arguments_are_put_right_too() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    let id = log(
        &session,
        &format!(
            "'gh', '/x', 'GET', 200, 1, '{NOBODY}', repeat('u', 300), null, repeat('c', 300), \
             p_retry_count => -1, p_tokens_in => -5, p_tokens_out => 7, p_cost_usd => 'NaN'"
        ),
    )
    .await;
    let all = "concat_ws('|', task_id is null, length(user_id), length(correlation_id), \
        retry_count, tokens_in is null, tokens_out, cost_usd is null)";
    assert_eq!(column(&session, &id, all).await, "t|255|255|0|t|7|t");
    let adjustments = column(&session, &id, "adjustments").await;
    let expected = json!({
        "task_id": NOBODY, "user_id": "cut", "correlation_id": "cut", "retry_count": -1,
        "tokens_in": -5, "cost_usd": "NaN"
    });
    assert_eq!(adjustments.parse::<serde_json::Value>().unwrap(), expected);
    for arguments in [
        "null, null, null, null, null",
        "' ', '', '', -2147483648, -2147483648, p_cost_usd => '-Infinity'",
        "repeat('x', 300), repeat('x', 100000), repeat('x', 100000), 2147483647, 2147483647, \
         p_integration_type => repeat('x', 300), p_cost_usd => '1e130000', \
         p_tokens_in => 9223372036854775807, p_tokens_out => -9223372036854775808",
    ] {
        log(&session, arguments).await;
    }
    assert_eq!(session.text("select count(*) from api_access_logs").await, "4");
}

#[tokio::test]
async fn secrets_never_reach_the_log() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    let id = log(
        &session,
        r#"'gh', 'https://bob:hunter2@api.github.com/x?access_token=hunter2&page=2', 'GET', 401, 1,
        p_error_message => 'refused Authorization: Bearer hunter2hunter2',
        p_request_headers => '{"Authorization": "token hunter2", "Cookie": ["hunter2"],
            "X-Api-Key": "hunter2", "accept": "application/json"}',
        p_request_body => '{"user": {"name": "ann", "password": "hunter2"}, "n": 0.10,
            "list": ["ghp_16C7e42F292c6912E7710c838347Ae178B4a"], "big": 1e400,
            "form": "client_secret=hunter2&x=1"}',
        p_response_headers => '{"set-cookie": "sid=hunter2", "x-ratelimit-remaining": "9"}',
        p_response_body => '{"usage": {"input_tokens": 5}, "refreshToken": "hunter2"}'"#,
    )
    .await;
    let row = column(&session, &id, "l::text").await;
    assert!(!row.contains("hunter2") && !row.contains("ghp_"), "{row}");
    for (path, expected) in [
        ("endpoint", "https://[redacted]@api.github.com/x?access_token=[redacted]&page=2"),
        ("request_headers ->> 'accept'", "application/json"),
        ("request_body #>> '{user,name}'", "ann"),
        ("request_body ->> 'n'", "0.10"),
        ("request_body -> 'big' = '1e400'", "t"),
        ("request_body ->> 'form'", "client_secret=[redacted]&x=1"),
        ("response_headers ->> 'x-ratelimit-remaining'", "9"),
        ("response_body #>> '{usage,input_tokens}'", "5"),
    ] {
        assert_eq!(column(&session, &id, path).await, expected, "{path}");
    }
}

#[tokio::test]
async fn documents_of_any_size_and_depth_are_logged() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    for (body, stored) in [
        ("to_jsonb(repeat('x', 10000))", "f|NULL"),
        ("to_jsonb(repeat('x', 20000))", "t|20002"),
        ("(repeat('[', 5000) || repeat(']', 5000))::jsonb", "f|NULL"),
        ("to_jsonb(repeat('x', 5000000))", "t|5000012"),
        ("'null'", "f|NULL"),
    ] {
        let id =
            log(&session, &format!("'gh', '/', 'GET', 200, 1, p_request_body => {body}")).await;
        let cut = "concat_ws('|', coalesce((request_body -> '_truncated')::bool, false), \
            coalesce(request_body ->> '_bytes', 'NULL'))";
        assert_eq!(column(&session, &id, cut).await, stored, "{body}");
        let marked = column(&session, &id, "adjustments ->> 'request_body'").await;
        assert_eq!(marked == "cut", stored.starts_with('t'), "{body}");
    }
}

#[tokio::test]
async fn the_headers_of_a_logged_answer_feed_the_limiter() {
    let session = fresh().await;
    register(&session, "github", "gh").await;
    let allowed = "select concat_ws('|', allowed, reason) from acquire_rate_limit('gh')";
    assert_eq!(session.text(allowed).await, "t");
    log(&session, r#"'gh', '/', 'GET', 429, 1, p_response_headers => '{"Retry-After": "60"}'"#)
        .await;
    assert_eq!(session.text(allowed).await, "f|retry_after");
}

#[tokio::test]
async fn the_type_tells_integrations_of_one_name_apart() {
    let mut session = fresh().await;
    register(&session, "linear", "shared").await;
    register(&session, "github", "shared").await;
    let id = log(&session, "'shared', '/x', 'GET', 200, 1, p_integration_type => 'github'").await;
    let kind = "(select integration_type from external_integrations i where i.id = integration_id)";
    assert_eq!(column(&session, &id, kind).await, "github");
    assert_eq!(session.notices(), []);
}
