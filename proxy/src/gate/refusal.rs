//! Why somebody is not let in, or not now, in words for a client.

use std::time::Duration;

use crate::error::{ClientFacing, Severity, SqlState};

/// Why somebody is not let in, or a statement is not run now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A rule keeps it out, or no rule lets it in.
    #[error("kept out by {}", rule.as_ref().map_or("the default".to_owned(), |rule| format!("rule \"{rule}\"")))]
    KeptOut {
        /// The rule; for operators alone.
        rule: Option<String>,
    },
    /// It is banned.
    #[error("banned: {reason}")]
    Banned {
        /// How much longer; none is until somebody takes it back.
        left: Option<Duration>,
        /// Why; for operators alone.
        reason: String,
    },
    /// It comes or asks too often.
    #[error("rate \"{rate}\" is exceeded: {max} in {} ms", period.as_millis())]
    TooFast {
        /// The rate's name.
        rate: String,
        /// How many it allows in one period.
        max: u32,
        /// How long that is.
        period: Duration,
        /// When the next one is allowed.
        wait: Duration,
    },
}

impl ClientFacing for Refusal {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::KeptOut { .. } | Self::Banned { .. } => {
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            }
            Self::TooFast { .. } => SqlState::CONFIGURATION_LIMIT_EXCEEDED,
        }
    }

    /// That of a statement; a login ends anyway.
    fn severity(&self) -> Severity {
        match self {
            Self::TooFast { .. } => Severity::Error,
            _ => Severity::Fatal,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::KeptOut { .. } => "the proxy does not let this client in".into(),
            Self::Banned { .. } => "this client is banned".into(),
            Self::TooFast { max, period, .. } => {
                format!("rate limit exceeded: {max} in {}", words(*period))
            }
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::TooFast { rate, .. } => Some(format!("The limit is named \"{rate}\".")),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::KeptOut { .. } => {
                Some("Ask the operator of the proxy which rules of gate.rules are for you.".into())
            }
            Self::Banned { left: Some(left), .. } => Some(format!("Wait {}.", words(*left))),
            Self::Banned { left: None, .. } => {
                Some("Ask the operator of the proxy to take the ban back.".into())
            }
            Self::TooFast { wait, .. } => Some(format!("Wait {}.", words(*wait))),
        }
    }
}

/// A refusal at the login, which ends the connection.
#[derive(Debug)]
pub struct AtLogin(pub Refusal);

impl ClientFacing for AtLogin {
    fn sqlstate(&self) -> SqlState {
        self.0.sqlstate()
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        self.0.message()
    }

    fn detail(&self) -> Option<String> {
        self.0.detail()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

/// A time as people write it, never shorter than it is.
fn words(time: Duration) -> String {
    let ms = time.as_nanos().div_ceil(1_000_000);
    match ms {
        60_000 => "1 minute".to_owned(),
        0..2_000 => format!("{ms} ms"),
        _ => format!("{} s", ms.div_ceil(1_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_learns_how_long_to_wait_and_no_rule() {
        let period = Duration::from_secs(60);
        let wait = Duration::from_micros(599_001);
        let fast = Refusal::TooFast { rate: "seed".into(), max: 100, period, wait };
        assert_eq!(fast.message(), "rate limit exceeded: 100 in 1 minute");
        assert_eq!(fast.hint().unwrap(), "Wait 600 ms.");
        assert_eq!((fast.severity(), AtLogin(fast).severity()), (Severity::Error, Severity::Fatal));
        let kept = Refusal::KeptOut { rule: Some("secret name".into()) };
        assert!(!format!("{}{:?}", kept.message(), kept.hint()).contains("secret"));
        let left = Some(Duration::from_millis(299_001));
        let banned = Refusal::Banned { left, reason: "secret".into() };
        assert_eq!(banned.hint().unwrap(), "Wait 300 s.");
    }
}
