//! The rules of `ingress` in a `config.yml`: what matches, and where it leads.
//!
//! Facts observed with `cloudflared tunnel ingress validate` of 2026.8.2, and end to end.

use std::net::IpAddr;

use crate::tunnel::check::{Findings, nearest};
use crate::tunnel::origin::{self, Origin};
use crate::tunnel::yaml::{Node, Value};

const KEYS: [&str; 4] = ["hostname", "originRequest", "path", "service"];
/// Services that are words.
const WORDS: [&str; 4] = ["bastion", "hello_world", "hello-world", "socks-proxy"];
/// Schemes that cloudflared documents.
const SCHEMES: [&str; 9] = ["http", "https", "ws", "wss", "tcp", "ssh", "rdp", "smb", "unix"];

/// Where the proxy's tunnel listener is, if that is known.
pub(super) type Door = Option<u16>;

/// Looks at all rules.
pub(super) fn check(ingress: &Node, door: Door, findings: &mut Findings) {
    let rules = match &ingress.value {
        Value::List(rules) if !rules.is_empty() => rules,
        _ => {
            return findings
                .error(ingress.place, "ingress holds no rules: every request is answered 503");
        }
    };
    for (number, rule) in rules.iter().enumerate() {
        let is_last = number + 1 == rules.len();
        matching(rule, is_last, findings);
        keys(rule, findings);
        let origin = service(rule, findings);
        if let Some(settings) = rule.get("originRequest") {
            origin::check(settings, origin, findings);
        }
    }
    if let Some(port) = door
        && !rules.iter().any(|rule| leads_to(rule, port))
    {
        let text = format!("no rule leads to the proxy: give one service: http://127.0.0.1:{port}");
        findings.error(ingress.place, text);
    }
}

fn matching(rule: &Node, is_last: bool, findings: &mut Findings) {
    let given = |key: &str| rule.get(key).and_then(Node::text).filter(|text| !text.is_empty());
    let (hostname, path) = (given("hostname").filter(|host| *host != "*"), given("path"));
    let matches_all = hostname.is_none() && path.is_none();
    if is_last && !matches_all {
        let text = "the last rule must match everything: end with - service: http_status:404";
        findings.error(rule.place, text);
    }
    if !is_last && matches_all {
        findings.error(rule.place, "this rule matches everything: those after it are never used");
    }
    let Some(host) = hostname else { return };
    let place = rule.get("hostname").map_or(rule.place, |node| node.place);
    if host.contains(':') {
        findings.error(place, "a hostname has no port: the edge listens on its own");
    }
    if host.matches('*').count() > 1 || (host.contains('*') && !host.starts_with("*.")) {
        findings.error(place, "a hostname has one * at most, as its first label: *.example.com");
    }
}

fn keys(rule: &Node, findings: &mut Findings) {
    if !matches!(rule.value, Value::Map(_)) {
        return findings.error(rule.place, "a rule has a service, and a hostname or a path");
    }
    for entry in rule.entries().iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
        let text = format!(
            "cloudflared ignores the unknown key {}{}",
            entry.key,
            nearest(&entry.key, &KEYS)
        );
        findings.error(entry.place, text);
    }
}

fn service(rule: &Node, findings: &mut Findings) -> Origin {
    let Some(node) = rule.get("service") else {
        if matches!(rule.value, Value::Map(_)) {
            findings.error(rule.place, "the rule has no service");
        }
        return Origin::Other;
    };
    let Some(text) = node.text() else {
        findings.error(node.place, "a service is a text such as http://127.0.0.1:8432");
        return Origin::Other;
    };
    if WORDS.contains(&text) || is_status(text) {
        return Origin::Other;
    }
    if text.starts_with("unix:") || text.starts_with("unix+tls:") {
        let text = "WebSockets over a unix socket fail where the tunnel falls back to HTTP/2: use http://127.0.0.1:PORT";
        findings.warning(node.place, text);
        return Origin::Http;
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        findings.error(
            node.place,
            format!("{text} has no scheme: write such as http://127.0.0.1:8432"),
        );
        return Origin::Other;
    };
    url(node, scheme, rest, findings)
}

fn url(node: &Node, scheme: &str, rest: &str, findings: &mut Findings) -> Origin {
    if rest.contains(['/', '?']) {
        findings.error(node.place, "a service has no path: cloudflared does not start with one");
    }
    let (host, port) = host_and_port(rest);
    if ["http", "https", "ws", "wss"].contains(&scheme) {
        if scheme == "http" && !is_local(host) {
            let text = format!(
                "what goes to {host} is not encrypted: use https:// with caPool, or run cloudflared on the proxy's machine"
            );
            findings.warning(node.place, text);
        }
        return Origin::Http;
    }
    let blind = "hides who the client is: rules, rates and bans then mean the tunnel, and messages over 16 KiB of clients other than cloudflared are cut; lead to the proxy's [tunnel] port by http://";
    match (scheme, port) {
        ("ssh" | "rdp" | "smb", _) => {}
        ("tcp", None) => findings.error(node.place, "tcp:// without a port goes to port 7864"),
        ("tcp", Some(_)) => findings.warning(node.place, format!("tcp:// {blind}")),
        (_, None) => {
            let text = format!(
                "{scheme}:// without a port passes cloudflared's check, and every connection fails with 502"
            );
            findings.error(node.place, text);
        }
        (_, Some(_)) => {
            let hint = nearest(scheme, &SCHEMES);
            findings.warning(
                node.place,
                format!("{scheme}:// is not documented and works as tcp://, which {blind}{hint}"),
            );
        }
    }
    Origin::Tcp
}

fn is_status(text: &str) -> bool {
    let code = text.strip_prefix("http_status:").and_then(|code| code.parse::<u16>().ok());
    code.is_some_and(|code| (100..=999).contains(&code))
}

fn host_and_port(rest: &str) -> (&str, Option<u16>) {
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    match rest.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()),
        None => (rest, None),
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a rule leads to the proxy's door.
fn leads_to(rule: &Node, door: u16) -> bool {
    let service = rule.get("service").and_then(Node::text).unwrap_or_default();
    service.strip_prefix("http://").is_some_and(|rest| {
        let (host, port) = host_and_port(rest);
        is_local(host) && port == Some(door)
    })
}
