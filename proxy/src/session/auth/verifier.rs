//! What PostgreSQL keeps of a password: enough to check a proof of it.
//!
//! Source: PostgreSQL, libpq/crypt.c and libpq/auth-scram.c. Must not know where verifiers are kept.

use std::num::NonZeroU32;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::backend::secret::{KEY_LEN, Md5Hash, Password, hmac_sha256};

/// PostgreSQL's own values (common/scram-common.h).
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("4096 is not zero");
const SALT_LEN: usize = 16;

/// A stored verifier.
#[derive(Clone, Debug)]
pub(super) enum Verifier {
    /// `SCRAM-SHA-256$...`
    Scram(ScramVerifier),
    /// `md5...`
    Md5(Md5Hash),
}

impl Verifier {
    /// Reads what `pg_authid.rolpassword` holds; none for anything but the two forms that PostgreSQL writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let scram = ScramVerifier::parse(text).map(Self::Scram);
        scram.or_else(|| Md5Hash::parse(text).map(Self::Md5))
    }
}

/// The parts of a SCRAM-SHA-256 verifier.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct ScramVerifier {
    /// Rounds of the derivation.
    #[zeroize(skip)]
    pub iterations: NonZeroU32,
    /// Salt of the derivation.
    pub salt: Vec<u8>,
    /// The digest of the client key.
    pub stored_key: [u8; KEY_LEN],
    /// Proves the server to the client.
    pub server_key: [u8; KEY_LEN],
}

impl ScramVerifier {
    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("SCRAM-SHA-256$")?.split('$');
        let (derivation, keys) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (iterations, salt) = derivation.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
        Some(Self {
            iterations: iterations.parse().ok()?,
            salt: BASE64.decode(salt).ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// The verifier of a password, with a salt of its own.
    pub(super) fn of(password: &Password) -> Self {
        let salt = random::<SALT_LEN>().to_vec();
        let keys = password.derive_keys(&salt, ITERATIONS);
        let (stored_key, server_key) = (keys.stored_key(), keys.server_key);
        Self { iterations: ITERATIONS, salt, stored_key, server_key }
    }

    /// A verifier that no password fits, for a user who is not there. The salt is always the same for one name, as it is
    /// for users who are (libpq/auth-scram.c, `mock_scram_secret`).
    pub(super) fn mock(user: &str, mock_key: &[u8; KEY_LEN]) -> Self {
        let salt = hmac_sha256(mock_key, user.as_bytes())[..SALT_LEN].to_vec();
        Self { iterations: ITERATIONS, salt, stored_key: random(), server_key: random() }
    }
}

impl std::fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScramVerifier")
    }
}

/// Random bytes.
pub(super) fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    rand::fill(&mut bytes).expect("the system's random source never fails on Linux");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the password "pencil", with the salt and the rounds of RFC 7677, as PostgreSQL would keep it.
    const TEXT: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                        wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn a_verifier_holds_what_is_derived_from_the_password() {
        let Some(Verifier::Scram(verifier)) = Verifier::parse(TEXT) else { panic!("not read") };
        let keys = Password::new("pencil".into()).derive_keys(&verifier.salt, verifier.iterations);
        assert_eq!(verifier.stored_key, keys.stored_key());
        assert_eq!(verifier.server_key, keys.server_key);
    }

    #[test]
    fn a_verifier_cut_off_at_any_byte_is_none() {
        for cut in 0..TEXT.len() {
            assert!(Verifier::parse(&TEXT[..cut]).is_none(), "cut at {cut}");
        }
        for text in [&format!("{TEXT}$x"), &TEXT.replace("4096", "0"), "plain text", ""] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_mock_keeps_its_salt_for_a_name_and_nothing_else() {
        let key = random();
        let [one, again, other] = ["u", "u", "v"].map(|user| ScramVerifier::mock(user, &key));
        assert_eq!(one.salt, again.salt);
        assert_ne!(one.salt, other.salt);
        assert_ne!(one.stored_key, again.stored_key);
        assert_ne!(one.salt, ScramVerifier::mock("u", &random()).salt);
    }
}
