//! `identity_challenge`, `assume_identity`: how a proxy says whose session this is.

use pgrx::pg_extern;

use crate::domain::argument::Argument;
use crate::domain::identity::Identity;
use crate::domain::vouch::Statement;
use crate::store::{OrRaise, identity};

/// The 32 bytes that proofs for this backend are made over.
#[pg_extern(volatile, parallel_restricted)]
fn identity_challenge() -> Vec<u8> {
    identity::challenge().to_vec()
}

/// Makes `p_identity` (JSON: actor, tenant, client_addr, client_port) the identity of the session,
/// when `p_proof` shows that a proxy whose key this database knows says so.
#[pg_extern(volatile, parallel_unsafe)]
fn assume_identity(
    p_identity: Option<&str>,
    p_sequence: Option<i64>,
    p_proof: Option<&[u8]>,
) -> bool {
    let text = Argument("p_identity").required(p_identity).or_raise();
    let sequence = Argument("p_sequence").required(p_sequence).or_raise();
    let proof = Argument("p_proof").required(p_proof).or_raise();
    let statement = Statement { challenge: &identity::challenge(), sequence, identity: text };
    let parsed = Identity::parse(text);
    parsed.and_then(|parsed| identity::assume(&statement, proof, &parsed)).or_raise();
    true
}
