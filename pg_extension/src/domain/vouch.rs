//! How a proxy proves that an identity comes from it: the proof of SCRAM (RFC 5802, section 3) over
//! a message of our own. The database keeps the hash of the proxy's key, so that who reads a dump
//! cannot vouch; a proof is good for one challenge, one number and one identity, so that who reads
//! a log cannot either. Must not know where keys and challenges are kept.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// A key, the hash of one, a challenge and a proof are all of this length.
pub(crate) const KEY_LEN: usize = 32;

/// 32 bytes.
pub(crate) type Key = [u8; KEY_LEN];

/// Keeps proofs for this purpose apart from proofs for any other.
const PURPOSE: &[u8] = b"taskmaster identity 1\0";

/// What is proved: that the proxy says this, as its answer of this number, to this backend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a> {
    /// Chosen by the backend, at random.
    pub(crate) challenge: &'a Key,
    /// Larger than that of each statement before.
    pub(crate) sequence: i64,
    /// The identity, byte for byte as it was sent.
    pub(crate) identity: &'a str,
}

impl Statement<'_> {
    /// Whether `proof` was made by who knows the key that `stored_key` is the SHA-256 of.
    pub(crate) fn is_proved(&self, stored_key: &Key, proof: &Key) -> bool {
        let key = xor(proof, &self.signature(stored_key));
        let hash: Key = Sha256::digest(key).into();
        // The sender learns nothing from how long this takes: the hash is not of its choosing.
        hash == *stored_key
    }

    fn signature(&self, stored_key: &Key) -> Key {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(stored_key).expect("HMAC takes a key of any length");
        mac.update(PURPOSE);
        mac.update(self.challenge);
        mac.update(&self.sequence.to_be_bytes());
        mac.update(self.identity.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|index| one[index] ^ other[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; KEY_LEN];

    fn stored() -> Key {
        Sha256::digest(KEY).into()
    }

    fn statement<'a>(challenge: &'a Key, sequence: i64, identity: &'a str) -> Statement<'a> {
        Statement { challenge, sequence, identity }
    }

    #[test]
    fn a_proof_is_good_for_what_it_was_made_for_alone() {
        let (here, elsewhere) = ([1; KEY_LEN], [2; KEY_LEN]);
        let proof = xor(&KEY, &statement(&here, 5, "{}").signature(&stored()));
        assert!(statement(&here, 5, "{}").is_proved(&stored(), &proof));
        assert!(!statement(&elsewhere, 5, "{}").is_proved(&stored(), &proof));
        assert!(!statement(&here, 6, "{}").is_proved(&stored(), &proof));
        assert!(!statement(&here, 5, "{} ").is_proved(&stored(), &proof));
        assert!(!statement(&here, 5, "{}").is_proved(&[0; KEY_LEN], &proof));
    }

    #[test]
    fn the_hash_of_the_key_proves_nothing() {
        let here = [1; KEY_LEN];
        let forged = xor(&stored(), &statement(&here, 1, "{}").signature(&stored()));
        assert!(!statement(&here, 1, "{}").is_proved(&stored(), &forged));
        assert!(!statement(&here, 1, "{}").is_proved(&stored(), &[0; KEY_LEN]));
    }
}
