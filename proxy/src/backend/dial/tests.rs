//! Servers that answer a login well, wrongly, and not at all.

use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::*;
use crate::backend::scram::SCRAM_SHA_256;
use crate::backend::secret::{Md5Hash, Password};
use crate::backend::target::Config;
use crate::wire::error_response::error_response;
use crate::wire::greeting::{
    authentication_md5, authentication_ok, authentication_sasl, authentication_sasl_continue,
    backend_key_data, negotiate_protocol_version, parameter_status, ready_for_query,
};
use crate::wire::tag::TransactionStatus;

/// A server of one connection that does as it is told.
struct Server {
    listener: TcpListener,
}

impl Server {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn target(&self, ssl_mode: SslMode) -> Target {
        Target::new(&Config {
            host: "localhost".into(),
            port: self.listener.local_addr().unwrap().port(),
            ssl_mode,
            connect_timeout: Duration::from_secs(10),
            ..Config::default()
        })
        .unwrap()
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Dials with this secret while the server, having read the startup packet, sends `bytes` and reads on.
    async fn dial(&self, secret: &Secret, bytes: &[u8]) -> (Result<Dialed, ConnectError>, Vec<u8>) {
        let server = async {
            let mut stream = self.accept().await;
            read_packet(&mut stream).await;
            stream.write_all(bytes).await.unwrap();
            let mut read = Vec::new();
            let _ = stream.read_to_end(&mut read).await;
            read
        };
        let target = self.target(SslMode::Disable);
        let login = login(secret);
        let dialing = async {
            match dial(&target, &login).await {
                Ok(mut dialed) => {
                    dialed.stream.shutdown().await.unwrap();
                    Ok(dialed)
                }
                error => error,
            }
        };
        tokio::join!(dialing, server)
    }
}

async fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let len = stream.read_u32().await.unwrap();
    let mut packet = vec![0; len as usize - 4];
    stream.read_exact(&mut packet).await.unwrap();
    packet
}

fn login(secret: &Secret) -> Login<'_> {
    Login { user: "u", database: "d", secret, application_name: "a", own: None }
}

fn password() -> Secret {
    Secret::Password(Password::new("hunter2".into()))
}

fn greeting() -> Vec<u8> {
    let parts = [
        authentication_ok(),
        parameter_status("server_version", "15"),
        backend_key_data(7, &[1, 2, 3, 4]),
        ready_for_query(TransactionStatus::Idle),
    ];
    parts.concat()
}

#[tokio::test]
async fn a_login_ends_with_ready_for_query_and_everything_before_it_is_kept() {
    let server = Server::start().await;
    let (dialed, sent) = server.dial(&Secret::None, &greeting()).await;
    let dialed = dialed.unwrap();
    assert_eq!(dialed.parameters, [("server_version".to_owned(), "15".to_owned())]);
    assert_eq!((dialed.key.pid, dialed.key.secret.as_slice()), (7, &[1, 2, 3, 4][..]));
    assert_eq!(dialed.address, Address::Tcp(server.listener.local_addr().unwrap()));
    assert_eq!(sent, b"");
}

#[tokio::test]
async fn a_setting_reported_behind_ready_for_query_is_not_lost() {
    let server = Server::start().await;
    let bytes = [greeting(), parameter_status("server_version", "16")].concat();
    let (dialed, _) = server.dial(&Secret::None, &bytes).await;
    assert_eq!(dialed.unwrap().parameters, [("server_version".to_owned(), "16".to_owned())]);
}

#[tokio::test]
async fn a_password_does_not_go_over_the_network_in_clear() {
    let server = Server::start().await;
    let (dialed, sent) = server.dial(&password(), b"R\0\0\0\x08\0\0\0\x03").await;
    assert!(matches!(dialed, Err(ConnectError::Auth(AuthFault::Exposed))), "{dialed:?}");
    assert_eq!(sent, b"");
}

#[tokio::test]
async fn a_password_goes_over_a_unix_socket_in_clear_when_it_is_asked_for() {
    let directory = std::env::temp_dir().join(format!("taskmaster-dial-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path: PathBuf = directory.join(".s.PGSQL.5432");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let target = Target::new(&Config {
        host: directory.to_str().unwrap().into(),
        port: 5432,
        ssl_mode: SslMode::VerifyFull,
        connect_timeout: Duration::from_secs(10),
        ..Config::default()
    });
    let server = async {
        let mut stream = listener.accept().await.unwrap().0;
        let len = stream.read_u32().await.unwrap();
        stream.read_exact(&mut vec![0; len as usize - 4]).await.unwrap();
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
        let mut answer = [0; 13];
        stream.read_exact(&mut answer).await.unwrap();
        stream.write_all(&greeting()).await.unwrap();
        answer
    };
    let (target, secret) = (target.unwrap(), password());
    let login = login(&secret);
    let (dialed, answer) = tokio::join!(dial(&target, &login), server);
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(&answer, b"p\0\0\0\x0chunter2\0");
    assert_eq!(dialed.unwrap().address, Address::Unix(path));
}

#[tokio::test]
async fn md5_is_answered_with_the_hash() {
    let server = Server::start().await;
    let hash = Md5Hash::of(&Password::new("hunter2".into()), "u");
    let expected = format!("p\0\0\0\x28{}\0", hash.answer([1, 2, 3, 4]));
    let bytes = [authentication_md5([1, 2, 3, 4]), greeting()].concat();
    for secret in [password(), Secret::Md5(hash)] {
        let (dialed, sent) = server.dial(&secret, &bytes).await;
        assert!(dialed.is_ok());
        assert_eq!(sent, expected.as_bytes());
    }
}

#[tokio::test]
async fn a_server_that_skips_its_proof_is_not_believed() {
    let server = Server::start().await;
    let begun = authentication_sasl(&[SCRAM_SHA_256]);
    for bytes in [
        [begun.clone(), authentication_ok()].concat(),
        [begun, authentication_sasl_continue(b"r=x,s=AA==,i=1".to_vec())].concat(),
    ] {
        let (dialed, _) = server.dial(&password(), &bytes).await;
        assert!(matches!(dialed, Err(ConnectError::Protocol(_) | ConnectError::Auth(_))));
    }
}

#[tokio::test]
async fn a_method_that_cannot_be_answered_is_named_in_the_log_and_not_to_the_client() {
    let server = Server::start().await;
    for (secret, request, text) in [
        (Secret::None, authentication_md5([0; 4]), "md5, which cannot be answered with nothing"),
        (password(), b"R\0\0\0\x08\0\0\0\x07".to_vec(), "GSSAPI"),
        (password(), authentication_sasl(&["OAUTHBEARER"]), "OAUTHBEARER"),
    ] {
        let error = server.dial(&secret, &request).await.0.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.message().contains(text));
        assert_eq!(error.sqlstate(), SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_refusal_is_handed_on_as_the_server_said_it() {
    let server = Server::start().await;
    for (code, transient, severity) in [
        ("3D000", false, Severity::Fatal),
        ("28P01", false, Severity::Fatal),
        ("53300", true, Severity::Error),
        ("57P03", true, Severity::Error),
    ] {
        let refusal = ServerError {
            severity: "FATAL".into(),
            sqlstate: SqlState::parse(code).unwrap(),
            message: "m".into(),
            detail: Some("d".into()),
            hint: Some("h".into()),
        };
        let error = server.dial(&password(), &error_response(&refusal)).await.0.unwrap_err();
        assert_eq!((error.is_transient(), error.severity()), (transient, severity), "{code}");
        assert_eq!((error.sqlstate(), error.message()), (refusal.sqlstate, "m".into()));
        assert_eq!((error.detail(), error.hint()), (Some("d".into()), Some("h".into())));
        assert!(matches!(error, ConnectError::Refused(told) if told == refusal));
    }
}

#[tokio::test]
async fn an_older_server_is_gone_along_with_and_a_newer_one_gives_a_long_key() {
    let server = Server::start().await;
    let none: &[String] = &[];
    for version in [0x0003_0000, 0x0003_0001, 0] {
        let negotiated = negotiate_protocol_version(version, none);
        let (dialed, _) = server.dial(&Secret::None, &[negotiated, greeting()].concat()).await;
        assert_eq!(dialed.unwrap().key.secret, [1, 2, 3, 4], "{version:x}");
    }
    let parts = [
        authentication_ok(),
        backend_key_data(7, &[9; 32]),
        ready_for_query(TransactionStatus::Idle),
    ];
    let (dialed, _) = server.dial(&Secret::None, &parts.concat()).await;
    assert_eq!(dialed.unwrap().key.secret, [9; 32]);
    let unknown: &[String] = &["_pq_.x".to_owned()];
    for (version, options) in [
        (0x0003_0002, none),
        (0x0003_0003, none),
        (0x0002_0000, none),
        (0x0004_0000, none),
        (0x0003_0000, unknown),
    ] {
        let negotiated = negotiate_protocol_version(version, options);
        let (dialed, _) = server.dial(&Secret::None, &[negotiated, greeting()].concat()).await;
        assert!(matches!(dialed, Err(ConnectError::Protocol(_))), "{version:x} {dialed:?}");
    }
    let once = negotiate_protocol_version(0x0003_0000, none);
    let (dialed, _) = server.dial(&Secret::None, &[once.clone(), once, greeting()].concat()).await;
    assert!(matches!(dialed, Err(ConnectError::Protocol(_))), "{dialed:?}");
}

#[tokio::test]
async fn what_is_no_login_is_refused() {
    let server = Server::start().await;
    let ok = authentication_ok;
    for bytes in [
        b"HTTP/1.1 400 Bad Request".to_vec(),
        b"R\0\0\0\x06\0\0".to_vec(),
        b"R\0\0\0\x08\0\0\0\x0c".to_vec(),
        b"R\0\0\0\x0a\0\0\0\x05\x01\x02".to_vec(),
        b"R\0\0\0\x0c\0\0\0\x0aSCRA".to_vec(),
        [ok(), ok()].concat(),
        [ok(), b"K\0\0\0\x08\0\0\0\x07".to_vec()].concat(),
        [ok(), b"S\0\0\0\x06a\0".to_vec()].concat(),
        [ok(), b"D\0\0\0\x06\0\0".to_vec()].concat(),
    ] {
        let error = server.dial(&password(), &bytes).await.0.unwrap_err();
        let refused = matches!(error, ConnectError::Protocol(_) | ConnectError::Broken(_));
        assert!(refused, "{bytes:?} {error:?}");
        assert_eq!(error.sqlstate(), SqlState::CANNOT_CONNECT_NOW);
    }
}

#[tokio::test]
async fn a_server_without_tls_is_enough_for_prefer_alone() {
    let server = Server::start().await;
    for (mode, enough) in [
        (SslMode::Prefer, true),
        (SslMode::Require, false),
        (SslMode::VerifyCa, false),
        (SslMode::VerifyFull, false),
    ] {
        let target = server.target(mode);
        let server = async {
            let mut stream = server.accept().await;
            assert_eq!(read_packet(&mut stream).await, SSL_REQUEST[4..]);
            stream.write_all(b"N").await.unwrap();
            if enough {
                read_packet(&mut stream).await;
                stream.write_all(&greeting()).await.unwrap();
            }
            stream
        };
        let secret = Secret::None;
        let login = login(&secret);
        let (dialed, _stream) = tokio::join!(dial(&target, &login), server);
        match dialed {
            Ok(dialed) => assert!(enough && !dialed.stream.is_tls()),
            Err(error) => {
                assert!(matches!(error, ConnectError::TlsMissing { .. }), "{error}");
                assert!(!enough);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start().await;
    let target = server.target(SslMode::Prefer);
    let secret = Secret::None;
    let error = dial(&target, &login(&secret)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_the_client_learns_no_address() {
    let server = Server::start().await;
    let target = server.target(SslMode::Prefer);
    drop(server);
    let secret = Secret::None;
    let error = dial(&target, &login(&secret)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }));
    assert!(error.to_string().contains("localhost"));
    assert!(!error.message().contains("localhost"));
    assert_eq!(error.sqlstate(), SqlState::CANNOT_CONNECT_NOW);
}

#[tokio::test]
async fn a_cancel_request_carries_the_key_and_waits_for_the_end() {
    let server = Server::start().await;
    let target = server.target(SslMode::Disable);
    let address = Address::Tcp(server.listener.local_addr().unwrap());
    for secret in [vec![1, 2, 3, 4], vec![9; 32]] {
        let key = BackendKey { address: address.clone(), pid: 7, secret: secret.clone() };
        let server = async {
            let packet = read_packet(&mut server.accept().await).await;
            assert_eq!(packet[..8], [0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7]);
            assert_eq!(packet[8..], secret);
        };
        let (sent, ()) = tokio::join!(send_cancel(&target, &key), server);
        sent.unwrap();
    }
}
