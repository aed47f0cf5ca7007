//! The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), without input or output of its own.
//!
//! It proves itself with keys, from wherever they come. Must not know passwords, certificates or sockets.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::backend::secret::{ScramKeys, hmac_sha256, xor};

/// The mechanism's name in AuthenticationSASL.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The same with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The header of a message that is bound to the certificate of the TLS session (RFC 5802, section 7; RFC 5929).
pub const BOUND_HEADER: &str = "p=tls-server-end-point,,";

/// A server that asks for more rounds than this would keep a processor busy for seconds. PostgreSQL's default is 4,096
/// (`scram_iterations`).
const ITERATIONS_MAX: u32 = 1_000_000;

/// Bytes of randomness in a nonce, as in PostgreSQL (common/scram-common.h, `SCRAM_RAW_NONCE_LEN`).
const NONCE_LEN: usize = 18;

/// Why an exchange failed on the server's side.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message that does not have the form of RFC 5802.
    #[error("the server's {0} message is malformed")]
    Malformed(&'static str),
    /// The server's nonce does not continue ours: an answer to another exchange.
    #[error("the server's nonce does not continue the client's")]
    Nonce,
    /// More rounds than one should have to do.
    #[error("the server asks for {0} SCRAM iterations, more than {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The server ended the exchange with an error of its own.
    #[error("the server refused the exchange: {0}")]
    Refused(String),
    /// The server does not know the verifier: it is not the one it says it is.
    #[error("the server could not prove that it knows this user's verifier")]
    Signature,
}

/// What a client says about channel binding (RFC 5802, section 6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// It does not bind.
    #[default]
    None,
    /// It would, but was not offered to. A server that did offer then knows that someone took the offer out.
    Missed,
    /// It binds to the certificate with this digest.
    EndPoint(Vec<u8>),
}

impl Binding {
    /// The mechanism that goes with it.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::None | Self::Missed => SCRAM_SHA_256,
            Self::EndPoint(_) => SCRAM_SHA_256_PLUS,
        }
    }

    fn header(&self) -> &'static str {
        match self {
            Self::None => "n,,",
            Self::Missed => "y,,",
            Self::EndPoint(_) => BOUND_HEADER,
        }
    }

    /// The attribute `c` of the client-final message: the header, and what it binds to.
    fn attribute(&self) -> String {
        let digest = match self {
            Self::None | Self::Missed => &[][..],
            Self::EndPoint(digest) => digest,
        };
        BASE64.encode([self.header().as_bytes(), digest].concat())
    }
}

/// An exchange whose first message is made.
#[derive(Debug)]
pub struct ScramClient {
    binding: Binding,
    nonce: String,
    first_bare: String,
}

impl ScramClient {
    /// Begins an exchange. PostgreSQL takes the user from the startup packet and ignores the name in here, so it stays
    /// empty, as in libpq.
    pub fn start(binding: Binding) -> Self {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the system's random source never fails on Linux");
        Self::with_nonce(binding, "", BASE64.encode(nonce))
    }

    fn with_nonce(binding: Binding, user: &str, nonce: String) -> Self {
        Self { binding, first_bare: format!("n={user},r={nonce}"), nonce }
    }

    /// The client-first message.
    pub fn first(&self) -> String {
        format!("{}{}", self.binding.header(), self.first_bare)
    }

    /// Reads the server-first message, which says what the keys have to be derived with.
    pub fn challenge(self, server_first: &[u8]) -> Result<Challenge, ScramError> {
        let malformed = ScramError::Malformed("first");
        let text = std::str::from_utf8(server_first).map_err(|_| ScramError::Malformed("first"))?;
        let Some((nonce, salt, iterations)) = read_server_first(text) else {
            return Err(malformed);
        };
        let continues = nonce.strip_prefix(&self.nonce).is_some_and(|rest| !rest.is_empty());
        if !continues {
            return Err(ScramError::Nonce);
        }
        if iterations.get() > ITERATIONS_MAX {
            return Err(ScramError::Iterations(iterations.get()));
        }
        let final_bare = format!("c={},r={nonce}", self.binding.attribute());
        let auth_message = format!("{},{text},{final_bare}", self.first_bare);
        Ok(Challenge { salt, iterations, final_bare, auth_message })
    }
}

fn read_server_first(text: &str) -> Option<(&str, Vec<u8>, NonZeroU32)> {
    let mut parts = text.split(',');
    let nonce = parts.next()?.strip_prefix("r=")?;
    let salt = BASE64.decode(parts.next()?.strip_prefix("s=")?).ok()?;
    let iterations = parts.next()?.strip_prefix("i=")?.parse().ok()?;
    Some((nonce, salt, iterations))
}

/// What the server asks for.
#[derive(Debug)]
pub struct Challenge {
    /// The salt of the server's verifier.
    pub salt: Vec<u8>,
    /// The rounds of the server's verifier.
    pub iterations: NonZeroU32,
    final_bare: String,
    auth_message: String,
}

impl Challenge {
    /// The client-final message, and what the server must say to it.
    pub fn answer(self, keys: &ScramKeys) -> (String, Expected) {
        let signature = hmac_sha256(&keys.stored_key(), self.auth_message.as_bytes());
        let proof = BASE64.encode(xor(keys.client_key, &signature));
        let expected = Expected(hmac_sha256(&keys.server_key, self.auth_message.as_bytes()));
        (format!("{},p={proof}", self.final_bare), expected)
    }
}

/// The signature by which the server proves itself.
#[derive(Debug)]
pub struct Expected([u8; 32]);

impl Expected {
    /// Checks the server-final message.
    pub fn verify(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let malformed = || ScramError::Malformed("final");
        let text = std::str::from_utf8(server_final).map_err(|_| malformed())?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(error) = first.strip_prefix("e=") {
            return Err(ScramError::Refused(error.to_owned()));
        }
        let encoded = first.strip_prefix("v=").ok_or_else(malformed)?;
        let signature = BASE64.decode(encoded).map_err(|_| malformed())?;
        constant_time::verify_slices_are_equal(&signature, &self.0)
            .map_err(|_| ScramError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::secret::Password;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn exchange() -> (String, Expected) {
        let client = ScramClient::with_nonce(Binding::None, "user", NONCE.into());
        assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = client.challenge(SERVER_FIRST.as_bytes()).unwrap();
        let password = Password::new("pencil".into());
        let keys = password.derive_keys(&challenge.salt, challenge.iterations);
        challenge.answer(&keys)
    }

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let (answer, expected) = exchange();
        assert_eq!(
            answer,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(expected.verify(SERVER_FINAL.as_bytes()), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_verifier_is_found_out() {
        let (_, expected) = exchange();
        let other = SERVER_FINAL.replace("v=6", "v=7");
        for (message, error) in [
            (other.as_str(), ScramError::Signature),
            ("v=", ScramError::Signature),
            ("v=!", ScramError::Malformed("final")),
            ("", ScramError::Malformed("final")),
            ("e=other-error", ScramError::Refused("other-error".into())),
        ] {
            assert_eq!(expected.verify(message.as_bytes()), Err(error), "{message}");
        }
        assert_eq!(expected.verify(&[b'v', b'=', 0xff]), Err(ScramError::Malformed("final")));
    }

    #[test]
    fn a_bad_server_first_message_is_refused() {
        for (message, error) in [
            ("", ScramError::Malformed("first")),
            ("m=x,r=a,s=,i=1", ScramError::Malformed("first")),
            ("r=rOprNGfwEbeRWgbNEkqO+,s=?,i=1", ScramError::Malformed("first")),
            ("r=rOprNGfwEbeRWgbNEkqO+,s=AA==,i=0", ScramError::Malformed("first")),
            ("r=rOprNGfwEbeRWgbNEkqO+,s=AA==,i=4294967296", ScramError::Malformed("first")),
            ("r=rOprNGfwEbeRWgbNEkqO+,s=AA==", ScramError::Malformed("first")),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AA==,i=1", ScramError::Nonce),
            ("r=another,s=AA==,i=1", ScramError::Nonce),
            ("r=rOprNGfwEbeRWgbNEkqO+,s=AA==,i=1000001", ScramError::Iterations(1_000_001)),
        ] {
            let client = ScramClient::with_nonce(Binding::None, "user", NONCE.into());
            assert_eq!(client.challenge(message.as_bytes()).unwrap_err(), error, "{message}");
        }
    }

    #[test]
    fn no_two_exchanges_share_a_nonce() {
        let start = || ScramClient::start(Binding::None);
        assert_ne!(start().first(), start().first());
        assert_eq!(start().nonce.len(), 24);
    }

    #[test]
    fn each_binding_has_its_mechanism_header_and_attribute() {
        for (binding, mechanism, header, attribute) in [
            (Binding::None, SCRAM_SHA_256, "n,,", "biws"),
            (Binding::Missed, SCRAM_SHA_256, "y,,", "eSws"),
            (
                Binding::EndPoint(b"digest".to_vec()),
                SCRAM_SHA_256_PLUS,
                "p=tls-server-end-point,,",
                "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsZGlnZXN0",
            ),
        ] {
            assert_eq!((binding.mechanism(), binding.header()), (mechanism, header));
            assert_eq!(binding.attribute(), attribute);
            let first = ScramClient::start(binding).first();
            assert!(first.starts_with(&format!("{header}n=,r=")), "{first}");
        }
    }
}
