//! Who Cloudflare Access says is there: its token, checked against its keys (Cloudflare documentation, "Validate JWTs").
//!
//! Keys are fetched when the first token comes, and anew when a token names a key that is not known. Must not know what an
//! identity may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use url::Url;

use crate::http::fetch::{FetchError, fetch};

/// The header that the edge writes. The cookie of browsers is not looked at.
const TOKEN: &str = "cf-access-jwt-assertion";
/// How often the keys are fetched at most: a stranger who names unknown keys makes no more requests than that.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// How far clocks may be apart.
const LEEWAY_S: u64 = 30;
/// Bytes of a token.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// Which tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The team's address, which is the issuer, without a slash at its end.
    pub issuer: String,
    /// The applications' tags; a token is for one of them.
    pub audience: Vec<String>,
    /// Where the keys are.
    pub keys_url: Url,
    /// Whether a request without a token is refused.
    pub demand: Demand,
    /// How much longer than its token a session may live.
    pub grace: Duration,
}

/// What is asked of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A token.
    Required,
    /// None; but one that is there must be right.
    Optional,
}

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The email address of a person, or the name of a service token.
    pub name: String,
    /// When the session must be over.
    pub ends_at: SystemTime,
}

/// Why nobody is believed to be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token.
    #[error("there is no Access token")]
    Missing,
    /// Two of them, or something that is none.
    #[error("the Access token cannot be read: {0}")]
    Unreadable(&'static str),
    /// Its key is not among those of the issuer.
    #[error("the Access token is signed with an unknown key")]
    UnknownKey,
    /// It is not what it should be.
    #[error("the Access token is refused: {0}")]
    Refused(&'static str),
    /// The keys cannot be fetched, so nothing can be checked.
    #[error("the keys of Access cannot be fetched")]
    NoKeys,
}

#[derive(Deserialize)]
struct Claims {
    exp: u64,
    #[serde(rename = "type")]
    kind: Option<String>,
    email: Option<String>,
    common_name: Option<String>,
}

/// The check, and the keys as they are known.
pub struct Access {
    config: Config,
    tls: Arc<ClientConfig>,
    keys: Mutex<Arc<HashMap<String, DecodingKey>>>,
    /// When the keys were fetched last, or it was tried. Held while they are fetched, so that one request does it for all.
    fetched_at: AsyncMutex<Option<Instant>>,
}

impl Access {
    /// Knows no keys yet.
    pub fn new(config: Config, mut tls: ClientConfig) -> Self {
        // What is spoken here is HTTP, whatever the other connections of the proxy speak.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (keys, fetched_at) = (Mutex::default(), AsyncMutex::new(None));
        Self { config, tls: Arc::new(tls), keys, fetched_at }
    }

    /// Which tokens are believed.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who a request comes from; none without a token, where that may be.
    ///
    /// # Errors
    /// [`AccessError`]: the client is to be refused.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn identify(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Identity>, AccessError> {
        let mut tokens = headers.get_all(TOKEN).iter();
        let token = match (tokens.next(), self.config.demand) {
            (Some(token), _) => token,
            (None, Demand::Optional) => return Ok(None),
            (None, Demand::Required) => return Err(AccessError::Missing),
        };
        if tokens.next().is_some() {
            return Err(AccessError::Unreadable("there are two"));
        }
        let token = token.to_str().map_err(|_| AccessError::Unreadable("it is no text"))?;
        if token.len() > TOKEN_LEN_MAX {
            return Err(AccessError::Unreadable("it is too long"));
        }
        self.verify(token).await.map(Some)
    }

    async fn verify(&self, token: &str) -> Result<Identity, AccessError> {
        let header = decode_header(token).map_err(|_| AccessError::Unreadable("its header"))?;
        if header.alg != Algorithm::RS256 {
            return Err(AccessError::Refused("it is not signed with RS256"));
        }
        let kid = header.kid.ok_or(AccessError::Unreadable("it names no key"))?;
        let key = self.key(&kid).await?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&self.config.audience);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let claims =
            decode::<Claims>(token, &key, &validation).map_err(|error| refused(error.kind()))?;
        self.identity(claims.claims)
    }

    fn identity(&self, claims: Claims) -> Result<Identity, AccessError> {
        let Claims { exp, kind, email, common_name } = claims;
        if kind.is_some_and(|kind| kind != "app") {
            return Err(AccessError::Refused("it is for no application"));
        }
        let name = email.or(common_name).filter(|name| !name.is_empty());
        let name = name.ok_or(AccessError::Refused("it names nobody"))?;
        let ends_at =
            UNIX_EPOCH.checked_add(Duration::from_secs(exp).saturating_add(self.config.grace));
        let ends_at = ends_at.ok_or(AccessError::Unreadable("its time"))?;
        Ok(Identity { name, ends_at })
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, AccessError> {
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        let mut fetched_at = self.fetched_at.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        if fetched_at.is_none_or(|at| at.elapsed() >= REFRESH_INTERVAL) {
            *fetched_at = Some(Instant::now());
            match self.fetch_keys().await {
                Ok(keys) => *self.lock() = Arc::new(keys),
                Err(error) => {
                    let url = self.config.keys_url.as_str();
                    tracing::warn!(url, %error, "the keys of Access cannot be fetched");
                }
            }
        }
        let none =
            if self.lock().is_empty() { AccessError::NoKeys } else { AccessError::UnknownKey };
        self.known(kid).ok_or(none)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.lock().get(kid).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<HashMap<String, DecodingKey>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_keys(&self) -> Result<HashMap<String, DecodingKey>, KeysError> {
        let bytes = fetch(&self.config.keys_url, &self.tls).await?;
        let set: JwkSet = serde_json::from_slice(&bytes)?;
        let keys = set.keys.into_iter().filter_map(|key| {
            // Anything but an RSA key is for some other use.
            let AlgorithmParameters::RSA(rsa) = &key.algorithm else { return None };
            let decoding = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).ok()?;
            Some((key.common.key_id?, decoding))
        });
        Ok(keys.collect())
    }
}

/// Why there are no keys; for the log.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("no JWKS: {0}")]
    Json(#[from] serde_json::Error),
}

fn refused(kind: &ErrorKind) -> AccessError {
    AccessError::Refused(match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidAudience => "it is for another application",
        ErrorKind::InvalidIssuer => "it is from another team",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "it is malformed",
    })
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access({})", self.config.issuer)
    }
}
