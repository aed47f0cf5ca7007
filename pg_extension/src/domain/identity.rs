//! Who a proxy says that its client is. Must not know how the proxy proves it, nor where it is kept.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::argument::{Argument, is_blank};
use crate::error::DomainError;

/// What a proxy has verified of the client that it serves; every part may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// The person or program, as assignments and audit records name it.
    actor: Option<String>,
    tenant: Option<String>,
    client_addr: Option<IpAddr>,
    client_port: Option<u16>,
}

const ARGUMENT: Argument = Argument("p_identity");
const TEXT_LEN_MAX: usize = 4_000;
/// `tasks.assigned_to` is `varchar(255)`.
const NAME_LEN_MAX: usize = 255;
const MEMBERS: [&str; 4] = ["actor", "tenant", "client_addr", "client_port"];

impl Identity {
    /// Reads a JSON object with any of the members `actor`, `tenant`, `client_addr` and
    /// `client_port`. Null is the same as no member; the empty object says that the proxy knows
    /// nobody.
    ///
    /// # Errors
    /// 22001 too long, 22023 for anything else that is not such an object.
    pub(crate) fn parse(text: &str) -> Result<Self, DomainError> {
        ARGUMENT.bounded(text, TEXT_LEN_MAX)?;
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(DomainError::NotAnObject { argument: ARGUMENT.0 });
        };
        if let Some(stranger) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(DomainError::BadIdentity { member: stranger.clone() });
        }
        Ok(Self {
            actor: name(&members, "actor")?,
            tenant: name(&members, "tenant")?,
            client_addr: address(&members)?,
            client_port: port(&members)?,
        })
    }

    /// The same as JSON, without unknown parts; nothing when all are unknown.
    pub(crate) fn to_text(&self) -> String {
        let parts = [
            ("actor", json!(self.actor)),
            ("tenant", json!(self.tenant)),
            ("client_addr", json!(self.client_addr.map(|addr| addr.to_string()))),
            ("client_port", json!(self.client_port)),
        ];
        let known: Map<_, _> = parts
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if known.is_empty() { String::new() } else { Value::Object(known).to_string() }
    }
}

fn refused(member: &str) -> DomainError {
    DomainError::BadIdentity { member: member.to_owned() }
}

fn name(members: &Map<String, Value>, member: &str) -> Result<Option<String>, DomainError> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.clone())),
        Some(_) => Err(refused(member)),
    }
}

/// A zero byte would end the text where PostgreSQL keeps it.
fn is_name(text: &str) -> bool {
    !is_blank(text) && text.chars().count() <= NAME_LEN_MAX && !text.contains('\0')
}

fn address(members: &Map<String, Value>) -> Result<Option<IpAddr>, DomainError> {
    match members.get("client_addr") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let parsed = value.as_str().and_then(|text| text.parse().ok());
            parsed.map(Some).ok_or_else(|| refused("client_addr"))
        }
    }
}

fn port(members: &Map<String, Value>) -> Result<Option<u16>, DomainError> {
    match members.get("client_port") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let parsed = value.as_u64().and_then(|port| u16::try_from(port).ok());
            parsed.map(Some).ok_or_else(|| refused("client_port"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_comes_out_as_it_went_in() {
        let text = r#"{"actor":"ann","client_addr":"2001:db8::1","client_port":5,"tenant":"acme"}"#;
        assert_eq!(Identity::parse(text).unwrap().to_text(), text);
        for nobody in ["{}", r#"{"actor": null, "tenant": null}"#] {
            assert_eq!(Identity::parse(nobody).unwrap().to_text(), "");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!(r#"{{"actor": "{}"}}"#, "x".repeat(256));
        let cases = [
            ("", "22023"),
            ("[]", "22023"),
            (r#"{"actor": 1}"#, "22023"),
            (r#"{"actor": " "}"#, "22023"),
            (r#"{"tenant": ""}"#, "22023"),
            (r#"{"actor": "a\u0000b"}"#, "22023"),
            (r#"{"client_addr": "example.org"}"#, "22023"),
            (r#"{"client_port": 65536}"#, "22023"),
            (r#"{"superuser": true}"#, "22023"),
            (&long, "22023"),
        ];
        for (text, sqlstate) in cases {
            assert_eq!(Identity::parse(text).unwrap_err().sqlstate(), sqlstate, "{text}");
        }
        assert_eq!(Identity::parse(&" ".repeat(5_000)).unwrap_err().sqlstate(), "22001");
    }
}
