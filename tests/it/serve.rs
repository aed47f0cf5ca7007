//! `taskmaster serve`: the configuration file, the environment over it, and `--check`.

use std::process::Output;

use harness::cluster::free_port;
use harness::{Cluster, Proxy, ProxyConfig, proxy};

use crate::support::{assert_serves, backend_pid, value};

/// Runs `taskmaster serve --config FILE --check` and returns how it ended and what it said.
fn check(config: &ProxyConfig) -> (bool, String) {
    let output: Output = proxy::taskmaster(&config.dir)
        .args(["serve", "--check", "--config"])
        .arg(config.write())
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("the binary can be started");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn check_accepts_what_serve_accepts() {
    let cluster = Cluster::shared().await;
    let (accepted, text) = check(&ProxyConfig::new(cluster));
    assert!(accepted, "{text}");
}

#[tokio::test]
async fn check_warns_of_what_is_valid_and_weak() {
    let mut config = ProxyConfig::new(Cluster::shared().await);
    config.set("listen.host", "0.0.0.0").set("gate.login_failures_max", 0);
    let (accepted, text) = check(&config);
    assert!(accepted, "{text}");
    for warning in [
        "warning: clients of 0.0.0.0 may come without TLS: set listen.tls.mode = \"require\"",
        "warning: one address may take all places: set limits.address_clients_max",
        "warning: passwords may be guessed for ever: set gate.login_failures_max",
    ] {
        assert!(text.contains(warning), "{warning}: {text}");
    }
}

#[tokio::test]
async fn check_names_what_is_wrong() {
    let cluster = Cluster::shared().await;
    let wrong: [(&str, toml::Value, &str); 9] = [
        ("pool.maximum", 5.into(), "maximum"),
        ("pool.max", 0.into(), "max"),
        ("pool.max", (-1).into(), "max"),
        ("pool.max", "ten".into(), "\"ten\""),
        ("pool.mode", "statement".into(), "mode"),
        ("server.ssl_mode", "sometimes".into(), "ssl_mode"),
        ("listen.port", 70_000.into(), "port"),
        ("listen.tls.mode", "require".into(), "cert"),
        ("auth.password_file", "/nowhere/at/all".into(), "/nowhere/at/all"),
    ];
    for (path, setting, expected) in wrong {
        let mut config = ProxyConfig::new(cluster);
        config.set(path, setting.clone());
        let (accepted, text) = check(&config);
        assert!(!accepted, "{path} = {setting} was accepted");
        assert!(text.contains(expected), "{path} = {setting}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        assert!(!text.contains(cluster.password), "{text}");
    }
}

#[tokio::test]
async fn check_rejects_a_pool_whose_minimum_is_above_its_maximum() {
    let mut config = ProxyConfig::new(Cluster::shared().await);
    config.set("pool.min", 5).set("pool.max", 2);
    let (accepted, text) = check(&config);
    assert!(!accepted && text.contains("min"), "{text}");
}

#[tokio::test]
async fn check_says_where_a_broken_file_is_broken() {
    let config = ProxyConfig::new(Cluster::shared().await);
    let path = config.write_secret("broken.toml", "[pool]\nmax = \n");
    let output = proxy::taskmaster(&config.dir)
        .args(["serve", "--check", "--config"])
        .arg(&path)
        .output()
        .expect("the binary can be started");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("broken.toml") && text.contains('2'), "{text}");
}

#[tokio::test]
async fn the_seeds_environment_overrides_the_file() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.host", "192.0.2.1")
            .set("server.port", 1)
            .set("server.ssl_mode", "verify-full")
            .set("pool.min", 0)
            .set("pool.max", 9)
            .unset("auth.user")
            .unset("auth.password_file");
        config
            .env("DB_HOST", "localhost")
            .env("DB_PORT", &cluster.port.to_string())
            .env("DB_NAME", "codegen-taskmaster-db")
            .env("DB_USER", cluster.superuser)
            .env("DB_PASSWORD", cluster.password)
            .env("DB_SSL_MODE", "disable")
            .env("DB_POOL_MIN", "1")
            .env("DB_POOL_MAX", "1")
            .env("DB_POOL_IDLE_TIMEOUT", "10000")
            .env("DB_POOL_ACQUIRE_TIMEOUT", "200")
            .env("CLOUDFLARE_ENABLED", "true")
            .env("CODEGEN_API_KEY", "your_codegen_api_key");
    })
    .await;
    proxy.expect_log("53300");
    let (holder, waiter) = (proxy.connect(&database).await, proxy.connect(&database).await);
    holder.batch_execute("begin").await.unwrap();
    let error = waiter.simple_query("select 1").await.unwrap_err();
    assert_eq!(crate::support::sqlstate(&error), "53300", "one connection, a short wait");
}

#[tokio::test]
async fn a_dotenv_file_in_the_working_directory_is_read_and_the_environment_wins() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        let lines = format!(
            "# Database Configuration\nDB_HOST=localhost\nDB_PORT={}\nDB_SSL_MODE=disable\n\
             DB_POOL_MIN=1\nDB_POOL_MAX=9\n\nCLOUDFLARE_TUNNEL_ID=your_tunnel_id\n",
            cluster.port
        );
        config.write_secret(".env", &lines);
        config.set("server.host", "192.0.2.1").set("server.port", 1).unset("server.ssl_mode");
        config.env("DB_POOL_MAX", "1");
    })
    .await;
    let clients = [proxy.connect(&database).await, proxy.connect(&database).await];
    let pids = [backend_pid(&clients[0]).await, backend_pid(&clients[1]).await];
    assert_eq!(pids[0], pids[1]);
}

#[tokio::test]
async fn a_bad_environment_value_is_named() {
    let mut config = ProxyConfig::new(Cluster::shared().await);
    config.env("DB_POOL_MAX", "plenty");
    let (accepted, text) = check(&config);
    assert!(!accepted && text.contains("DB_POOL_MAX"), "{text}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let cluster = Cluster::shared().await;
    let mut config = ProxyConfig::new(cluster);
    config.set("listen.port", i64::from(cluster.port));
    let output = proxy::taskmaster(&config.dir)
        .args(["serve", "--config"])
        .arg(config.write())
        .output()
        .expect("the binary can be started");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success());
    assert!(text.contains(&cluster.port.to_string()), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[tokio::test]
async fn clients_and_servers_may_be_behind_unix_sockets() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let port = free_port();
    let dir = harness::run_dir::fresh_dir("socket");
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.host", harness::proxy_config::path_text(&cluster.socket_dir))
            .set("listen.port", i64::from(port))
            .set("listen.unix_socket_dir", harness::proxy_config::path_text(&dir));
    })
    .await;
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(&dir)
        .port(port)
        .user(cluster.superuser)
        .password(cluster.password)
        .dbname(&database.name);
    let client = harness::database::connect(&config).await;
    assert_eq!(value(&client, "select inet_server_addr() is null").await, "t");
    assert_serves(&proxy, &database).await;
    drop(client);
    assert!(proxy.stop().await.success());
    let socket = dir.join(format!(".s.PGSQL.{port}"));
    assert!(!socket.exists(), "the socket is removed when the proxy ends");
}

#[tokio::test]
async fn two_workers_serve_as_one() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("listen.workers", 2).set("pool.min", 1).set("pool.max", 4);
    })
    .await;
    let clients = (0..20).map(|_| proxy.connect(&database));
    let clients = futures_util::future::join_all(clients).await;
    let pids = futures_util::future::join_all(clients.iter().map(backend_pid)).await;
    let distinct: std::collections::HashSet<_> = pids.into_iter().collect();
    assert!(distinct.len() <= 4, "{} server connections where 4 were allowed", distinct.len());
}

#[tokio::test]
async fn more_clients_than_allowed_are_refused() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("listen.client_max", 3);
    })
    .await;
    proxy.expect_log("53300");
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(proxy.raw(&database).await);
    }
    let mut refused = harness::raw::RawClient::connect(proxy.port).await;
    let error = refused.log_in(&proxy::login(&database), &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("53300"));
    clients.pop();
    harness::wait::until("a place is free again", || async {
        let mut next = harness::raw::RawClient::connect(proxy.port).await;
        next.log_in(&proxy::login(&database), &[]).await.is_ok()
    })
    .await;
}
