//! Every message at every step of a login where it does not belong: refused with 08P01, the
//! connection closed, and the proxy serves on. A second startup packet in the middle of SCRAM was a
//! real hole in another pooler (CVE-2026-107350).

use harness::message;
use harness::raw::{Login, RawClient};
use harness::{Database, Proxy, proxy};
use taskmaster_proxy::backend::scram::{Binding, SCRAM_SHA_256};

use crate::login_steps::{begin, first, last, proof, sasl_initial};
use crate::support::{assert_serves, first_error, proxied_by};

/// Where in the login a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It has said nothing.
    Connected,
    /// It has asked for TLS and was told that there is none.
    TlsDenied,
    /// It is to send the client-first message.
    SaslBegun,
    /// It is to send the proof.
    SaslContinued,
    /// It is to send the answer to an md5 challenge.
    Md5Asked,
    /// It is in.
    LoggedIn,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Connected,
        Self::TlsDenied,
        Self::SaslBegun,
        Self::SaslContinued,
        Self::Md5Asked,
        Self::LoggedIn,
    ];

    /// A client that stands here.
    async fn reach(self, proxy: &Proxy, login: &Login) -> RawClient {
        let mut client = RawClient::connect(proxy.port).await;
        match self {
            Self::Connected => {}
            Self::TlsDenied => {
                client.send(&SSL_REQUEST).await;
                assert_eq!(client.read_byte().await, b'N');
            }
            Self::SaslBegun => drop(begin(&mut client, login).await),
            Self::SaslContinued => {
                begin(&mut client, login).await;
                first(&mut client, Binding::None).await.unwrap();
            }
            Self::Md5Asked => {
                let parameters = [("user", MD5_ROLE), ("database", &*login.database)];
                client.send(&message::startup(&parameters)).await;
                let request = client.read().await;
                assert_eq!((request.tag, request.body[3]), (b'R', 5), "{request:?}");
            }
            Self::LoggedIn => drop(client.log_in(login, &[]).await.unwrap()),
        }
        client
    }
}

const MD5_ROLE: &str = "order_md5";
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
const CANCEL_REQUEST: [u8; 16] = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];

/// Each frontend message once, well-formed, and what else begins like one.
fn messages(login: &Login) -> Vec<(&'static str, Vec<u8>)> {
    let startup = message::startup(&[("user", &login.user), ("database", &login.database)]);
    vec![
        ("Bind", message::bind("", &[])),
        ("Close", message::close(b'S', "s")),
        ("CopyData", message::copy_data(b"1\n")),
        ("CopyDone", message::copy_done()),
        ("CopyFail", message::copy_fail("enough")),
        ("Describe", message::describe(b'S', "")),
        ("Execute", message::execute("", 0)),
        ("Flush", message::flush()),
        ("FunctionCall", message::raw(b'F', &[0; 10])),
        ("Parse", message::parse("", "select 1")),
        ("Query", message::query("select 1")),
        ("Sync", message::sync()),
        ("Terminate", message::terminate()),
        ("an empty password", message::raw(b'p', b"\0")),
        ("a password without an end", message::raw(b'p', b"guess")),
        ("an empty answer", message::raw(b'p', b"")),
        ("a second SASL begin", sasl_initial(SCRAM_SHA_256, "n,,n=,r=")),
        ("an unknown message", message::raw(b'?', b"what")),
        ("StartupMessage", startup),
        ("SSLRequest", SSL_REQUEST.to_vec()),
        ("GSSENCRequest", GSSENC_REQUEST.to_vec()),
        ("CancelRequest", CANCEL_REQUEST.to_vec()),
    ]
}

/// What belongs where it is sent, or is refused as something else than a broken protocol.
fn is_in_order(step: Step, name: &str) -> bool {
    match step {
        Step::Connected => {
            ["StartupMessage", "SSLRequest", "GSSENCRequest", "CancelRequest"].contains(&name)
        }
        // A second wish for TLS is not in order.
        Step::TlsDenied => ["StartupMessage", "GSSENCRequest", "CancelRequest"].contains(&name),
        Step::SaslBegun => name == "a second SASL begin",
        Step::SaslContinued => false,
        // A password message that is a wrong password.
        Step::Md5Asked => name == "an empty password",
        // What begins with `p` has no place any more; the rest is ordinary traffic.
        Step::LoggedIn => {
            !["an empty password", "a password without an end", "an empty answer"].contains(&name)
                && !["a second SASL begin", "an unknown message", "StartupMessage"].contains(&name)
                && !["SSLRequest", "GSSENCRequest", "CancelRequest"].contains(&name)
        }
    }
}

async fn with_md5_role() -> (Database<'static>, Proxy) {
    let (cluster, database, proxy) = proxied_by(1).await;
    let sql = format!(
        "do $$ begin set local password_encryption = 'md5'; \
         create role {MD5_ROLE} login password 'x'; \
         exception when duplicate_object then null; end $$"
    );
    cluster.admin().await.batch_execute(&sql).await.unwrap();
    (database, proxy)
}

#[tokio::test]
async fn every_message_at_every_step_where_it_does_not_belong_is_a_violation() {
    let (database, proxy) = with_md5_role().await;
    let login = proxy::login(&database);
    let mut refused = 0;
    for step in Step::ALL {
        for (name, bytes) in messages(&login) {
            if is_in_order(step, name) {
                continue;
            }
            let mut client = step.reach(&proxy, &login).await;
            client.send(&bytes).await;
            // A message that is cut off is not waited for.
            client.shutdown().await;
            let answers = client.read_to_end().await;
            assert_eq!(first_error(&answers), "08P01", "{name} when {step:?}: {answers:?}");
            assert_eq!(answers[0].field(b'S'), Some("FATAL"), "{name} when {step:?}");
            assert_eq!(answers.len(), 1, "{name} when {step:?}: {answers:?}");
            refused += 1;
        }
        assert_serves(&proxy, &database).await;
    }
    assert!(refused > 90, "only {refused} messages were out of order");
}

#[tokio::test]
async fn nobody_becomes_another_by_a_second_startup_packet() {
    let (database, proxy) = with_md5_role().await;
    let login = proxy::login(&database);
    let other = message::startup(&[("user", MD5_ROLE), ("database", &login.database)]);
    // Between any two messages, and the exchange then goes on as if nothing had happened.
    for at in [Step::SaslBegun, Step::SaslContinued] {
        let mut client = RawClient::connect(proxy.port).await;
        begin(&mut client, &login).await;
        if at == Step::SaslBegun {
            client
                .send(&[other.clone(), sasl_initial(SCRAM_SHA_256, "n,,n=,r=abc")].concat())
                .await;
        } else {
            let challenge = first(&mut client, Binding::None).await.unwrap();
            let (proof, _) = proof(challenge, &login.password);
            client.send(&[other.clone(), message::raw(b'p', proof.as_bytes())].concat()).await;
        }
        let answers = client.read_to_end().await;
        assert_eq!(first_error(&answers), "08P01", "{at:?}");
        assert_eq!(answers.len(), 1, "{at:?}: {answers:?}");
    }
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_login_in_order_goes_through_step_by_step() {
    let (_, database, proxy) = proxied_by(1).await;
    let login = proxy::login(&database);
    let mut client = RawClient::connect(proxy.port).await;
    assert_eq!(begin(&mut client, &login).await, [SCRAM_SHA_256]);
    let challenge = first(&mut client, Binding::None).await.unwrap();
    last(&mut client, challenge, &login.password).await.unwrap();
    let greeting = client.read_until_ready().await;
    assert_eq!(greeting[0].tag, b'R');
    assert_eq!(client.query_value("select 'in'").await, "in");
}
