//! A login taken one step at a time, so that a test can do something else at any of them.

use harness::message::{self, Message};
use harness::raw::{Login, RawClient};
use taskmaster_proxy::backend::scram::{Binding, Challenge, Expected, ScramClient};
use taskmaster_proxy::backend::secret::Password;

/// Sends the startup packet and returns the mechanisms that are offered.
pub(crate) async fn begin(client: &mut RawClient, login: &Login) -> Vec<String> {
    let parameters = [("user", &*login.user), ("database", &*login.database)];
    client.send(&message::startup(&parameters)).await;
    let request = client.read().await;
    assert_eq!((request.tag, &request.body[..4]), (b'R', &[0, 0, 0, 10][..]), "{request:?}");
    let names = request.body[4..].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Sends the client-first message and returns the server's, or its refusal.
pub(crate) async fn first(client: &mut RawClient, binding: Binding) -> Result<Challenge, Message> {
    let mechanism = binding.mechanism();
    first_of(client, mechanism, ScramClient::start(binding)).await
}

/// The same with any mechanism.
pub(crate) async fn first_of(
    client: &mut RawClient,
    mechanism: &str,
    scram: ScramClient,
) -> Result<Challenge, Message> {
    let first = scram.first();
    client.send(&sasl_initial(mechanism, &first)).await;
    let answer = client.read().await;
    match answer.tag {
        b'R' => Ok(scram.challenge(&answer.body[4..]).expect("a well-formed challenge")),
        _ => Err(answer),
    }
}

/// Sends the proof and returns AuthenticationSASLFinal, or the refusal.
pub(crate) async fn last(
    client: &mut RawClient,
    challenge: Challenge,
    password: &str,
) -> Result<Expected, Message> {
    let (proof, expected) = proof(challenge, password);
    client.send(&message::raw(b'p', proof.as_bytes())).await;
    let answer = client.read().await;
    match answer.tag {
        b'R' => {
            expected.verify(&answer.body[4..]).expect("the proxy knows the verifier");
            Ok(expected)
        }
        _ => Err(answer),
    }
}

/// The client-final message that answers a challenge.
pub(crate) fn proof(challenge: Challenge, password: &str) -> (String, Expected) {
    let keys = Password::new(password.into()).derive_keys(&challenge.salt, challenge.iterations);
    challenge.answer(&keys)
}

/// SASLInitialResponse.
pub(crate) fn sasl_initial(mechanism: &str, data: &str) -> Vec<u8> {
    let len = u32::try_from(data.len()).expect("a short message").to_be_bytes();
    message::raw(b'p', &[mechanism.as_bytes(), b"\0", &len, data.as_bytes()].concat())
}
