//! The run-time settings that a session sees and the statement that brings a server connection into line with them.
//!
//! A server reports some settings by ParameterStatus; those and the ones a client named at startup are tracked.
//! Must not know who the settings belong to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Setting names and values, by name. Names compare without regard to case, as in PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    entries: BTreeMap<Box<str>, Box<str>>,
}

/// The setting by which the names in a statement are looked up.
pub const SEARCH_PATH: &str = "search_path";

/// Reported by the server but not to be set: facts about the server and the login
/// (PostgreSQL documentation, "Asynchronous Operations", the list of reported parameters).
const FACTS: [&str; 6] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
];

/// True when a server reports this and no session sets it.
pub fn is_fact(name: &str) -> bool {
    FACTS.contains(&name)
}

impl Settings {
    /// The settings among reported parameters that a session may change.
    pub fn from_reported(parameters: &[(String, String)]) -> Self {
        let mut settings = Self::default();
        for (name, value) in parameters {
            settings.report(name, value);
        }
        settings
    }

    /// Takes note of a ParameterStatus. Returns false when nothing changed or nothing may be set.
    pub fn report(&mut self, name: &str, value: &str) -> bool {
        if is_fact(name) || self.entries.get(name).is_some_and(|known| **known == *value) {
            return false;
        }
        self.set(name, value);
        true
    }

    /// Sets one value, under the spelling of the name that is already there.
    pub fn set(&mut self, name: &str, value: &str) {
        let known = self.entries.keys().find(|known| known.eq_ignore_ascii_case(name));
        let name = known.cloned().unwrap_or_else(|| name.into());
        self.entries.insert(name, value.into());
    }

    /// Forgets a setting.
    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|known, _| !known.eq_ignore_ascii_case(name));
    }

    /// The same settings, one of them as it is in `other`.
    pub fn with_value_of(&self, name: &str, other: &Self) -> Self {
        let mut settings = self.clone();
        match other.entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((known, value)) => settings.set(known, value),
            None => settings.remove(name),
        }
        settings
    }

    /// The value of a setting by its exact name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(AsRef::as_ref)
    }

    /// True when the server reports this setting, so that every change of it is seen.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.keys().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same settings with the values of `actual` for all names that a server reports (those in `reported`).
    pub fn respelled(&self, actual: &Self, reported: &Self) -> Self {
        let mut respelled = self.clone();
        for (name, value) in actual.iter().filter(|(name, _)| reported.get(name).is_some()) {
            respelled.set(name, value);
        }
        respelled
    }

    /// The same settings after a session that began with `start` has changed just those in `changed`, as far as its server
    /// does not report them one by one anyway (those in `reported`).
    pub fn followed(
        &self,
        changed: &BTreeMap<String, String>,
        reported: &Self,
        start: &Self,
    ) -> Self {
        let mut followed = self.clone();
        followed.entries.retain(|name, _| reported.get(name).is_some());
        for (name, value) in start.iter().filter(|(name, _)| reported.get(name).is_none()) {
            followed.entries.insert(name.into(), value.into());
        }
        for (name, value) in changed.iter().filter(|(name, _)| reported.get(name).is_none()) {
            followed.set(name, value);
        }
        followed
    }

    /// The SQL that gives a session these settings, the start of a client's, where they are not `defaults` and the
    /// session has none of its own: what a RESET took back went to the defaults. None when they are the same.
    ///
    /// Source: `pg_settings.source` is `session` after SET and `set_config`.
    pub fn restart_sql(&self, defaults: &Self) -> Option<String> {
        let differing = self.iter().filter(|(name, value)| defaults.get(name) != Some(*value));
        let rows = differing
            .map(|(name, value)| format!("({},{})", quote_literal(name), quote_literal(value)));
        let rows = rows.collect::<Vec<_>>().join(",");
        let sql = format!(
            "SELECT pg_catalog.set_config(s.name,w.value,false) FROM (VALUES {rows}) w(name,value) \
             JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name)=pg_catalog.lower(w.name) \
             WHERE s.source<>'session'"
        );
        (!rows.is_empty()).then_some(sql)
    }

    /// The SQL that turns a session with the settings `from` into one with `self`; none when they are equal.
    pub fn sync_sql(&self, from: &Self) -> Option<String> {
        let mut sql = String::new();
        for (name, _) in from.iter().filter(|(name, _)| self.get(name).is_none()) {
            let _ = write!(sql, "RESET {};", quote_identifier(name));
        }
        let changed = self.iter().filter(|(name, value)| from.get(name) != Some(*value));
        for (index, (name, value)) in changed.enumerate() {
            sql.push_str(if index == 0 { "SELECT " } else { "," });
            let (name, value) = (quote_literal(name), quote_literal(value));
            let _ = write!(sql, "pg_catalog.set_config({name},{value},false)");
        }
        (!sql.is_empty()).then_some(sql)
    }
}

/// An E'' literal in pure ASCII. It means the same whatever `standard_conforming_strings` and `client_encoding` say,
/// so that no byte of a client's value can end the literal.
pub fn quote_literal(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 3);
    quoted.push_str("E'");
    for byte in value.bytes() {
        match byte {
            b'\'' => quoted.push_str("''"),
            b'\\' => quoted.push_str("\\\\"),
            0x20..=0x7e => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('\'');
    quoted
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(entries: &[(&str, &str)]) -> Settings {
        let owned: Vec<_> = entries.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Settings::from_reported(&owned)
    }

    #[test]
    fn equal_settings_need_no_statement() {
        let a = settings(&[("TimeZone", "UTC"), ("server_version", "15.1")]);
        assert_eq!(a.sync_sql(&settings(&[("TimeZone", "UTC"), ("server_version", "16")])), None);
    }

    #[test]
    fn differences_are_set_and_extras_reset() {
        let wanted = settings(&[("TimeZone", "UTC"), ("application_name", "it's")]);
        let present = settings(&[("TimeZone", "CET"), ("application_name", ""), ("jit", "off")]);
        assert_eq!(
            wanted.sync_sql(&present).unwrap(),
            "RESET \"jit\";SELECT pg_catalog.set_config(E'TimeZone',E'UTC',false),\
             pg_catalog.set_config(E'application_name',E'it''s',false)"
        );
    }

    #[test]
    fn what_a_session_reports_replaces_what_was_known() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<BTreeMap<_, _>>()
        };
        let reported = settings(&[("TimeZone", "UTC")]);
        let known = settings(&[("TimeZone", "CET"), ("jit", "off"), ("work_mem", "1MB")]);
        let changed = map(&[("TimeZone", "CET"), ("work_mem", "2MB"), ("a.b", "c")]);
        let expected = settings(&[("TimeZone", "CET"), ("work_mem", "2MB"), ("a.b", "c")]);
        let none = Settings::default();
        assert_eq!(known.followed(&changed, &reported, &none), expected);
        let start = settings(&[("jit", "off"), ("Work_Mem", "9MB"), ("TimeZone", "EST")]);
        let followed = known.followed(&changed, &reported, &start);
        assert_eq!(followed.get("jit"), Some("off"), "it was reset");
        assert_eq!(followed.get("Work_Mem"), Some("2MB"));
        assert_eq!(followed.get("TimeZone"), Some("CET"), "it is reported by itself");
    }

    #[test]
    fn a_start_that_is_the_default_is_not_given_again() {
        let start = settings(&[("TimeZone", "UTC"), ("application_name", "it's")]);
        assert_eq!(start.restart_sql(&start), None);
        let sql = start.restart_sql(&settings(&[("TimeZone", "UTC")])).unwrap();
        assert!(sql.contains("(VALUES (E'application_name',E'it''s'))"), "{sql}");
    }

    #[test]
    fn literals_are_ascii_and_closed() {
        assert_eq!(quote_literal("a\\b'é"), "E'a\\\\b''\\xc3\\xa9'");
    }

    #[test]
    fn names_are_found_in_any_case_and_keep_their_spelling() {
        let mut known = settings(&[("TimeZone", "UTC")]);
        known.set("timezone", "CET");
        assert_eq!(known.iter().collect::<Vec<_>>(), [("TimeZone", "CET")]);
        assert!(known.contains("TIMEZONE"));
    }
}
