//! What the two legs of a login agree on: channel binding, TLS at once, the protocol's version, and
//! the password methods of older servers.

use std::sync::Arc;

use harness::program::{Finished, Program};
use harness::proxy_config::path_text;
use harness::raw::{Login, RawClient};
use harness::{Authority, Cluster, Database, Proxy, ProxyConfig, ServerCertificate, proxy, wait};
use rustls::pki_types::ServerName;
use taskmaster_proxy::backend::scram::{Binding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use tokio::net::TcpStream;
use tokio_postgres::config::SslNegotiation;
use tokio_rustls::TlsConnector;

use crate::login_steps::{begin, first, last};
use crate::support::{assert_serves, create_role, sqlstate, value};

fn listen(config: &mut ProxyConfig, certificate: &ServerCertificate) {
    config
        .set("listen.tls.mode", "allow")
        .set("listen.tls.cert_file", path_text(&certificate.cert_file))
        .set("listen.tls.key_file", path_text(&certificate.key_file));
}

fn dial_over_tls(config: &mut ProxyConfig, authority: &Authority) {
    config
        .set("server.host", "localhost")
        .set("server.ssl_mode", "verify-full")
        .set("server.ssl_root_cert_file", path_text(&authority.cert_file));
}

/// A cluster with TLS whose TCP logins follow these rules.
fn cluster_with(authority: &Authority, rules: &[&str]) -> Cluster {
    let builder = Cluster::builder().tls(&authority.server(&["localhost"]));
    rules.iter().fold(builder, |builder, rule| builder.host_rule(rule)).start()
}

/// A raw client over TLS.
async fn secure(authority: &Authority, port: u16) -> RawClient {
    let mut config = authority.client_config(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    RawClient::over(stream.unwrap())
}

async fn psql(proxy: &Proxy, database: &Database<'_>, binding: &str, role: &Login) -> Finished {
    Program::postgres("psql")
        .env("PGHOST", "localhost")
        .env("PGPORT", proxy.port.to_string())
        .env("PGUSER", &role.user)
        .env("PGPASSWORD", &role.password)
        .env("PGSSLMODE", if binding == "require" { "require" } else { "prefer" })
        .env("PGCHANNELBINDING", binding)
        .args(["-X", "-At", "-d", &database.name, "-c", "select session_user"])
        .run()
        .await
}

/// A role that is known by its verifier alone, so that only its keys reach the server.
async fn role(database: &Database<'_>, name: &str) -> Login {
    create_role(database, name, "a long password").await;
    Login { user: name.into(), password: "a long password".into(), database: database.name.clone() }
}

#[tokio::test]
async fn libpq_binds_its_login_and_the_proxy_binds_its_own() {
    let authority = Authority::new();
    let cluster = cluster_with(&authority, &["hostssl all all 127.0.0.1/32 scram-sha-256"]);
    let database = cluster.create_database().await;
    let certificate = authority.server(&["localhost"]);
    let proxy = Proxy::start(&cluster, |config| {
        listen(config, &certificate);
        dial_over_tls(config, &authority);
        config.set("server.channel_binding", "require");
    })
    .await;
    let role = role(&database, "bound_role").await;
    for binding in ["require", "prefer", "disable"] {
        let finished = psql(&proxy, &database, binding, &role).await;
        assert_eq!(finished.stdout.trim(), "bound_role", "{binding}: {}", finished.report());
    }
    let wrong = Login { password: "wrong".into(), ..role };
    let refused = psql(&proxy, &database, "require", &wrong).await;
    assert!(refused.stderr.contains("password authentication failed"), "{}", refused.report());
}

#[tokio::test]
async fn libpq_is_not_bound_without_tls_or_with_a_certificate_that_has_no_digest() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let role = role(&database, "unbound_role").await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = Authority::with_key(key).server(&["localhost"]);
    let ed25519 = Proxy::start(cluster, |config| listen(config, &certificate)).await;
    let plain = Proxy::start(cluster, |_| {}).await;
    for proxy in [&ed25519, &plain] {
        let finished = psql(proxy, &database, "prefer", &role).await;
        assert_eq!(finished.stdout.trim(), "unbound_role", "{}", finished.report());
        let refused = psql(proxy, &database, "require", &role).await;
        assert!(!refused.status.success(), "{}", refused.report());
    }
}

#[tokio::test]
async fn a_login_bound_to_another_certificate_or_robbed_of_the_offer_is_refused() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let proxy = Proxy::start(cluster, |config| listen(config, &certificate)).await;
    let login = proxy::login(&database);

    let mut client = secure(&authority, proxy.port).await;
    assert_eq!(begin(&mut client, &login).await, [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
    let error = first(&mut client, Binding::Missed).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error:?}");
    assert_eq!(error.field(b'M'), Some("SCRAM channel binding negotiation error"));
    assert!(client.read_to_end().await.is_empty());

    let mut client = secure(&authority, proxy.port).await;
    begin(&mut client, &login).await;
    let challenge = first(&mut client, Binding::EndPoint(vec![7; 32])).await.unwrap();
    let error = last(&mut client, challenge, &login.password).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error:?}");
    assert_eq!(error.field(b'M'), Some("SCRAM channel binding check failed"));
    assert!(client.read_to_end().await.is_empty());

    // Without TLS nothing is offered, and a client that could bind may say so.
    let mut client = RawClient::connect(proxy.port).await;
    assert_eq!(begin(&mut client, &login).await, [SCRAM_SHA_256]);
    let challenge = first(&mut client, Binding::Missed).await.unwrap();
    last(&mut client, challenge, &login.password).await.unwrap();
    assert_serves(&proxy, &database).await;
}

/// A login through a proxy, configured by `configure`, of a role known by its verifier.
async fn outcome(
    database: &Database<'_>,
    login: &Login,
    configure: impl FnOnce(&mut ProxyConfig),
) -> Result<String, String> {
    let proxy = Proxy::start(database.cluster(), |config| {
        config.set("server.down_after_ms", 200).set("server.connect_timeout_ms", 5000);
        configure(config);
    })
    .await;
    for part in ["no server connection", "57P03", "28000", "auth query"] {
        proxy.expect_log(part);
    }
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(login, &[]).await;
    greeting.map_err(|error| {
        let log = proxy.log();
        format!("{} {log}", error.sqlstate().unwrap_or("none"))
    })?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(client.query_value(sql).await)
}

#[tokio::test]
async fn a_proxy_that_has_to_bind_does_not_believe_a_server_that_does_not_offer_it() {
    let authority = Authority::new();
    let rules = [
        "hostssl all trusted_role 127.0.0.1/32 trust",
        "hostnossl all all 127.0.0.1/32 scram-sha-256",
        "hostssl all all 127.0.0.1/32 scram-sha-256",
    ];
    let cluster = cluster_with(&authority, &rules);
    let database = cluster.create_database().await;
    let trusted = role(&database, "trusted_role").await;
    let require = |config: &mut ProxyConfig| {
        dial_over_tls(config, &authority);
        config.set("server.channel_binding", "require");
    };
    let error = outcome(&database, &trusted, require).await.unwrap_err();
    assert!(error.starts_with("28000") && error.contains("channel_binding is require"), "{error}");
    let believing = |config: &mut ProxyConfig| dial_over_tls(config, &authority);
    assert_eq!(outcome(&database, &trusted, believing).await.unwrap(), "t");
}

#[tokio::test]
async fn prefer_goes_without_tls_where_the_server_lets_nobody_in_with_it() {
    let authority = Authority::new();
    let cluster = cluster_with(&authority, &["hostnossl all all 127.0.0.1/32 scram-sha-256"]);
    let database = cluster.create_database().await;
    let role = role(&database, "plain_role").await;
    let set = |mode: &'static str| {
        move |config: &mut ProxyConfig| {
            config.set("server.ssl_mode", mode);
        }
    };
    assert_eq!(outcome(&database, &role, set("prefer")).await.unwrap(), "f");
    let error = outcome(&database, &role, set("require")).await.unwrap_err();
    assert!(error.contains("no pg_hba.conf entry"), "{error}");
}

#[tokio::test]
async fn tls_at_once_towards_a_server_that_takes_it_with_keys_of_both_lengths() {
    let authority = Authority::new();
    let cluster = cluster_with(&authority, &["hostssl all all 127.0.0.1/32 scram-sha-256"]);
    let database = cluster.create_database().await;
    let role = role(&database, "direct_role").await;
    let certificate = authority.server(&["localhost"]);
    // The server speaks protocol 3.0 and asks for TLS by its own request; the proxy before it
    // speaks 3.2 and takes TLS at once.
    let inner = Proxy::start(&cluster, |config| {
        listen(config, &certificate);
        config.set("listen.tls.mode", "require");
        dial_over_tls(config, &authority);
    })
    .await;
    for (version, key_len) in [("3.2", 32), ("3.0", 4)] {
        let outer = Proxy::start(&cluster, |config| {
            dial_over_tls(config, &authority);
            config
                .set("server.port", i64::from(inner.port))
                .set("server.ssl_negotiation", "direct")
                .set("server.channel_binding", "require")
                .set("server.max_protocol_version", version);
        })
        .await;
        let mut config = outer.config(&database);
        config.user(&role.user).password(&role.password);
        let client = harness::database::connect(&config).await;
        assert_eq!(value(&client, "select session_user").await, "direct_role");
        let cancel = client.cancel_token();
        let sleep = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
        let admin = cluster.admin().await;
        let sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
        wait::until("the query runs", || async { value(&admin, sql).await == "1" }).await;
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        let error = wait::within("the cancel", sleep).await.unwrap().unwrap_err();
        assert_eq!(sqlstate(&error), "57014", "{version}");
        assert_eq!(key_of(&inner, &authority, &role, version).await, key_len);
    }
}

/// Length of the key that a proxy gives to a client of this version.
async fn key_of(proxy: &Proxy, authority: &Authority, login: &Login, version: &str) -> usize {
    let mut client = secure(authority, proxy.port).await;
    let minor = version.strip_prefix("3.").unwrap().parse().unwrap();
    let greeting = client.log_in_with(login, minor, &[]).await.unwrap();
    greeting.key.len() - 4
}

#[tokio::test]
async fn tls_at_once_towards_a_server_that_does_not_know_it_is_a_clear_error() {
    let authority = Authority::new();
    let cluster = cluster_with(&authority, &["hostssl all all 127.0.0.1/32 scram-sha-256"]);
    let database = cluster.create_database().await;
    let direct = |config: &mut ProxyConfig| {
        dial_over_tls(config, &authority);
        config.set("server.ssl_negotiation", "direct");
    };
    let error = outcome(&database, &proxy::login(&database), direct).await.unwrap_err();
    assert!(error.starts_with("57P03") && error.contains("TLS with localhost"), "{error}");
}

#[tokio::test]
async fn tokio_postgres_begins_tls_at_once() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let proxy = Proxy::start(cluster, |config| listen(config, &certificate)).await;
    let mut tls = authority.client_config(rustls::ALL_VERSIONS);
    tls.alpn_protocols = vec![b"postgresql".to_vec()];
    let mut config = tokio_postgres::Config::new();
    config
        .host("localhost")
        .port(proxy.port)
        .user(cluster.superuser)
        .password(cluster.password)
        .dbname(&database.name)
        .ssl_mode(tokio_postgres::config::SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    let connector = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
    let (client, connection) = config.connect(connector).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(value(&client, "select 'direct'").await, "direct");
}

#[tokio::test]
async fn passwords_of_older_servers() {
    let authority = Authority::new();
    let rules = [
        "host all md5_role 127.0.0.1/32 md5",
        "host all clear_role 127.0.0.1/32 password",
        "host all gss_role 127.0.0.1/32 gss",
        "host all all 127.0.0.1/32 scram-sha-256",
    ];
    let cluster = cluster_with(&authority, &rules);
    let database = cluster.create_database().await;
    let sql = "set password_encryption = 'md5'; create role md5_role login password 'x'";
    cluster.admin().await.batch_execute(sql).await.unwrap();
    assert_eq!(md5_login(&cluster, &database).await, "md5_role");
    let unknown = role(&database, "gss_role").await;
    let error = outcome(&database, &unknown, |_| {}).await.unwrap_err();
    assert!(error.starts_with("28000") && error.contains("asks for GSSAPI"), "{error}");

    let clear = role(&database, "clear_role").await;
    let known = |config: &mut ProxyConfig| {
        let mut entry = toml::Table::new();
        entry.insert("name".into(), "clear_role".into());
        entry.insert("password".into(), "a long password".into());
        config.push("auth.users", entry);
    };
    let over_tls = outcome(&database, &clear, |config| {
        known(config);
        dial_over_tls(config, &authority);
    });
    assert_eq!(over_tls.await.unwrap(), "t");
    let error = outcome(&database, &clear, known).await.unwrap_err();
    assert!(error.starts_with("28000") && error.contains("without TLS"), "{error}");
    let error = outcome(&database, &clear, |_| {}).await.unwrap_err();
    assert!(
        error.contains("the password in clear, which cannot be answered with SCRAM"),
        "{error}"
    );
}

/// Who a client is that knows an md5 password, through a proxy that knows its hash alone.
async fn md5_login(cluster: &Cluster, database: &Database<'_>) -> String {
    let proxy = Proxy::start(cluster, |_| {}).await;
    let mut config = proxy.config(database);
    config.user("md5_role").password("x");
    let client = harness::database::connect(&config).await;
    value(&client, "select session_user").await
}
