//! TLS to clients and to the server, by mode and by version.

use std::sync::Arc;

use harness::proxy_config::path_text;
use harness::raw::RawClient;
use harness::{Authority, Cluster, Database, Proxy, ProxyConfig, ServerCertificate, proxy};
use rustls::pki_types::ServerName;
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{assert_serves, proxied, proxied_by, run, value};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

fn listen(config: &mut ProxyConfig, mode: &str, certificate: &ServerCertificate) {
    config
        .set("listen.tls.mode", mode)
        .set("listen.tls.cert_file", path_text(&certificate.cert_file))
        .set("listen.tls.key_file", path_text(&certificate.key_file));
}

async fn listening(mode: &str) -> (Authority, Database<'static>, Proxy) {
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let (_, database, proxy) = proxied(|config| listen(config, mode, &certificate)).await;
    (authority, database, proxy)
}

/// SSLRequest, then a handshake that speaks `versions` only.
async fn secure(
    authority: &Authority,
    port: u16,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsStream<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    socket.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    let connector = TlsConnector::from(Arc::new(authority.client_config(versions)));
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, socket).await.unwrap()
}

#[tokio::test]
async fn clients_speak_tls_1_2_and_1_3() {
    let (authority, database, proxy) = listening("allow").await;
    let versions = [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ];
    for (version, expected) in versions {
        let stream = secure(&authority, proxy.port, &[version]).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        let mut client = RawClient::over(stream);
        client.log_in(&proxy::login(&database), &[]).await.unwrap();
        assert_eq!(client.query_value("select 'secret'").await, "secret");
    }
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn tls_from_the_first_byte_needs_the_postgresql_protocol_name() {
    let (authority, database, proxy) = listening("allow").await;
    let mut config = authority.client_config(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name.clone(), socket).await.unwrap();
    let mut client = RawClient::over(stream);
    client.log_in(&proxy::login(&database), &[]).await.unwrap();
    assert_eq!(client.query_value("select 'direct'").await, "direct");

    let mut config = authority.client_config(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let outcome = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    assert!(outcome.is_err(), "another protocol is not served");
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_proxy_that_requires_tls_refuses_plain_logins() {
    let (authority, database, proxy) = listening("require").await;
    let mut client = RawClient::connect(proxy.port).await;
    let error = client.log_in(&proxy::login(&database), &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error:?}");
    let client = proxy.connect_tls(&database, &authority).await;
    assert_eq!(value(&client, "select 1").await, "1");
}

#[tokio::test]
async fn a_proxy_without_tls_says_no_and_goes_on() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut client = RawClient::connect(proxy.port).await;
    for request in [GSSENC_REQUEST, SSL_REQUEST] {
        client.send(&request).await;
        assert_eq!(client.read_byte().await, b'N');
    }
    client.log_in(&proxy::login(&database), &[]).await.unwrap();
    assert_eq!(client.query_value("select 'plain'").await, "plain");
}

#[tokio::test]
async fn gss_encryption_is_refused_and_tls_may_follow() {
    let (authority, database, proxy) = listening("require").await;
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    socket.write_all(&GSSENC_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'N');
    socket.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    let config = authority.client_config(rustls::ALL_VERSIONS);
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let mut client = RawClient::over(stream);
    client.log_in(&proxy::login(&database), &[]).await.unwrap();
}

#[tokio::test]
async fn bytes_slipped_in_before_the_handshake_are_refused() {
    // CVE-2021-23214: plain text sent along with SSLRequest must not be read as if it had come
    // over TLS.
    let (authority, database, proxy) = listening("allow").await;
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let startup = harness::message::startup(&[("user", "postgres")]);
    socket.write_all(&[&SSL_REQUEST[..], &startup].concat()).await.unwrap();
    let config = authority.client_config(rustls::ALL_VERSIONS);
    let name = ServerName::try_from("localhost").unwrap();
    let outcome = async {
        if socket.read_u8().await? != b'S' {
            return Err(std::io::Error::other("refused"));
        }
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    };
    assert!(harness::wait::within("a refusal", outcome).await.is_err());
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn an_idle_listener_is_told_over_tls() {
    let (authority, database, proxy) = listening("require").await;
    let mut listener =
        RawClient::over(secure(&authority, proxy.port, &[&rustls::version::TLS13]).await);
    listener.log_in(&proxy::login(&database), &[]).await.unwrap();
    run(&mut listener, &["listen news"]).await;
    let speaker = proxy.connect_tls(&database, &authority).await;
    for word in ["first", "second"] {
        speaker.batch_execute(&format!("notify news, '{word}'")).await.unwrap();
        let notification = listener.read().await;
        assert_eq!(notification.tag, b'A', "{notification:?}");
        assert!(String::from_utf8_lossy(&notification.body).contains(word));
    }
}

#[tokio::test]
async fn a_large_answer_over_tls() {
    let (authority, database, proxy) = listening("allow").await;
    let client = proxy.connect_tls(&database, &authority).await;
    let sql = "select length(x), x from (select repeat('x', 8000000) as x) as large";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 8_000_000);
    assert_eq!(row.get::<_, &str>(1).len(), 8_000_000);
    let text = "y".repeat(8_000_000);
    let row = client.query_one("select length($1)", &[&text]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 8_000_000);
}

/// A cluster whose certificate is for `localhost` and which takes TLS logins only, or plain ones
/// only.
fn cluster_with(authority: &Authority, rule: &str) -> Cluster {
    let certificate = authority.server(&["localhost"]);
    Cluster::builder()
        .tls(&certificate)
        .host_rule(&format!("{rule} all all 127.0.0.1/32 scram-sha-256"))
        .start()
}

/// Whether a login through a proxy with this `DB_SSL_MODE` reaches the server, and if so, whether
/// over TLS.
async fn reaches(
    cluster: &Cluster,
    mode: &str,
    host: &str,
    authority: Option<&Authority>,
) -> Result<String, String> {
    let proxy = Proxy::start(cluster, |config| {
        config.set("server.host", host).unset("server.ssl_mode").env("DB_SSL_MODE", mode);
        config.set("server.down_after_ms", 200).set("server.connect_timeout_ms", 5000);
        if let Some(authority) = authority {
            config.set("server.ssl_root_cert_file", path_text(&authority.cert_file));
        }
    })
    .await;
    for part in ["connect", "TLS", "certificate", "57P03", "28000", "08"] {
        proxy.expect_log(part);
    }
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&proxy::login(&cluster.named("postgres")), &[]).await;
    greeting.map_err(|error| error.sqlstate().unwrap_or("none").to_owned())?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(client.query_value(sql).await)
}

#[tokio::test]
async fn every_ssl_mode_towards_a_server_that_wants_tls() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let cluster = cluster_with(&authority, "hostssl");
    let (localhost, address) = ("localhost", "127.0.0.1");
    let over_tls = || Ok("t".to_owned());
    assert_eq!(reaches(&cluster, "prefer", localhost, None).await, over_tls());
    assert_eq!(reaches(&cluster, "require", localhost, None).await, over_tls());
    assert_eq!(reaches(&cluster, "verify-ca", address, Some(&authority)).await, over_tls());
    assert_eq!(reaches(&cluster, "verify-full", localhost, Some(&authority)).await, over_tls());
    assert!(reaches(&cluster, "disable", localhost, None).await.is_err());
    assert!(reaches(&cluster, "verify-ca", localhost, Some(&stranger)).await.is_err());
    assert!(reaches(&cluster, "verify-full", localhost, Some(&stranger)).await.is_err());
    // The certificate is for localhost: the address is not in it.
    assert!(reaches(&cluster, "verify-full", address, Some(&authority)).await.is_err());
    // Without a root certificate file the public roots count, and they do not know ours.
    assert!(reaches(&cluster, "verify-full", localhost, None).await.is_err());
}

#[tokio::test]
async fn a_certificate_without_alternative_names_is_judged_by_its_common_name() {
    let authority = Authority::new();
    for (name, alternatives, is_for_localhost) in [
        ("localhost", &[][..], true),
        ("localhost", &["elsewhere"][..], false),
        ("elsewhere", &[][..], false),
    ] {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = authority.server_called(name, alternatives, &key);
        let cluster = Cluster::builder()
            .tls(&certificate)
            .host_rule("hostssl all all 127.0.0.1/32 scram-sha-256")
            .start();
        let reached = reaches(&cluster, "verify-full", "localhost", Some(&authority)).await;
        assert_eq!(reached.is_ok(), is_for_localhost, "{name} {alternatives:?}: {reached:?}");
        assert!(reaches(&cluster, "verify-ca", "localhost", Some(&authority)).await.is_ok());
    }
}

#[tokio::test]
async fn every_ssl_mode_towards_a_server_without_tls() {
    let cluster = Cluster::shared().await;
    let plain = || Ok("f".to_owned());
    assert_eq!(reaches(cluster, "disable", "localhost", None).await, plain());
    assert_eq!(reaches(cluster, "prefer", "localhost", None).await, plain());
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(reaches(cluster, mode, "localhost", None).await.is_err(), "{mode}");
    }
}

#[tokio::test]
async fn tls_on_both_sides_with_a_cancel_between() {
    let authority = Authority::new();
    let cluster = cluster_with(&authority, "hostssl");
    let certificate = authority.server(&["localhost"]);
    let proxy = Proxy::start(&cluster, |config| {
        listen(config, "require", &certificate);
        config
            .set("server.host", "localhost")
            .set("server.ssl_mode", "verify-full")
            .set("server.ssl_root_cert_file", path_text(&authority.cert_file));
    })
    .await;
    let database = cluster.named("postgres");
    let client = proxy.connect_tls(&database, &authority).await;
    let token = client.cancel_token();
    let query = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
    let admin = cluster.admin().await;
    let sql = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' \
               and state = 'active'";
    harness::wait::until("the query runs", || async { value(&admin, sql).await == "1" }).await;
    token.cancel_query(authority.connector()).await.unwrap();
    let error = harness::wait::within("the cancel", query).await.unwrap().unwrap_err();
    assert_eq!(crate::support::sqlstate(&error), "57014");
}
