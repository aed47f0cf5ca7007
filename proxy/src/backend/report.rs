//! What the extension in a server reports about its session, inside the protocol.
//!
//! Sent as ParameterStatus messages whose names begin with `taskmaster.`, to connections that asked for them in their
//! startup packet. Must not know which client the session serves.

use std::collections::BTreeMap;

/// The parameter of the startup packet that asks for reports. A server without the extension takes it for a setting
/// nobody reads (PostgreSQL documentation, "Customized Options").
pub const ASK: (&str, &str) = ("taskmaster.report", "on");

/// What the names of reports begin with. Nothing of that name is passed on to a client.
const PREFIX: &str = "taskmaster.";

/// The report that says that a session can be given a start.
const START: &str = "start";

/// Why a session whose settings cannot be read from its report must stay with its client.
const UNREADABLE: &str = "setting";

/// What a server has reported last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Why the client must keep the connection, as the server put it: `lock,temp`. Empty when it need not.
    reasons: Box<str>,
    /// The settings that differ from those the session began with.
    settings: BTreeMap<String, String>,
    /// Where the last commit that wrote stands, `X/Y`; empty before the first.
    lsn: Box<str>,
    /// Counts changes to the shapes of tables, types and functions.
    schema: Box<str>,
}

/// What one report was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The reasons to keep the connection.
    Session,
    /// The settings.
    Settings,
    /// The last commit.
    Lsn,
    /// Shapes have changed.
    Schema,
    /// Nothing that this proxy knows.
    Unknown,
}

impl Report {
    /// The reports in the greeting of a server, if it sends all of them, and the parameters that are not reports. An extension
    /// of another version, which cannot give a session its start, is taken for none.
    pub fn split(parameters: Vec<(String, String)>) -> (Option<Box<Self>>, Vec<(String, String)>) {
        let (reports, others): (Vec<_>, _) =
            parameters.into_iter().partition(|(name, _)| is_report(name));
        let mut report = Self::default();
        for (name, value) in &reports {
            report.take(name, value);
        }
        let is_whole = reports.iter().any(|(name, _)| name.strip_prefix(PREFIX) == Some(START));
        (is_whole.then(|| Box::new(report)), others)
    }

    /// Takes note of one report.
    pub fn take(&mut self, name: &str, value: &str) -> News {
        match name.strip_prefix(PREFIX) {
            Some("session") => {
                self.reasons = value.into();
                News::Session
            }
            Some("settings") => {
                self.take_settings(value);
                News::Settings
            }
            Some("lsn") => {
                self.lsn = value.into();
                News::Lsn
            }
            Some("schema") => {
                self.schema = value.into();
                News::Schema
            }
            _ => News::Unknown,
        }
    }

    /// Why the client must keep the connection; empty when it need not.
    pub fn reasons(&self) -> &str {
        &self.reasons
    }

    /// The settings that the session has changed since its start.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Where the last commit that wrote stands; empty before the first.
    pub fn lsn(&self) -> &str {
        &self.lsn
    }

    /// INVARIANT I6: settings that cannot be read cannot be replayed or taken back, so they hold the connection.
    fn take_settings(&mut self, json: &str) {
        match serde_json::from_str(json) {
            Ok(settings) => self.settings = settings,
            Err(error) => {
                tracing::warn!(%error, "the extension's report of settings cannot be read");
                self.reasons = UNREADABLE.into();
            }
        }
    }
}

/// True for a ParameterStatus of this name that is meant for the proxy alone.
pub fn is_report(name: &str) -> bool {
    name.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_greeting_without_reports_is_left_as_it_is() {
        let greeting = pairs(&[("TimeZone", "UTC")]);
        assert_eq!(Report::split(greeting.clone()), (None, greeting));
    }

    #[test]
    fn reports_are_taken_out_of_the_greeting() {
        let reports = pairs(&[
            ("taskmaster.session", "lock"),
            ("TimeZone", "UTC"),
            ("taskmaster.settings", r#"{"work_mem":"1MB"}"#),
            ("taskmaster.start", ""),
            ("taskmaster.future", "x"),
        ]);
        let partly = reports.iter().filter(|(name, _)| *name != "taskmaster.start").cloned();
        assert_eq!(Report::split(partly.collect()).0, None);
        let (report, others) = Report::split(reports);
        let report = report.expect("the server reports");
        assert_eq!(report.reasons(), "lock");
        assert_eq!(report.settings().get("work_mem").map(String::as_str), Some("1MB"));
        assert_eq!(others, pairs(&[("TimeZone", "UTC")]));
    }

    #[test]
    fn settings_that_cannot_be_read_hold_the_connection() {
        let mut report = Report::default();
        assert_eq!(report.take("taskmaster.settings", "{"), News::Settings);
        assert!(!report.reasons().is_empty());
    }
}
