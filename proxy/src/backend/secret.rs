//! What a login to a server is proved with. Wiped from memory when dropped, never printed.
//!
//! Must not know how it came here or what protocol carries it.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{digest, hmac, pbkdf2};
use md5::{Digest, Md5};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a SHA-256 digest, hence of every SCRAM key.
pub const KEY_LEN: usize = 32;

/// The proof of who one is towards a server.
#[derive(Clone, Default)]
pub enum Secret {
    /// A password: answers whatever the server asks for.
    Password(Password),
    /// The keys of a SCRAM exchange: answer SCRAM alone, and only while the server keeps the same verifier.
    ScramKeys(ScramKeys),
    /// The hash that an md5 verifier is: answers md5 alone.
    Md5(Md5Hash),
    /// Nothing: for servers that trust, or know their peer otherwise.
    #[default]
    None,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Secret::Password",
            Self::ScramKeys(_) => "Secret::ScramKeys",
            Self::Md5(_) => "Secret::Md5",
            Self::None => "Secret::None",
        })
    }
}

/// A password as it was given. Clones share it, and the keys that were last derived from it.
#[derive(Clone)]
pub struct Password(Arc<Inner>);

struct Inner {
    text: Zeroizing<String>,
    derived: Mutex<Option<Derived>>,
}

/// A server keeps its salt for as long as the password, so one pair of keys is all that is ever asked for again.
struct Derived {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    keys: ScramKeys,
}

impl Password {
    /// Takes a password over.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Inner { text: Zeroizing::new(text), derived: Mutex::new(None) }))
    }

    /// The password itself, for a server that asks for it in clear.
    pub fn reveal(&self) -> &str {
        &self.0.text
    }

    /// The keys for this salt and count, when they were derived before.
    pub fn known_keys(&self, salt: &[u8], iterations: NonZeroU32) -> Option<ScramKeys> {
        let derived = self.0.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = derived.as_ref()?;
        (known.salt == salt && known.iterations == iterations).then(|| known.keys.clone())
    }

    /// Derives the keys (RFC 5802, section 3), which takes about a millisecond at 4,096 iterations: not for a thread
    /// that serves clients.
    pub fn derive_keys(&self, salt: &[u8], iterations: NonZeroU32) -> ScramKeys {
        // PostgreSQL takes a password that SASLprep refuses as it is (common/saslprep.c, `pg_saslprep`).
        let prepared = stringprep::saslprep(self.reveal()).unwrap_or(self.reveal().into());
        let mut salted = Zeroizing::new([0; KEY_LEN]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, salt, prepared.as_bytes(), salted.as_mut());
        let keys = ScramKeys {
            client_key: hmac_sha256(salted.as_ref(), b"Client Key"),
            server_key: hmac_sha256(salted.as_ref(), b"Server Key"),
        };
        let derived = Derived { salt: salt.to_vec(), iterations, keys: keys.clone() };
        *self.0.derived.lock().unwrap_or_else(PoisonError::into_inner) = Some(derived);
        keys
    }
}

/// Takes a time that does not tell how much of them is equal.
impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.reveal().as_bytes(), other.reveal().as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The keys that a SCRAM exchange proves (RFC 5802, section 3): enough to log in, not enough to know the password.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ScramKeys {
    /// Proves the client to the server.
    pub client_key: [u8; KEY_LEN],
    /// Proves the server to the client.
    pub server_key: [u8; KEY_LEN],
}

impl ScramKeys {
    /// What a server keeps to check the client's proof: the digest of the client key.
    pub fn stored_key(&self) -> [u8; KEY_LEN] {
        sha256(&self.client_key)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys")
    }
}

/// The 32 hexadecimal digits of md5(password, user): what PostgreSQL keeps behind the word `md5`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Md5Hash(String);

impl Md5Hash {
    /// Reads a verifier of the form `md5` and 32 hexadecimal digits (libpq/crypt.c, `get_password_type`).
    pub fn parse(verifier: &str) -> Option<Self> {
        let digits = verifier.strip_prefix("md5")?;
        let valid = digits.len() == 32
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(digits.to_owned()))
    }

    /// The hash of a user's password.
    pub fn of(password: &Password, user: &str) -> Self {
        Self(md5_hex(&[password.reveal().as_bytes(), user.as_bytes()]))
    }

    /// The answer to a challenge: `md5` and the digits of md5(hash, salt).
    pub fn answer(&self, salt: [u8; 4]) -> String {
        format!("md5{}", md5_hex(&[self.0.as_bytes(), &salt]))
    }
}

impl fmt::Debug for Md5Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Hash")
    }
}

/// HMAC with SHA-256.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; KEY_LEN] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
}

/// SHA-256.
pub fn sha256(message: &[u8]) -> [u8; KEY_LEN] {
    let digest = digest::digest(&digest::SHA256, message);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Bitwise exclusive or.
pub fn xor(mut left: [u8; KEY_LEN], right: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
    left
}

fn md5_hex(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

    #[test]
    fn nothing_secret_is_printed() {
        let password = Password::new("hunter2".into());
        let keys = password.derive_keys(b"salt", ROUNDS);
        let hash = Md5Hash::of(&password, "u");
        let shown = format!(
            "{password:?} {keys:?} {hash:?} {:?} {:?} {:?} {:?}",
            Secret::Password(password.clone()),
            Secret::ScramKeys(keys.clone()),
            Secret::Md5(hash.clone()),
            Secret::None,
        );
        let digits: Vec<_> = shown.chars().filter(char::is_ascii_digit).collect();
        // The only digits are those of the names Md5Hash and Secret::Md5.
        assert_eq!(digits, ['5', '5'], "{shown}");
        assert!(!shown.contains("hunter"));
    }

    #[test]
    fn keys_are_derived_once_per_salt_and_shared_by_clones() {
        let password = Password::new("pencil".into());
        let clone = password.clone();
        assert!(clone.known_keys(b"salt", ROUNDS).is_none());
        let keys = password.derive_keys(b"salt", ROUNDS);
        assert_eq!(clone.known_keys(b"salt", ROUNDS).unwrap().client_key, keys.client_key);
        assert!(clone.known_keys(b"other", ROUNDS).is_none());
        assert!(clone.known_keys(b"salt", NonZeroU32::MIN).is_none());
    }

    #[test]
    fn a_password_is_prepared_and_one_that_cannot_be_is_taken_as_it_is() {
        let keys = |text: &str| Password::new(text.into()).derive_keys(b"s", NonZeroU32::MIN);
        // SASLprep maps a soft hyphen to nothing (RFC 4013, section 3).
        assert_eq!(keys("I\u{ad}X").client_key, keys("IX").client_key);
        // A control character is prohibited.
        assert_ne!(keys("a\u{7}").client_key, keys("a").client_key);
    }

    #[test]
    fn an_md5_answer_is_the_one_of_postgresql() {
        // Made by PostgreSQL 15: create role alice password 'secret' with password_encryption = md5.
        let verifier = "md54a0a68b43b6cd5cf266fa02f196e2371";
        let hash = Md5Hash::parse(verifier).unwrap();
        assert_eq!(
            format!("md5{}", Md5Hash::of(&Password::new("secret".into()), "alice").0),
            verifier
        );
        assert_eq!(hash.answer([1, 2, 3, 4]), "md598a0412b9c31436fc53776e863350083");
    }

    #[test]
    fn only_an_md5_verifier_is_read_as_one() {
        for text in [
            "",
            "md5",
            "md5zz0a68b43b6cd5cf266fa02f196e2371",
            "md54A0A68B43B6CD5CF266FA02F196E2371",
        ] {
            assert!(Md5Hash::parse(text).is_none(), "{text}");
        }
    }
}
