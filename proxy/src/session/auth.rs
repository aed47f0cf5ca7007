//! Who a client is: the proof it is asked for, and the secret that its proof leaves for the server's side.
//!
//! Must not know pools or what the client wants to do.

pub mod credentials;
mod exchange;
mod lookup;
mod response;
mod scram;
mod verifier;

use std::time::Duration;

use crate::backend::secret::Secret;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::net::stream::ClientStream;
use crate::session::auth::credentials::Credential;
pub use crate::session::auth::credentials::{Check, Config, Credentials, User};
use crate::session::auth::exchange::{Proof, prove_cleartext, prove_md5, prove_scram};
pub use crate::session::auth::lookup::LookupError;
use crate::session::auth::response::ResponseError;
use crate::session::auth::verifier::Verifier;
use crate::session::startup::Startup;

/// A client that has proved who it is.
#[derive(Debug)]
pub struct Identity {
    /// The role.
    pub user: String,
    /// What logs in to the server in its name.
    pub secret: Secret,
}

/// Why a client was not let in. Every one of them ends the connection.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The proof was wrong, or there is nothing to prove it against. A client is not told which.
    #[error("password authentication failed for user \"{user}\": {reason}")]
    Rejected {
        /// Who it said it is.
        user: String,
        /// For the operator alone.
        reason: &'static str,
    },
    /// It sent something else than the proof that it was asked for.
    #[error("{0}")]
    Response(#[from] ResponseError),
    /// PostgreSQL could not be asked for the user's verifier.
    #[error("the verifier of user \"{user}\" could not be read: {source}")]
    Lookup {
        /// Who it said it is.
        user: String,
        /// Why not.
        source: LookupError,
    },
    /// It took too long.
    #[error("the login was not done within {} ms", .0.as_millis())]
    Late(Duration),
}

/// Asks a client for its proof and checks it. On success everything up to AuthenticationSASLFinal was sent;
/// AuthenticationOk is left to the caller, who has more to say.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed. The caller bounds the time.
pub async fn authenticate(
    stream: &mut ClientStream,
    startup: &Startup,
    credentials: &Credentials,
) -> Result<Identity, LoginError> {
    let user = &startup.user;
    let found = credentials.find(user).await;
    let found = found.map_err(|source| LoginError::Lookup { user: user.clone(), source })?;
    let Some(credential) = found else {
        // The same conversation as with a known user, so that a stranger learns no names.
        let mock = credentials.mock(user);
        match has_sent_password(stream) {
            true => prove_cleartext(stream, user, &Verifier::Scram(mock), credentials).await?,
            false => prove_scram(stream, &mock).await?,
        };
        return Err(rejected(user, "there is no such user, or none that may log in by password"));
    };
    match prove(stream, user, (&credential, credentials)).await? {
        Proof::Right(secret) => Ok(Identity { user: user.clone(), secret }),
        Proof::Wrong => {
            credentials.forget(user, &credential);
            Err(rejected(user, "the password is wrong"))
        }
    }
}

/// A password that is given serves better than what a proof leaves, which answers one method alone.
async fn prove(
    stream: &mut ClientStream,
    user: &str,
    (credential, credentials): (&Credential, &Credentials),
) -> Result<Proof, ResponseError> {
    let proof = match &credential.verifier {
        verifier if has_sent_password(stream) => {
            prove_cleartext(stream, user, verifier, credentials).await?
        }
        Verifier::Scram(verifier) => prove_scram(stream, verifier).await?,
        Verifier::Md5(hash) => prove_md5(stream, hash).await?,
    };
    Ok(match (proof, &credential.password) {
        (Proof::Right(_), Some(password)) => Proof::Right(Secret::Password(password.clone())),
        (proof, _) => proof,
    })
}

/// A driver that saves round trips sends its password with the startup packet. What comes through the edge is encrypted on
/// its way, so that it may.
fn has_sent_password(stream: &ClientStream) -> bool {
    stream.is_from_http() && stream.has_unread()
}

fn rejected(user: &str, reason: &'static str) -> LoginError {
    LoginError::Rejected { user: user.to_owned(), reason }
}

impl ClientFacing for LoginError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Rejected { .. } => SqlState::INVALID_PASSWORD,
            Self::Response(ResponseError::Scram(fault)) => fault.sqlstate(),
            Self::Response(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Lookup { .. } => SqlState::CANNOT_CONNECT_NOW,
            // As PostgreSQL has it for authentication_timeout (tcop/postgres.c, `ProcessInterrupts`).
            Self::Late(_) => SqlState::QUERY_CANCELED,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        match self {
            Self::Rejected { user, .. } => {
                format!("password authentication failed for user \"{user}\"")
            }
            Self::Response(error) => error.public_text(),
            Self::Lookup { .. } => "the database server cannot be asked for this user".into(),
            Self::Late(_) => "canceling authentication due to timeout".into(),
        }
    }

    fn detail(&self) -> Option<String> {
        let Self::Response(ResponseError::Scram(fault)) = self else { return None };
        fault.detail().map(str::to_owned)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lookup { .. } => {
                Some("Try again in a moment. The log of the proxy says why it failed.".into())
            }
            Self::Late(_) => Some("The proxy's listen.login_timeout_ms sets the time.".into()),
            Self::Rejected { .. } | Self::Response(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
