//! `originRequest` of a `config.yml`: its keys, its durations, and what of it has no effect.
//!
//! Facts observed with cloudflared 2026.8.2 and read in its source.

use crate::tunnel::check::{Findings, nearest};
use crate::tunnel::go::is_duration;
use crate::tunnel::yaml::{Node, Value};

const KEYS: [&str; 19] = [
    "access",
    "bastionMode",
    "caPool",
    "connectTimeout",
    "disableChunkedEncoding",
    "http2Origin",
    "httpHostHeader",
    "ipRules",
    "keepAliveConnections",
    "keepAliveTimeout",
    "matchSNItoHost",
    "noHappyEyeballs",
    "noTLSVerify",
    "originServerName",
    "proxyAddress",
    "proxyPort",
    "proxyType",
    "tcpKeepAlive",
    "tlsTimeout",
];
const DURATIONS: [&str; 4] = ["connectTimeout", "tlsTimeout", "tcpKeepAlive", "keepAliveTimeout"];
/// What has an effect where cloudflared makes a TCP connection of its own.
const OF_TCP: [&str; 5] = ["connectTimeout", "tcpKeepAlive", "proxyType", "bastionMode", "access"];

/// How cloudflared reaches what is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Http,
    Tcp,
    /// None, or one of the whole file.
    Other,
}

/// Looks at the settings of one origin, or of all.
pub(super) fn check(settings: &Node, origin: Origin, findings: &mut Findings) {
    if !matches!(settings.value, Value::Map(_) | Value::Null) {
        return findings.error(settings.place, "originRequest is a list of settings");
    }
    for entry in settings.entries() {
        let key = entry.key.as_str();
        if !KEYS.contains(&key) {
            let hint = nearest(key, &KEYS);
            findings
                .error(entry.place, format!("cloudflared ignores the unknown setting {key}{hint}"));
            continue;
        }
        if DURATIONS.contains(&key) {
            duration(&entry.node, key, findings);
        }
        if origin == Origin::Tcp && !OF_TCP.contains(&key) {
            findings.warning(entry.place, format!("{key} has no effect on a TCP service"));
        }
        if key == "noTLSVerify" && entry.node.value == Value::Truth(true) {
            let text = "whoever is on the way may be what is behind: give caPool and originServerName instead of noTLSVerify";
            findings.warning(entry.place, text);
        }
        if key == "access" {
            access(&entry.node, findings);
        }
    }
}

fn duration(node: &Node, key: &str, findings: &mut Findings) {
    match &node.value {
        Value::Number(number) if number == "0" => {}
        Value::Number(number) => {
            findings
                .error(node.place, format!("{key} is a duration: write {number}s, not {number}"));
        }
        Value::Text(text) if is_duration(text) => {}
        _ => {
            findings.error(node.place, format!("{key} is no duration: write such as 30s or 1m30s"))
        }
    }
}

fn access(node: &Node, findings: &mut Findings) {
    let is_given = |key: &str| {
        node.get(key).is_some_and(|value| match &value.value {
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.is_empty(),
            _ => false,
        })
    };
    if is_given("audTag") && !is_given("teamName") {
        findings
            .error(node.place, "access.teamName is missing: cloudflared does not start without it");
    }
    let is_required = node.get("required").is_some_and(|value| value.value == Value::Truth(true));
    if is_required && !is_given("audTag") {
        findings.error(
            node.place,
            "access.required without audTag lets tokens for every application in",
        );
    }
}
