//! Integrations: registration with what is known of a service, and that no secret is stored.

use serde_json::json;

use super::session::fresh;

#[tokio::test]
async fn a_known_service_is_registered_by_name() {
    let session = fresh().await;
    for (kind, url, limit, window) in [
        ("codegen", "https://api.codegen.sh", "60", "60"),
        ("github", "https://api.github.com", "5000", "3600"),
        ("linear", "https://api.linear.app/graphql", "1500", "3600"),
        ("claude", "https://api.anthropic.com", "50", "60"),
    ] {
        let id = session.text(&format!("select register_integration('{kind}', '{kind}')")).await;
        let sql = format!(
            "select concat_ws('|', configuration ->> 'api_url', rate_limit_requests, \
             rate_window_seconds, status, starts_with(health_check_url, '{url}'), \
             configuration ? 'auth_header') from external_integrations where id = '{id}'"
        );
        assert_eq!(session.text(&sql).await, format!("{url}|{limit}|{window}|active|t|t"));
    }
}

#[tokio::test]
async fn the_callers_configuration_goes_before_the_preset() {
    let session = fresh().await;
    let sql = r#"select register_integration('github', 'ghe', '{"api_url": "https://ghe.example",
        "headers": {"accept": "text/plain", "x-a": "1"}, "timeout": 30000,
        "token": "env:GHE_TOKEN"}', 10, 'https://ghe.example/up')"#;
    session.text(sql).await;
    let row = "select concat_ws('|', configuration ->> 'api_url', configuration #>> '{headers,accept}', \
        configuration #>> '{headers,x-a}', configuration #>> '{headers,x-github-api-version}', \
        rate_limit_per_minute, rate_limit_requests is null, health_check_url) \
        from external_integrations";
    let expected = "https://ghe.example|text/plain|1|2022-11-28|10|t|https://ghe.example/up";
    assert_eq!(session.text(row).await, expected);
}

#[tokio::test]
async fn registering_again_brings_it_up_to_date() {
    let session = fresh().await;
    let first = session.text("select register_integration('jira', 'j', '{\"a\": 1}', 7)").await;
    let second = session.text("select register_integration('jira', 'j', '{\"b\": 2}', 9)").await;
    assert_eq!(first, second);
    let row =
        "select concat_ws('|', configuration, rate_limit_per_minute) from external_integrations";
    assert_eq!(session.text(row).await, "{\"b\": 2}|9");
}

#[tokio::test]
async fn secrets_in_plain_text_are_refused_with_their_place_and_a_hint() {
    let session = fresh().await;
    for (configuration, path) in [
        (r#"{"api_key": "abc"}"#, "$.api_key"),
        (r#"{"a": {"b": [{"client-secret": "x"}]}}"#, "$.a.b[0].client-secret"),
        (r#"{"x": "sk-ant-api03-abcdefgh12345"}"#, "$.x"),
        (r#"{"headers": {"Authorization": "Bearer abc"}}"#, "$.headers.Authorization"),
        (r#"{"dsn": "postgres://u:p@h/d"}"#, "$.dsn"),
    ] {
        let sql = format!("select register_integration('claude', 'c', '{configuration}')");
        let refusal = session.refusal(&sql).await;
        assert_eq!(refusal.sqlstate, "22023", "{configuration}");
        assert_eq!(refusal.detail, json!({ "path": path }));
        assert!(refusal.hint.contains("env:NAME"), "{}", refusal.hint);
        assert!(!refusal.message.contains("abc"), "{}", refusal.message);
    }
    let sql = "select register_integration('claude', 'c', '{}', null, 'https://u:p@h.example/')";
    assert_eq!(session.sqlstate(sql).await, "22023");
    assert_eq!(session.text("select count(*) from external_integrations").await, "0");
}

#[tokio::test]
async fn no_other_way_in_takes_a_secret_either() {
    let session = fresh().await;
    let insert = |configuration: &str| {
        format!(
            "insert into external_integrations (integration_type, integration_name, configuration) \
             values ('github', gen_random_uuid()::text, '{configuration}')"
        )
    };
    for secret in [
        r#"{"api_key": "abc"}"#,
        r#"{"a": [{"password": "x"}]}"#,
        r#"{"note": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"}"#,
        r#"{"credentials": ["x"]}"#,
    ] {
        let refusal = session.refusal(&insert(secret)).await;
        assert_eq!(refusal.sqlstate, "22023", "{secret}");
        assert!(!format!("{refusal:?}").contains("abc"), "{refusal:?}");
    }
    session
        .run(&insert(r#"{"api_key": "env:X", "token": "Bearer file:/x", "max_tokens": 5}"#))
        .await;
    let update = "update external_integrations set configuration = '{\"secret\": \"x\"}'";
    assert_eq!(session.sqlstate(update).await, "22023");
}

#[tokio::test]
async fn a_refused_registration_says_why() {
    let session = fresh().await;
    for (arguments, sqlstate) in [
        ("null, 'n'", "22004"),
        ("'github', null", "22004"),
        ("'github', 'n', null", "22004"),
        ("'github', ' '", "22023"),
        ("'Git Hub', 'n'", "22023"),
        ("'github', repeat('x', 101)", "22001"),
        ("repeat('x', 51), 'n'", "22001"),
        ("'github', 'n', '[]'", "22023"),
        ("'github', 'n', '{}', 0", "22023"),
        ("'github', 'n', '{}', 10001", "22023"),
        ("'github', 'n', '{}', 1, repeat('x', 501)", "22001"),
        ("'github', 'n', jsonb_build_object('x', repeat('x', 70000))", "54000"),
        (
            "'github', 'n', ('{\"x\":' || repeat('[', 200) || repeat(']', 200) || '}')::jsonb",
            "54001",
        ),
        ("'github', 'n', '{\"x\": 1e400}'", "22023"),
    ] {
        let sql = format!("select register_integration({arguments})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn the_status_shows_health_limits_and_the_last_hour() {
    let session = fresh().await;
    session
        .run("select register_integration('claude', 'c'); select register_integration('jira', 'j')")
        .await;
    session
        .run(
            "select log_api_call('c', '/v1/messages', 'POST', 200, 100, p_tokens_in => 10, \
             p_tokens_out => 5, p_cost_usd => 0.25, p_response_headers => \
             '{\"anthropic-ratelimit-requests-remaining\": \"0\", \
               \"anthropic-ratelimit-requests-reset\": \"2999-01-01T00:00:00Z\"}'); \
             select log_api_call('c', '/v1/messages', 'POST', 529, 300)",
        )
        .await;
    let sql = "select concat_ws('|', integration_name, status, health_status, breaker, rate_limit_ok, \
        calls_last_hour, errors_last_hour, round(avg_response_time_ms), tokens_last_hour, \
        cost_usd_last_hour, remote_limits #>> '{requests,remaining}') from integration_status()";
    let rows = session.rows(sql).await.unwrap().concat();
    assert_eq!(
        rows,
        ["c|active|unknown|closed|f|2|1|200|15|0.25|0", "j|active|unknown|closed|t|0|0|0|0"]
    );
}
