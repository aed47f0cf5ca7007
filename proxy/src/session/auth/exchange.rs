//! The server's side of SCRAM-SHA-256 and md5: the messages, and what a right proof reveals.
//!
//! pgwire checks the SCRAM proof; what it keeps to itself, the client's key, is derived here. Must not know where
//! verifiers come from.

use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pgwire::api::auth::sasl::scram::{ScramSecret, ScramServerAuth};
use pgwire::error::PgWireError;
use tokio::io::AsyncWriteExt;

use crate::backend::scram::SCRAM_SHA_256;
use crate::backend::secret::{KEY_LEN, Md5Hash, ScramKeys, Secret, hmac_sha256, sha256, xor};
use crate::net::stream::ClientStream;
use crate::session::auth::response::{
    Awaited, ResponseError, read_password, read_response, read_sasl_initial,
};
use crate::session::auth::verifier::{ScramVerifier, random};
use crate::wire::greeting::{
    authentication_md5, authentication_sasl, authentication_sasl_continue,
    authentication_sasl_final,
};

/// What a client's proof turned out to be.
#[derive(Debug)]
pub(super) enum Proof {
    /// It fits; with this one can log in to the server that the verifier came from.
    Right(Secret),
    /// It does not fit.
    Wrong,
}

/// Asks for a SCRAM-SHA-256 proof.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed.
pub(super) async fn prove_scram(
    stream: &mut ClientStream,
    verifier: &ScramVerifier,
) -> Result<Proof, ResponseError> {
    send(stream, authentication_sasl(&[SCRAM_SHA_256])).await?;
    let response = read_response(stream, Awaited::Sasl).await?;
    let client_first = read_client_first(&response)?;
    let (server_first, server) = ScramServerAuth::new()
        .on_client_first_message_with_secret(client_first, secret_of(verifier))
        .map_err(|_| ResponseError::Malformed("malformed SCRAM message"))?;
    send(stream, authentication_sasl_continue(server_first.clone().into_bytes())).await?;
    let client_final = read_response(stream, Awaited::Sasl).await?;
    let server_final = match server.on_client_final_message(&client_final) {
        Ok(server_final) => server_final,
        Err(PgWireError::InvalidPassword(_)) => return Ok(Proof::Wrong),
        Err(_) => return Err(ResponseError::Malformed("malformed SCRAM message")),
    };
    let Some(client_key) = client_key(verifier, client_first, &server_first, &client_final) else {
        return Ok(Proof::Wrong);
    };
    send(stream, authentication_sasl_final(server_final.into_bytes())).await?;
    Ok(Proof::Right(Secret::ScramKeys(ScramKeys { client_key, server_key: verifier.server_key })))
}

/// Asks for an md5 proof, for roles whose verifier is nothing better.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed.
pub(super) async fn prove_md5(
    stream: &mut ClientStream,
    hash: &Md5Hash,
) -> Result<Proof, ResponseError> {
    let salt = random();
    send(stream, authentication_md5(salt)).await?;
    let response = read_response(stream, Awaited::Password).await?;
    let answer = read_password(&response)?;
    let right = constant_time::verify_slices_are_equal(answer, hash.answer(salt).as_bytes());
    Ok(match right {
        Ok(()) => Proof::Right(Secret::Md5(hash.clone())),
        Err(_) => Proof::Wrong,
    })
}

fn read_client_first(response: &[u8]) -> Result<&[u8], ResponseError> {
    let (mechanism, client_first) = read_sasl_initial(response)?;
    if mechanism != SCRAM_SHA_256.as_bytes() {
        let text = "client selected an invalid SASL authentication mechanism";
        return Err(ResponseError::Malformed(text));
    }
    Ok(client_first)
}

fn secret_of(verifier: &ScramVerifier) -> ScramSecret {
    ScramSecret::Verifier {
        salt: verifier.salt.clone(),
        iterations: verifier.iterations.get() as usize,
        stored_key: verifier.stored_key.to_vec(),
        server_key: verifier.server_key.to_vec(),
    }
}

/// ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage) (RFC 5802, section 3). None unless its digest is the stored
/// key: nothing leaves here that the server would not accept.
fn client_key(
    verifier: &ScramVerifier,
    client_first: &[u8],
    server_first: &str,
    client_final: &[u8],
) -> Option<[u8; KEY_LEN]> {
    let client_first = std::str::from_utf8(client_first).ok()?;
    // The header is two fields, each with its comma; the rest is client-first-message-bare.
    let first_bare = client_first.splitn(3, ',').nth(2)?;
    let (without_proof, proof) = std::str::from_utf8(client_final).ok()?.rsplit_once(",p=")?;
    let proof: [u8; KEY_LEN] = BASE64.decode(proof).ok()?.try_into().ok()?;
    let auth_message = format!("{first_bare},{server_first},{without_proof}");
    let key = xor(proof, &hmac_sha256(&verifier.stored_key, auth_message.as_bytes()));
    constant_time::verify_slices_are_equal(&sha256(&key), &verifier.stored_key).ok()?;
    Some(key)
}

async fn send(stream: &mut ClientStream, message: Vec<u8>) -> Result<(), ResponseError> {
    stream.write_all(&message).await?;
    Ok(stream.flush().await?)
}
