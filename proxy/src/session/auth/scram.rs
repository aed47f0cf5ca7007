//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), without input or output of its own.
//!
//! Source: PostgreSQL, libpq/auth-scram.c, whose checks come in the same order with the same words. Must not know where
//! verifiers come from, nor certificates or sockets.

use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::backend::scram::{BOUND_HEADER, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use crate::backend::secret::{KEY_LEN, ScramKeys, hmac_sha256, sha256, xor};
use crate::error::SqlState;
use crate::session::auth::verifier::{ScramVerifier, random};

/// Bytes of randomness in a nonce (common/scram-common.h, `SCRAM_RAW_NONCE_LEN`).
const NONCE_LEN: usize = 18;

/// Why an exchange was ended before the proof was looked at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramFault {
    /// None of the mechanisms that were offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// Not the form of RFC 5802.
    #[error("malformed SCRAM message")]
    Malformed,
    /// The mechanism with channel binding, and a message without.
    #[error("malformed SCRAM message")]
    Unbound,
    /// The mechanism without channel binding, and a message with it.
    #[error("malformed SCRAM message")]
    Bound,
    /// Another kind of channel binding than the one there is.
    #[error("unsupported SCRAM channel-binding type")]
    BindingType,
    /// The client could bind and was kept from knowing that the proxy can: somebody is in between.
    #[error("SCRAM channel binding negotiation error")]
    Downgrade,
    /// The client logs in as one and wants to act as another.
    #[error("client uses authorization identity, but it is not supported")]
    AuthorizationIdentity,
    /// The client insists on what is not known.
    #[error("client requires an unsupported SCRAM extension")]
    Extension,
    /// The client is bound to another certificate: somebody is in between.
    #[error("SCRAM channel binding check failed")]
    BindingCheck,
    /// The binding at the end is not the one from the beginning.
    #[error("unexpected SCRAM channel-binding attribute in client-final-message")]
    BindingAttribute,
    /// An answer to another exchange.
    #[error("invalid SCRAM response")]
    Nonce,
}

impl ScramFault {
    /// The code that PostgreSQL gives.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Downgrade | Self::BindingCheck => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            Self::AuthorizationIdentity | Self::Extension => SqlState::FEATURE_NOT_SUPPORTED,
            _ => SqlState::PROTOCOL_VIOLATION,
        }
    }

    /// What PostgreSQL adds.
    pub fn detail(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unbound => {
                "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data."
            }
            Self::Bound => {
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel \
                 binding data."
            }
            Self::Downgrade => {
                "The client supports SCRAM channel binding but thinks the server does not.  However, this server does \
                 support channel binding."
            }
            Self::Nonce => "Nonce does not match.",
            _ => return None,
        })
    }
}

/// The mechanisms that are offered, the better one first; `end_point` is what the client's connection can be bound to.
pub(super) fn mechanisms(end_point: Option<&[u8]>) -> &'static [&'static str] {
    match end_point {
        Some(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
        None => &[SCRAM_SHA_256],
    }
}

/// An exchange whose first two messages are there.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    verifier: &'a ScramVerifier,
    binding: Bound<'a>,
    nonce: String,
    first_bare: &'a str,
    server_first: String,
}

/// What the client-final message has to repeat.
#[derive(Clone, Copy, Debug)]
enum Bound<'a> {
    /// The flag alone.
    No(&'static str),
    /// The flag and this digest.
    EndPoint(&'a [u8]),
}

/// What a right proof gives.
#[derive(Debug)]
pub(super) struct Proved {
    /// With these one can log in to the server that the verifier came from.
    pub(super) keys: ScramKeys,
    /// The message that proves the proxy to the client.
    pub(super) server_final: String,
}

impl<'a> Exchange<'a> {
    /// Reads the client-first message, which came with the name of a mechanism.
    pub(super) fn begin(
        verifier: &'a ScramVerifier,
        end_point: Option<&'a [u8]>,
        mechanism: &[u8],
        client_first: &'a [u8],
    ) -> Result<Self, ScramFault> {
        let offered = mechanisms(end_point).iter().find(|name| name.as_bytes() == mechanism);
        let mechanism = *offered.ok_or(ScramFault::Mechanism)?;
        let client_first = std::str::from_utf8(client_first).map_err(|_| ScramFault::Malformed)?;
        let (binding, rest) = read_flag(client_first, end_point, mechanism)?;
        let first_bare = read_identity(rest)?;
        let client_nonce = read_nonce(first_bare)?;
        let nonce = format!("{client_nonce}{}", BASE64.encode(random::<NONCE_LEN>()));
        let salt = BASE64.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        Ok(Self { verifier, binding, nonce, first_bare, server_first })
    }

    /// The server-first message.
    pub(super) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Reads the client-final message. None: the proof is wrong.
    pub(super) fn finish(self, client_final: &[u8]) -> Result<Option<Proved>, ScramFault> {
        let text = std::str::from_utf8(client_final).map_err(|_| ScramFault::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramFault::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = value(attributes.next(), "c=")?;
        self.binding.check(binding)?;
        if value(attributes.next(), "r=")? != self.nonce {
            return Err(ScramFault::Nonce);
        }
        attributes.try_for_each(read_extension)?;
        let proof = BASE64.decode(proof).map_err(|_| ScramFault::Malformed)?;
        let proof = proof.try_into().map_err(|_| ScramFault::Malformed)?;
        let message = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        Ok(self.judge(proof, message.as_bytes()))
    }

    /// ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage) (RFC 5802, section 3), right when its digest is the
    /// stored key.
    fn judge(&self, proof: [u8; KEY_LEN], message: &[u8]) -> Option<Proved> {
        let ScramVerifier { stored_key, server_key, .. } = self.verifier;
        let client_key = xor(proof, &hmac_sha256(stored_key, message));
        constant_time::verify_slices_are_equal(&sha256(&client_key), stored_key).ok()?;
        let server_final = format!("v={}", BASE64.encode(hmac_sha256(server_key, message)));
        Some(Proved { keys: ScramKeys { client_key, server_key: *server_key }, server_final })
    }
}

impl Bound<'_> {
    fn check(self, attribute: &str) -> Result<(), ScramFault> {
        match self {
            Self::No(header) if BASE64.encode(header) == attribute => Ok(()),
            Self::No(_) => Err(ScramFault::BindingAttribute),
            Self::EndPoint(digest) => {
                let expected = BASE64.encode([BOUND_HEADER.as_bytes(), digest].concat());
                if expected == attribute { Ok(()) } else { Err(ScramFault::BindingCheck) }
            }
        }
    }
}

/// The flag of channel binding, with its comma, and what follows it.
fn read_flag<'a, 't>(
    text: &'t str,
    end_point: Option<&'a [u8]>,
    mechanism: &str,
) -> Result<(Bound<'a>, &'t str), ScramFault> {
    let plus = mechanism == SCRAM_SHA_256_PLUS;
    let (flag, rest) = text.split_once(',').ok_or(ScramFault::Malformed)?;
    let bound = match (flag.as_bytes(), end_point) {
        ([b'n' | b'y'], _) if plus => return Err(ScramFault::Unbound),
        ([b'y'], Some(_)) => return Err(ScramFault::Downgrade),
        ([b'n'], _) => Bound::No("n,,"),
        ([b'y'], None) => Bound::No("y,,"),
        ([b'p', b'=', ..], _) if !plus => return Err(ScramFault::Bound),
        (b"p=tls-server-end-point", Some(digest)) => Bound::EndPoint(digest),
        ([b'p', b'=', ..], _) => return Err(ScramFault::BindingType),
        _ => return Err(ScramFault::Malformed),
    };
    Ok((bound, rest))
}

/// What follows the header, which must name no identity, and must begin with no extension.
fn read_identity(rest: &str) -> Result<&str, ScramFault> {
    match rest.strip_prefix(',') {
        Some(bare) if bare.starts_with('m') => Err(ScramFault::Extension),
        Some(bare) => Ok(bare),
        None if rest.starts_with('a') => Err(ScramFault::AuthorizationIdentity),
        None => Err(ScramFault::Malformed),
    }
}

/// The nonce of client-first-message-bare, which begins with a user name that PostgreSQL ignores.
fn read_nonce(bare: &str) -> Result<&str, ScramFault> {
    let mut attributes = bare.split(',');
    value(attributes.next(), "n=")?;
    let nonce = value(attributes.next(), "r=")?;
    if !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ScramFault::Malformed);
    }
    attributes.try_for_each(read_extension)?;
    Ok(nonce)
}

fn value<'t>(attribute: Option<&'t str>, name: &str) -> Result<&'t str, ScramFault> {
    attribute.and_then(|text| text.strip_prefix(name)).ok_or(ScramFault::Malformed)
}

/// An extension that is not mandatory: a letter and a value, which are ignored.
fn read_extension(attribute: &str) -> Result<(), ScramFault> {
    match attribute.as_bytes() {
        [name, b'=', ..] if name.is_ascii_alphabetic() => Ok(()),
        _ => Err(ScramFault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::scram::{Binding, ScramClient};
    use crate::backend::secret::Password;

    const DIGEST: &[u8] = b"the digest of a certificate";
    const BOUND_FIRST: &str = "p=tls-server-end-point,,n=,r=abc";

    fn verifier() -> ScramVerifier {
        ScramVerifier::of(&Password::new("right".into()))
    }

    fn begin(end_point: Option<&[u8]>, mechanism: &str, first: &str) -> Result<(), ScramFault> {
        let (verifier, mechanism) = (verifier(), mechanism.as_bytes());
        Exchange::begin(&verifier, end_point, mechanism, first.as_bytes()).map(|_| ())
    }

    #[test]
    fn a_right_proof_gives_the_keys_and_a_wrong_one_gives_nothing() {
        for (binding, end_point) in [
            (Binding::None, None),
            (Binding::Missed, None),
            (Binding::None, Some(DIGEST)),
            (Binding::EndPoint(DIGEST.to_vec()), Some(DIGEST)),
        ] {
            for (password, right) in [("right", true), ("wrong", false)] {
                let (verifier, client) = (verifier(), ScramClient::start(binding.clone()));
                let (first, mechanism) = (client.first(), binding.mechanism().as_bytes());
                let exchange =
                    Exchange::begin(&verifier, end_point, mechanism, first.as_bytes()).unwrap();
                let challenge = client.challenge(exchange.server_first().as_bytes()).unwrap();
                let password = Password::new(password.into());
                let keys = password.derive_keys(&challenge.salt, challenge.iterations);
                let (answer, expected) = challenge.answer(&keys);
                let proved = exchange.finish(answer.as_bytes()).unwrap();
                assert_eq!(proved.is_some(), right, "{binding:?}");
                if let Some(proved) = proved {
                    assert_eq!(proved.keys.client_key, keys.client_key);
                    expected.verify(proved.server_final.as_bytes()).unwrap();
                }
            }
        }
    }

    #[test]
    fn each_first_message_is_met_as_postgresql_meets_it() {
        use ScramFault::*;
        let (plain, plus, bound) = (SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Some(DIGEST));
        for (end_point, mechanism, first, expected) in [
            (None, plain, "n,,n=,r=abc", Ok(())),
            (None, plain, "y,,n=,r=abc", Ok(())),
            (None, plain, "n,,n=someone,r=abc,x=ignored", Ok(())),
            (bound, plain, "n,,n=,r=abc", Ok(())),
            (bound, plus, BOUND_FIRST, Ok(())),
            (bound, plain, "y,,n=,r=abc", Err(Downgrade)),
            (bound, plus, "n,,n=,r=abc", Err(Unbound)),
            (bound, plus, "y,,n=,r=abc", Err(Unbound)),
            (bound, plain, BOUND_FIRST, Err(Bound)),
            (None, plain, BOUND_FIRST, Err(Bound)),
            (None, plus, BOUND_FIRST, Err(Mechanism)),
            (bound, plus, "p=tls-unique,,n=,r=abc", Err(BindingType)),
            (None, "PLAIN", "n,,n=,r=abc", Err(Mechanism)),
            (None, "", "", Err(Mechanism)),
            (None, plain, "n,a=other,n=,r=abc", Err(AuthorizationIdentity)),
            (None, plain, "n,,m=x,n=,r=abc", Err(Extension)),
            (None, plain, "x,,n=,r=abc", Err(Malformed)),
            (None, plain, "n=,,n=,r=abc", Err(Malformed)),
            (None, plain, "n,n=,r=abc", Err(Malformed)),
            (None, plain, "n,,r=abc", Err(Malformed)),
            (None, plain, "n,,n=,r=a c", Err(Malformed)),
            (None, plain, "n,,n=,r=abc,", Err(Malformed)),
            (None, plain, "", Err(Malformed)),
        ] {
            assert_eq!(begin(end_point, mechanism, first), expected, "{mechanism} {first}");
        }
    }

    #[test]
    fn each_last_message_is_met_as_postgresql_meets_it() {
        use ScramFault::*;
        let bound = [BOUND_HEADER.as_bytes(), DIGEST].concat();
        let other = [BOUND_HEADER.as_bytes(), b"another certificate"].concat();
        let (bound, other) = (BASE64.encode(bound), BASE64.encode(other));
        let proof = BASE64.encode([0; KEY_LEN]);
        for (end_point, last, expected) in [
            (None, format!("c=biws,r={{nonce}},p={proof}"), Ok(())),
            (None, format!("c=biws,r={{nonce}},x=y,p={proof}"), Ok(())),
            (Some(DIGEST), format!("c={bound},r={{nonce}},p={proof}"), Ok(())),
            (Some(DIGEST), format!("c={other},r={{nonce}},p={proof}"), Err(BindingCheck)),
            (Some(DIGEST), format!("c=biws,r={{nonce}},p={proof}"), Err(BindingCheck)),
            (None, format!("c={bound},r={{nonce}},p={proof}"), Err(BindingAttribute)),
            (None, format!("c=eSws,r={{nonce}},p={proof}"), Err(BindingAttribute)),
            (None, format!("c=biws,r=abc,p={proof}"), Err(Nonce)),
            (None, format!("c=biws,r={{nonce}}x,p={proof}"), Err(Nonce)),
            (None, format!("c=biws,r={{nonce}},1=y,p={proof}"), Err(Malformed)),
            (None, "c=biws,r={nonce},p=AAAA".into(), Err(Malformed)),
            (None, "c=biws,r={nonce},p=!".into(), Err(Malformed)),
            (None, format!("c=biws,r={{nonce}},p={proof},x=y"), Err(Malformed)),
            (None, "c=biws,r={nonce}".into(), Err(Malformed)),
            (None, format!("r={{nonce}},p={proof}"), Err(Malformed)),
            (None, String::new(), Err(Malformed)),
        ] {
            let verifier = verifier();
            let (mechanism, first) = match end_point {
                Some(_) => (SCRAM_SHA_256_PLUS, BOUND_FIRST),
                None => (SCRAM_SHA_256, "n,,n=,r=abc"),
            };
            let (mechanism, first) = (mechanism.as_bytes(), first.as_bytes());
            let exchange = Exchange::begin(&verifier, end_point, mechanism, first).unwrap();
            let last = last.replace("{nonce}", &exchange.nonce);
            let outcome = exchange.finish(last.as_bytes());
            let wrong = outcome.map(|proved| assert!(proved.is_none(), "a zero proof was right"));
            assert_eq!(wrong, expected, "{last}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let verifier = verifier();
        let mechanism = SCRAM_SHA_256.as_bytes();
        let begun = Exchange::begin(&verifier, None, mechanism, b"n,,n=\xff,r=abc");
        assert_eq!(begun.unwrap_err(), ScramFault::Malformed);
        let exchange = Exchange::begin(&verifier, None, mechanism, b"n,,n=,r=abc").unwrap();
        assert_eq!(exchange.finish(b"\xff").unwrap_err(), ScramFault::Malformed);
    }

    #[test]
    fn binding_is_offered_first_and_only_where_there_is_something_to_bind_to() {
        assert_eq!(mechanisms(None), [SCRAM_SHA_256]);
        assert_eq!(mechanisms(Some(DIGEST)), [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
    }
}
