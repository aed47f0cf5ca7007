//! Who may log in: the verifiers that PostgreSQL itself keeps, read over a dedicated connection,
//! and logins whose password the configuration gives.

use harness::raw::{Login, RawClient};
use harness::{Database, Proxy};

use crate::support::{create_role, proxied, proxied_by, value};

async fn log_in(
    proxy: &Proxy,
    database: &Database<'_>,
    user: &str,
    password: &str,
) -> Result<RawClient, String> {
    let mut client = RawClient::connect(proxy.port).await;
    let login =
        Login { user: user.into(), password: password.into(), database: database.name.clone() };
    match client.log_in(&login, &[]).await {
        Ok(_) => Ok(client),
        Err(error) => Err(error.sqlstate().unwrap_or("none").to_owned()),
    }
}

#[tokio::test]
async fn a_role_logs_in_and_acts_as_itself() {
    let (_, database, proxy) = proxied_by(1).await;
    create_role(&database, "auth_role", "a long password").await;
    let mut client = log_in(&proxy, &database, "auth_role", "a long password").await.unwrap();
    assert_eq!(client.query_value("select session_user").await, "auth_role");
    assert_eq!(log_in(&proxy, &database, "auth_role", "wrong").await.err().unwrap(), "28P01");
}

#[tokio::test]
async fn a_changed_password_counts_from_the_next_login_on() {
    let (_, database, proxy) = proxied_by(1).await;
    create_role(&database, "auth_changes", "first").await;
    log_in(&proxy, &database, "auth_changes", "first").await.unwrap();
    create_role(&database, "auth_changes", "second").await;
    // A verifier is taken for the latest for a tenth of a second: that is over for certain.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    log_in(&proxy, &database, "auth_changes", "second").await.unwrap();
    assert_eq!(log_in(&proxy, &database, "auth_changes", "first").await.err().unwrap(), "28P01");
}

#[tokio::test]
async fn roles_that_may_not_log_in_are_refused() {
    let (cluster, database, proxy) = proxied_by(1).await;
    create_role(&database, "auth_expired", "x").await;
    create_role(&database, "auth_nologin", "x").await;
    create_role(&database, "auth_empty", "x").await;
    let sql = "alter role auth_expired valid until '2001-01-01'; alter role auth_nologin nologin; \
               alter role auth_empty password null";
    cluster.admin().await.batch_execute(sql).await.unwrap();
    for user in ["auth_expired", "auth_nologin", "auth_empty"] {
        let refusal = log_in(&proxy, &database, user, "x").await.err().unwrap();
        assert_eq!(refusal, "28P01", "{user}");
    }
}

#[tokio::test]
async fn a_login_of_the_configuration_needs_no_auth_query() {
    let (_, database, proxy) = proxied(|config| {
        let password_file = config.write_secret("alice.pw", "from the file\n");
        let mut entry = toml::Table::new();
        entry.insert("name".into(), "auth_configured".into());
        entry.insert("password_file".into(), password_file.to_str().unwrap().into());
        config.push("auth.users", entry);
        config.set("auth.query", "select 'nobody', 'nothing' where false");
    })
    .await;
    create_role(&database, "auth_configured", "from the file").await;
    let mut client = log_in(&proxy, &database, "auth_configured", "from the file").await.unwrap();
    assert_eq!(client.query_value("select session_user").await, "auth_configured");
}

#[tokio::test]
async fn the_database_defaults_to_the_user_name() {
    let (cluster, database, proxy) = proxied_by(1).await;
    create_role(&database, "auth_homonym", "x").await;
    cluster.admin().await.batch_execute("create database auth_homonym").await.unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(proxy.port).user("auth_homonym").password("x");
    let client = harness::database::connect(&config).await;
    assert_eq!(value(&client, "select current_database()").await, "auth_homonym");
}

#[tokio::test]
async fn many_logins_at_once() {
    let (_, database, proxy) = proxied_by(2).await;
    let clients = (0..50).map(|_| proxy.connect(&database));
    let clients = futures_util::future::join_all(clients).await;
    let answers = clients.iter().map(|client| value(client, "select 'in'"));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer, "in");
    }
}

#[tokio::test]
async fn secrets_appear_in_no_log() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("log.level", "debug");
    })
    .await;
    create_role(&database, "auth_secret", "a-very-secret-word").await;
    log_in(&proxy, &database, "auth_secret", "a-very-secret-word").await.unwrap();
    let _ = log_in(&proxy, &database, "auth_secret", "another-secret-word").await;
    let log = proxy.log();
    for secret in ["a-very-secret-word", "another-secret-word", cluster.password, "SCRAM-SHA-256$"]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let command_line = std::fs::read(format!("/proc/{}/cmdline", proxy.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains(cluster.password));
}
