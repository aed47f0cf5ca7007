//! Tokens of Cloudflare Access at the tunnel's door: who is believed and for how long, and who is not. The keys come from a
//! server of the test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harness::raw::RawClient;
use harness::{Authority, Database, Edge, Proxy, ServerCertificate, proxy, wait};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider as aws_lc_rs_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use toml::Table;

use crate::edge::with_tunnel;

const TEAM: &str = "https://team.example.com";
const TAG: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
const TOKEN: &str = "Cf-Access-Jwt-Assertion";

/// A key of Access.
struct Key {
    kid: &'static str,
    pair: KeyPair,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// As a JWKS has it. The public key is a SEQUENCE of two INTEGERs (RFC 8017, appendix A.1.1).
    fn public(&self) -> Value {
        let der = self.pair.public_key().as_ref();
        let (sequence, _) = element(der);
        let (modulus, rest) = element(sequence);
        let (exponent, _) = element(rest);
        let number =
            |bytes: &[u8]| BASE64.encode(&bytes[bytes.iter().position(|b| *b != 0).unwrap()..]);
        json!({ "kid": self.kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": number(modulus), "e": number(exponent) })
    }

    /// A token with this header and these claims.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", BASE64.encode(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "RS256", "kid": self.kid, "typ": "JWT" }), claims)
    }
}

/// The content of a DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (len, at) = match der[1] {
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(u16::from_be_bytes([der[2], der[3]])), 4),
        len => (usize::from(len), 2),
    };
    der[at..].split_at(len)
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims of a person, with some of them changed.
fn claims(changed: &Value) -> Value {
    let mut claims = json!({ "aud": [TAG], "email": "ann@example.com", "exp": now() + 600, "iat": now(), "nbf": now() - 1,
        "iss": TEAM, "type": "app", "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "DE" });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// Where the keys are; how often they were fetched.
struct KeyServer {
    url: String,
    fetched: Arc<AtomicUsize>,
    keys: Arc<std::sync::Mutex<Vec<Value>>>,
}

impl KeyServer {
    /// One that shows a certificate for localhost.
    async fn over_tls(key: &Key, certificate: &ServerCertificate) -> Self {
        let chain =
            CertificateDer::pem_file_iter(&certificate.cert_file).unwrap().map(Result::unwrap);
        let secret = PrivateKeyDer::from_pem_file(&certificate.key_file).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), secret)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let body = json!({ "keys": [key.public()] }).to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 4_096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let url = format!("https://localhost:{port}/certs");
        Self { url, fetched: Arc::default(), keys: Arc::default() }
    }

    async fn of(key: &Key) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/cdn-cgi/access/certs", listener.local_addr().unwrap());
        let fetched = Arc::new(AtomicUsize::new(0));
        let keys = Arc::new(std::sync::Mutex::new(vec![key.public()]));
        let (counted, shown) = (Arc::clone(&fetched), Arc::clone(&keys));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let body =
                    json!({ "keys": *shown.lock().unwrap(), "public_certs": [] }).to_string();
                let mut request = vec![0; 4_096];
                let len = stream.read(&mut request).await.unwrap();
                assert!(request[..len].starts_with(b"GET /cdn-cgi/access/certs HTTP/1.1\r\n"));
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, fetched, keys }
    }
}

async fn guarded(
    keys: &KeyServer,
    more: impl FnOnce(&mut harness::ProxyConfig),
) -> (Database<'static>, Proxy, u16) {
    let (_, database, proxy, door) = with_tunnel(|config| {
        config
            .set("tunnel.access.team_domain", TEAM)
            .set("tunnel.access.audience", vec![TAG])
            .set("tunnel.access.keys_url", keys.url.as_str());
        more(config);
    })
    .await;
    (database, proxy, door)
}

/// The SQLSTATE with which a client with these headers is refused; none when it is let in.
async fn refused(door: u16, headers: &[(&str, &str)], database: &Database<'_>) -> Option<String> {
    let edge = Edge::to(door, headers).await;
    let mut client = RawClient::connect(edge.port).await;
    let refused = client.log_in(&proxy::login(database), &[]).await.err();
    refused.map(|error| error.sqlstate().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn only_a_token_that_is_right_in_all_ways_is_believed() {
    let (key, other) = (Key::new("first"), Key::new("second"));
    let keys = KeyServer::of(&key).await;
    let (database, proxy, door) = guarded(&keys, |_| {}).await;
    let header = |alg: &str| json!({ "alg": alg, "kid": "first", "typ": "JWT" });
    let good = key.token(&claims(&json!({})));
    let person = claims(&json!({}));
    let none = format!("{}.", unsigned(&header("none"), &person));
    // The oldest trick: the public key as the secret of a symmetric signature.
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.pair.public_key().as_ref());
    let text = unsigned(&header("HS256"), &person);
    let confused = format!("{text}.{}", BASE64.encode(hmac::sign(&secret, text.as_bytes())));
    let (front, signature) = good.rsplit_once('.').unwrap();
    let other_claims = unsigned(&header("RS256"), &claims(&json!({ "email": "root@example.com" })));
    let service = json!({ "aud": [TAG], "exp": now() + 600, "iss": TEAM, "type": "app", "sub": "", "common_name": "e3.access" });
    for (what, token, believed) in [
        ("good", good.clone(), true),
        ("a service token", key.token(&service), true),
        ("expired", key.token(&claims(&json!({ "exp": now() - 60 }))), false),
        ("not yet", key.token(&claims(&json!({ "nbf": now() + 600 }))), false),
        ("for another", key.token(&claims(&json!({ "aud": ["other"] }))), false),
        ("from another", key.token(&claims(&json!({ "iss": "https://evil.example.com" }))), false),
        ("of no application", key.token(&claims(&json!({ "type": "org" }))), false),
        ("of nobody", key.token(&claims(&json!({ "email": "" }))), false),
        ("an unknown key", other.token(&person), false),
        ("another key of that name", other.sign(&header("RS256"), &person), false),
        ("no signature", none, false),
        ("a confused algorithm", confused, false),
        ("other claims", format!("{other_claims}.{signature}"), false),
        ("half of it", front.to_owned(), false),
        ("nonsense", "nonsense".to_owned(), false),
    ] {
        let refused = refused(door, &[(TOKEN, &token)], &database).await;
        assert_eq!(refused.as_deref(), if believed { None } else { Some("28000") }, "{what}");
    }
    assert_eq!(refused(door, &[], &database).await.as_deref(), Some("28000"), "none at all");
    let twice = [(TOKEN, good.as_str()), (TOKEN, good.as_str())];
    assert_eq!(refused(door, &twice, &database).await.as_deref(), Some("28000"), "two of them");
    assert_eq!(
        keys.fetched.load(Ordering::SeqCst),
        1,
        "a stranger's key is not asked for again and again"
    );
    // PostgreSQL's own door asks for a password alone.
    assert_eq!(proxy.raw(&database).await.query_value("select 'direct'").await, "direct");
    let mut stream = TcpStream::connect(("127.0.0.1", door)).await.unwrap();
    stream
        .write_all(
            b"POST /sql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        )
        .await
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 400") && said.contains("\"28000\""), "{said}");
    let log = proxy.log();
    assert!(!log.contains(signature), "a token is in the log");
    proxy.expect_log("a client was refused");
}

#[tokio::test]
async fn a_new_key_is_fetched_and_a_session_ends_with_its_token() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let keys = KeyServer::of(&old).await;
    let (database, proxy, door) = guarded(&keys, |config| {
        config.set("tunnel.access.grace_ms", 1_000);
    })
    .await;
    let short = old.token(&claims(&json!({ "exp": now() + 3 })));
    let edge = Edge::to(door, &[(TOKEN, &short)]).await;
    let mut client = RawClient::login(edge.port, &proxy::login(&database)).await;
    assert_eq!(client.query_value("select 'in time'").await, "in time");
    let rest = wait::within("the end of the session", client.read_to_end()).await;
    let last = rest.last().expect("a last word");
    assert_eq!((last.field(b'S'), last.sqlstate()), (Some("FATAL"), Some("57P01")), "{last:?}");
    *keys.keys.lock().unwrap() = vec![old.public(), new.public()];
    let token = new.token(&claims(&json!({})));
    wait::until("the new key is known", || async {
        refused(door, &[(TOKEN, &token)], &database).await.is_none()
    })
    .await;
    assert_eq!(keys.fetched.load(Ordering::SeqCst), 2);
    proxy.expect_log("a client was refused");
}

#[tokio::test]
async fn rules_and_rates_are_about_identities() {
    let key = Key::new("first");
    let keys = KeyServer::of(&key).await;
    let (database, proxy, door) = guarded(&keys, |config| {
        let table = |toml: &str| toml.parse::<Table>().unwrap();
        config.push(
            "gate.rules",
            table("name = 'not bob'\nverdict = 'deny'\nidentities = ['bob@example.com']"),
        );
        config.push(
            "gate.rules",
            table("name = 'us'\nverdict = 'allow'\nidentities = ['*@example.com']"),
        );
        config.push("gate.rules", table("name = 'here'\nverdict = 'allow'\nentrance = 'direct'"));
        config.set("gate.otherwise", "deny");
        config.push(
            "gate.rates",
            table("name = 'each'\neach = 'identity'\nmax = 2\nperiod_ms = 86_400_000"),
        );
    })
    .await;
    let token = |email: &str| key.token(&claims(&json!({ "email": email })));
    for (email, code) in [
        ("Ann@example.com", None),
        ("bob@example.com", Some("28000")),
        ("ann@example.org", Some("28000")),
    ] {
        assert_eq!(
            refused(door, &[(TOKEN, &token(email))], &database).await.as_deref(),
            code,
            "{email}"
        );
    }
    let edge = Edge::to(door, &[(TOKEN, &token("ann@example.com"))]).await;
    let mut client = RawClient::login(edge.port, &proxy::login(&database)).await;
    client.query("select 1").await;
    client.query("select 2").await;
    assert_eq!(client.query("select 3").await[0].sqlstate(), Some("53400"));
    let mut direct = proxy.raw(&database).await;
    for _ in 0..5 {
        assert_eq!(direct.query_value("select 'free'").await, "free");
    }
    proxy.expect_log("login refused");
}

#[tokio::test]
async fn keys_come_over_tls_from_whom_a_root_certifies_and_from_nobody_else() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let key = Key::new("first");
    let token = key.token(&claims(&json!({})));
    for (signer, code) in [(&authority, None), (&stranger, Some("57P03"))] {
        let keys = KeyServer::over_tls(&key, &signer.server(&["localhost"])).await;
        let root = harness::proxy_config::path_text(&authority.cert_file);
        let (database, proxy, door) = guarded(&keys, |config| {
            config.set("tunnel.access.keys_root_cert_file", root);
        })
        .await;
        assert_eq!(refused(door, &[(TOKEN, &token)], &database).await.as_deref(), code);
        if code.is_some() {
            proxy.expect_log("cannot be fetched");
            proxy.expect_log("a client was refused");
        }
    }
}

#[tokio::test]
async fn without_the_keys_nobody_is_believed_and_that_is_said() {
    let key = Key::new("first");
    let unreachable = KeyServer {
        url: "http://127.0.0.1:1/cdn-cgi/access/certs".to_owned(),
        fetched: Arc::default(),
        keys: Arc::default(),
    };
    let (database, proxy, door) = guarded(&unreachable, |_| {}).await;
    let token = key.token(&claims(&json!({})));
    let began = std::time::Instant::now();
    assert_eq!(refused(door, &[(TOKEN, &token)], &database).await.as_deref(), Some("57P03"));
    assert!(began.elapsed() < Duration::from_secs(30));
    proxy.expect_log("cannot be fetched");
    proxy.expect_log("a client was refused");
}
