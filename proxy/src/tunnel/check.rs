//! A `config.yml` of cloudflared, read for the mistakes that cloudflared itself lets pass.

use crate::tunnel::ingress;
use crate::tunnel::origin::{self, Origin};
use crate::tunnel::yaml::{Node, Place, Value};

/// Top-level keys of the file, and flags of the command that it may hold.
const KEYS: [&str; 39] = [
    "autoupdate-freq",
    "compression-quality",
    "credentials-contents",
    "credentials-file",
    "dns-resolver-addrs",
    "edge",
    "edge-bind-address",
    "edge-ip-version",
    "grace-period",
    "ha-connections",
    "hello-world",
    "hostname",
    "icmpv4-src",
    "icmpv6-src",
    "ingress",
    "label",
    "log-directory",
    "logfile",
    "loglevel",
    "management-diagnostics",
    "max-active-flows",
    "metrics",
    "metrics-update-freq",
    "no-autoupdate",
    "no-prechecks",
    "origincert",
    "originRequest",
    "output",
    "pidfile",
    "post-quantum",
    "protocol",
    "region",
    "retries",
    "tag",
    "token",
    "transport-loglevel",
    "tunnel",
    "url",
    "warp-routing",
];

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// It does not do what it says.
    Error,
    /// It does, and that may hurt.
    Warning,
}

impl Gravity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// How bad.
    pub gravity: Gravity,
    /// What, and what to do.
    pub text: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, place: Place, text: impl Into<String>) {
        self.0.push(Finding { place, gravity: Gravity::Error, text: text.into() });
    }

    pub(super) fn warning(&mut self, place: Place, text: impl Into<String>) {
        self.0.push(Finding { place, gravity: Gravity::Warning, text: text.into() });
    }
}

/// What is wrong with the text of a `config.yml`, in its order. `door` is the port of the proxy's tunnel listener, if a rule
/// should lead there.
pub fn check(text: &str, door: Option<u16>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match Node::read(text) {
        Ok(root) => file(&root, door, &mut findings),
        Err(error) => findings.error(error.place, format!("this is no YAML: {}", error.reason)),
    }
    findings.0.sort_by_key(|finding| finding.place);
    findings.0
}

fn file(root: &Node, door: Option<u16>, findings: &mut Findings) {
    if !matches!(root.value, Value::Map(_)) {
        return findings.error(root.place, "the file holds no settings");
    }
    for entry in root.entries() {
        let key = entry.key.as_str();
        if !KEYS.contains(&key) {
            let text = format!(
                "cloudflared ignores the unknown key {key} without a word{}",
                nearest(key, &KEYS)
            );
            findings.error(entry.place, text);
        }
        match (key, entry.node.text()) {
            ("loglevel" | "transport-loglevel", Some("debug")) => {
                let text = "at debug every header is logged, secrets of service tokens included";
                findings.warning(entry.place, text);
            }
            ("metrics", Some(address)) if !is_local(address) => {
                let text = "whoever reaches this address reads metrics, tags and the configuration: use 127.0.0.1";
                findings.warning(entry.place, text);
            }
            _ => {}
        }
    }
    if let Some(settings) = root.get("originRequest") {
        origin::check(settings, Origin::Other, findings);
    }
    match root.get("ingress") {
        Some(rules) => ingress::check(rules, door, findings),
        None if root.get("url").is_some() || root.get("token").is_some() => {}
        None => findings.error(root.place, "there is no ingress: every request is answered 503"),
    }
    if root.get("tunnel").is_some()
        && root.get("credentials-file").is_none()
        && root.get("token").is_none()
    {
        let text = "there is no credentials-file: cloudflared looks in ~/.cloudflared and a few other places";
        findings.warning(root.place, text);
    }
}

fn is_local(address: &str) -> bool {
    ["127.", "localhost:", "[::1]:"].iter().any(|local| address.starts_with(local))
}

/// A known word that may have been meant, in words.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let closest = known.iter().map(|known| (distance(&simple(word), &simple(known)), known)).min();
    match closest {
        Some((distance, known)) if distance <= 2 => format!(": is {known} meant?"),
        _ => String::new(),
    }
}

/// Case and hyphens are what is mistaken most.
fn simple(word: &str) -> Vec<char> {
    let kept = word.chars().filter(|c| !['-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).collect()
}

/// How many letters are to be changed, put in or left out.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "tunnel: 6ff42ae2-765d-4adf-8112-31c55c1551ef\ncredentials-file: /etc/cloudflared/t.json\n\
        metrics: 127.0.0.1:20241\noriginRequest:\n  connectTimeout: 30s\ningress:\n  - hostname: db.example.com\n    \
        service: http://127.0.0.1:8432\n    originRequest:\n      keepAliveTimeout: 1m30s\n  - service: http_status:404\n";

    fn found(text: &str) -> Vec<String> {
        let line = |finding: Finding| {
            format!("{} {}: {}", finding.place, finding.gravity.word(), finding.text)
        };
        check(text, None).into_iter().map(line).collect()
    }

    #[test]
    fn a_good_file_is_good() {
        assert_eq!(found(GOOD), Vec::<String>::new());
        assert_eq!(check(GOOD, Some(8432)), []);
        assert_eq!(check(GOOD, Some(6432)).len(), 1);
    }

    #[test]
    fn what_cloudflared_lets_pass_is_found_where_it_is() {
        for (from, to, place, part) in [
            ("credentials-file:", "credentialsfile:", "2:1 error", "is credentials-file meant?"),
            ("connectTimeout: 30s", "connectTimeout: 30", "5:19 error", "write 30s, not 30"),
            ("connectTimeout: 30s", "connectTimeout: 30 seconds", "5:19 error", "no duration"),
            ("connectTimeout", "conectTimeout", "5:3 error", "is connectTimeout meant?"),
            ("http://127.0.0.1:8432", "postgresql://localhost", "8:14 error", "fails with 502"),
            ("http://127.0.0.1:8432", "postgresql://localhost:5432", "8:14 warning", "hides who"),
            ("http://127.0.0.1:8432", "tcp://127.0.0.1:5432", "8:14 warning", "hides who"),
            ("http://127.0.0.1:8432", "tcp://127.0.0.1", "8:14 error", "port 7864"),
            ("http://127.0.0.1:8432", "localhost:5432", "8:14 error", "no scheme"),
            ("http://127.0.0.1:8432", "http://127.0.0.1:8432/sql", "8:14 error", "no path"),
            ("http://127.0.0.1:8432", "http://10.0.0.5:8432", "8:14 warning", "not encrypted"),
            ("http://127.0.0.1:8432", "unix:/run/t.sock", "8:14 warning", "HTTP/2"),
            ("db.example.com", "db.example.com:5432", "7:15 error", "no port"),
            ("db.example.com", "db.*.example.com", "7:15 error", "one * at most"),
            ("  - service: http_status:404\n", "", "7:5 error", "last rule must match everything"),
            ("hostname: db.example.com\n    ", "", "7:5 error", "never used"),
            ("    service: http", "    srvice: http", "8:5 error", "is service meant?"),
            ("127.0.0.1:20241", "0.0.0.0:20241", "3:1 warning", "127.0.0.1"),
            ("metrics:", "loglevel: debug\nmetrics:", "3:1 warning", "secrets"),
            ("ingress:", "ingres:", "6:1 error", "is ingress meant?"),
            ("tunnel:", "tunnel: [", "", "no YAML"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let lines = found(&GOOD.replacen(from, to, 1));
            let is_it = |line: &String| line.starts_with(place) && line.contains(part);
            assert!(lines.iter().any(is_it), "{from} -> {to}: {lines:#?}");
        }
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in [
            "",
            "[]",
            "a",
            "ingress:",
            "ingress: {}",
            "ingress: [1]",
            "ingress: [{service: 1}]",
            "originRequest: 5",
            "\u{0}",
        ] {
            let _ = check(text, Some(1));
        }
    }
}
