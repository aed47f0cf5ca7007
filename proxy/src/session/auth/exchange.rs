//! The conversations of a proof, SCRAM-SHA-256 or md5, and what a right proof reveals.
//!
//! Must not know where verifiers come from.

use aws_lc_rs::constant_time;
use tokio::io::AsyncWriteExt;

use crate::backend::secret::{Md5Hash, Password, Secret};
use crate::net::stream::ClientStream;
use crate::session::auth::credentials::Credentials;
use crate::session::auth::response::{
    Awaited, ResponseError, read_password, read_response, read_sasl_initial,
};
use crate::session::auth::scram::{Exchange, mechanisms};
use crate::session::auth::verifier::{ScramVerifier, Verifier, random};
use crate::wire::greeting::{
    authentication_cleartext, authentication_md5, authentication_sasl,
    authentication_sasl_continue, authentication_sasl_final,
};

/// What a client's proof turned out to be.
#[derive(Debug)]
pub(super) enum Proof {
    /// It fits; with this one can log in to the server that the verifier came from.
    Right(Secret),
    /// It does not fit.
    Wrong,
}

/// Asks for a SCRAM-SHA-256 proof, bound to the TLS session when there is one and the client can.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed.
pub(super) async fn prove_scram(
    stream: &mut ClientStream,
    verifier: &ScramVerifier,
) -> Result<Proof, ResponseError> {
    let end_point = stream.end_point();
    send(stream, authentication_sasl(mechanisms(end_point.as_deref()))).await?;
    let response = read_response(stream, Awaited::Sasl).await?;
    let (mechanism, client_first) = read_sasl_initial(&response)?;
    let exchange = Exchange::begin(verifier, end_point.as_deref(), mechanism, client_first)?;
    send(stream, authentication_sasl_continue(exchange.server_first().into())).await?;
    let client_final = read_response(stream, Awaited::Sasl).await?;
    let Some(proved) = exchange.finish(&client_final)? else { return Ok(Proof::Wrong) };
    send(stream, authentication_sasl_final(proved.server_final.into_bytes())).await?;
    Ok(Proof::Right(Secret::ScramKeys(proved.keys)))
}

/// Asks for the password itself: of a client that has sent it already, with its startup packet, and waits for no question.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed.
pub(super) async fn prove_cleartext(
    stream: &mut ClientStream,
    user: &str,
    verifier: &Verifier,
    credentials: &Credentials,
) -> Result<Proof, ResponseError> {
    send(stream, authentication_cleartext()).await?;
    let response = read_response(stream, Awaited::Password).await?;
    let text = std::str::from_utf8(read_password(&response)?);
    let text = text.map_err(|_| ResponseError::Malformed("invalid password packet"))?;
    let password = Password::new(text.to_owned());
    let secret = match verifier {
        Verifier::Scram(verifier) => {
            credentials.keys_of(user, password, verifier).await.map(Secret::ScramKeys)
        }
        Verifier::Md5(hash) => {
            let salt = random();
            let (said, own) = (Md5Hash::of(&password, user).answer(salt), hash.answer(salt));
            let right = constant_time::verify_slices_are_equal(said.as_bytes(), own.as_bytes());
            right.ok().map(|()| Secret::Md5(hash.clone()))
        }
    };
    Ok(secret.map_or(Proof::Wrong, Proof::Right))
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

async fn send(stream: &mut ClientStream, message: Vec<u8>) -> Result<(), ResponseError> {
    stream.write_all(&message).await?;
    Ok(stream.flush().await?)
}
