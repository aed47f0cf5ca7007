//! How a running connector stands, from its own metrics server: `/ready` alone, because `ha_connections` counts attempts
//! (observed with cloudflared 2026.8.2).

use std::sync::Arc;

use rustls::ClientConfig;
use serde::Deserialize;
use url::Url;

use crate::http::{FetchError, fetch_any};

/// How a connector stands, in Cloudflare's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// All its connections to the edge are there.
    Healthy,
    /// Some of them are.
    Degraded,
    /// None is.
    Down,
}

impl Health {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// A connector, as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// How it stands.
    pub health: Health,
    /// Connections to the edge.
    pub connections: u32,
    /// Its number among all of Cloudflare's.
    pub id: String,
}

/// Why nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It does not answer.
    #[error("the connector does not answer at {url}: {source}")]
    Unreachable {
        /// Where it was asked.
        url: String,
        /// What happened.
        source: FetchError,
    },
    /// Something else answers.
    #[error("what answers at {0} is no cloudflared")]
    Stranger(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready_connections: u32,
    connector_id: String,
}

/// Asks the connector whose metrics are at this address, and that should have so many connections.
///
/// # Errors
/// [`StatusError`].
///
/// # Cancel safety
/// Cancel safe.
pub async fn status(metrics: &str, expected: u32) -> Result<Connector, StatusError> {
    let text = format!("http://{metrics}/ready");
    let unreachable = |source| StatusError::Unreachable { url: text.clone(), source };
    let url = Url::parse(&text).map_err(|_| unreachable(FetchError::Url(text.clone())))?;
    let (_, body) = fetch_any(&url, None::<&Arc<ClientConfig>>).await.map_err(unreachable)?;
    let ready: Ready =
        serde_json::from_slice(&body).map_err(|_| StatusError::Stranger(text.clone()))?;
    let health = match ready.ready_connections {
        0 => Health::Down,
        some if some < expected => Health::Degraded,
        _ => Health::Healthy,
    };
    Ok(Connector { health, connections: ready.ready_connections, id: ready.connector_id })
}
