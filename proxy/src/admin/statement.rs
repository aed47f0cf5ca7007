//! What the console understands, read from a statement's text. Must not know how it is done.

use std::time::Duration;

use crate::admin::{Assignment, Shutdown};
use crate::gate::Network;
use crate::pool::control::{Command, Scope};

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Nothing but blanks, comments and semicolons.
    Empty,
    /// To look.
    Show(Show),
    /// To act.
    Act(Act),
    /// What drivers send of their own accord: there is nothing to do for it. The tag that answers it.
    Ignored(&'static str),
    /// What PgBouncer does for a restart of its own: its name, and what takes its place here.
    Unoffered(&'static str, &'static str),
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Help,
    Version,
    Config,
    Databases,
    Users,
    Pools,
    Clients,
    Servers,
    Sockets,
    ActiveSockets,
    Peers,
    PeerPools,
    DnsHosts,
    DnsZones,
    Stats,
    StatsTotals,
    StatsAverages,
    Totals,
    Pins,
    Limits,
    Bans,
    Lists,
    Memory,
    Prepared,
    State,
    /// A parameter of a PostgreSQL session that drivers ask for.
    Parameter(&'static str, &'static str),
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// What the workers do at once; the tag that answers it.
    Command(Command, &'static str),
    /// PAUSE: as soon as no server connection is left.
    Pause(Scope),
    /// WAIT_CLOSE: as soon as no server connection that is to be closed is left.
    WaitClose(Scope),
    /// SHUTDOWN.
    Shutdown(Shutdown),
    /// RELOAD.
    Reload,
    /// SET.
    Set(Assignment),
    /// BAN: newcomers from there, for this long or until it is taken back.
    Ban(Network, Option<Duration>),
    /// UNBAN.
    Unban(Network),
}

/// SHOW and what follows it, with PgBouncer's words first.
const SHOWS: [(&str, Show); 33] = [
    ("HELP", Show::Help),
    ("VERSION", Show::Version),
    ("CONFIG", Show::Config),
    ("DATABASES", Show::Databases),
    ("USERS", Show::Users),
    ("POOLS", Show::Pools),
    ("CLIENTS", Show::Clients),
    ("SERVERS", Show::Servers),
    ("SOCKETS", Show::Sockets),
    ("ACTIVE_SOCKETS", Show::ActiveSockets),
    ("PEERS", Show::Peers),
    ("PEER_POOLS", Show::PeerPools),
    ("DNS_HOSTS", Show::DnsHosts),
    ("DNS_ZONES", Show::DnsZones),
    ("STATS", Show::Stats),
    ("STATS_TOTALS", Show::StatsTotals),
    ("STATS_AVERAGES", Show::StatsAverages),
    ("TOTALS", Show::Totals),
    ("PINS", Show::Pins),
    ("LIMITS", Show::Limits),
    ("BANS", Show::Bans),
    ("LISTS", Show::Lists),
    ("MEM", Show::Memory),
    ("PREPARED", Show::Prepared),
    ("PREPARED_STATEMENTS", Show::Prepared),
    ("STATE", Show::State),
    ("SERVER_VERSION", Show::Parameter("server_version", super::console::SERVER_VERSION)),
    ("CLIENT_ENCODING", Show::Parameter("client_encoding", "UTF8")),
    ("STANDARD_CONFORMING_STRINGS", Show::Parameter("standard_conforming_strings", "on")),
    ("DATESTYLE", Show::Parameter("DateStyle", "ISO, MDY")),
    ("TIMEZONE", Show::Parameter("TimeZone", "UTC")),
    ("EXTRA_FLOAT_DIGITS", Show::Parameter("extra_float_digits", "2")),
    ISOLATION,
];

const ISOLATION: (&str, Show) = (
    "DEFAULT_TRANSACTION_ISOLATION",
    Show::Parameter("default_transaction_isolation", "read committed"),
);

/// PgBouncer's commands for a restart that hands connections over.
const UNOFFERED: [(&[&str], Statement); 2] = [
    (&["SUSPEND"], Statement::Unoffered("SUSPEND", "Use PAUSE and RESUME.")),
    (
        &["SHOW", "FDS"],
        Statement::Unoffered("SHOW FDS", "A new process takes over by serve --take-over."),
    ),
];

/// Statements that drivers send when they connect or around others. The console has no transactions.
const IGNORED: [&str; 6] = ["RESET", "BEGIN", "START", "COMMIT", "END", "ROLLBACK"];

/// Settings of PostgreSQL that drivers set of their own accord. The console has none of them.
const OF_SESSIONS: [&str; 18] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "local",
    "lock_timeout",
    "names",
    "search_path",
    "session",
    "standard_conforming_strings",
    "statement_timeout",
    "time",
    "timezone",
    "transaction",
];

impl Statement {
    /// Reads statements with semicolons between them; at least one.
    ///
    /// # Errors
    /// None when one is not understood: then none is to be done.
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
        let statements = split(text).into_iter().map(Self::parse);
        let statements = statements.collect::<Option<Vec<_>>>()?.into_iter();
        let said: Vec<_> = statements.filter(|statement| *statement != Self::Empty).collect();
        Some(if said.is_empty() { vec![Self::Empty] } else { said })
    }

    /// Reads one statement, which a semicolon may end.
    ///
    /// # Errors
    /// None when it is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words = words(text)?;
        let mut words = words.iter().map(String::as_str);
        let Some(verb) = words.next() else { return Some(Self::Empty) };
        let verb = verb.to_ascii_uppercase();
        if let Some(tag) = IGNORED.iter().find(|word| **word == verb) {
            return Some(Self::Ignored(tag));
        }
        if verb == "SET" {
            return set(text);
        }
        let arguments: Vec<&str> = words.collect();
        let is_it = |(unoffered, _): &&(&[&str], Self)| {
            let said = std::iter::once(verb.as_str()).chain(arguments.iter().copied());
            said.map(str::to_ascii_uppercase).eq(unoffered.iter().copied())
        };
        if let Some((_, statement)) = UNOFFERED.iter().find(is_it) {
            return Some(statement.clone());
        }
        match (verb.as_str(), arguments.as_slice()) {
            ("SHOW", [what]) => show(what).map(Self::Show),
            ("SHOW", [what, isolation, level])
                if what.eq_ignore_ascii_case("transaction")
                    && isolation.eq_ignore_ascii_case("isolation")
                    && level.eq_ignore_ascii_case("level") =>
            {
                Some(Self::Show(ISOLATION.1))
            }
            (_, []) => all(&verb).map(Self::Act),
            ("BAN", [network, time]) => {
                let time = humantime::parse_duration(time).ok()?;
                Some(Self::Act(Act::Ban(network.parse().ok()?, Some(time))))
            }
            (_, [argument]) => one(&verb, argument).map(Self::Act),
            _ => None,
        }
    }
}

fn set(text: &str) -> Option<Statement> {
    let (_, rest) = text.split_at_checked(text.to_ascii_uppercase().find("SET")? + 3)?;
    let end = |c: char| c.is_whitespace() || c == '=';
    let name = rest.trim_start().split(end).next().unwrap_or_default();
    if OF_SESSIONS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Some(Statement::Ignored("SET"));
    }
    Assignment::parse(rest).map(|assignment| Statement::Act(Act::Set(assignment)))
}

fn show(what: &str) -> Option<Show> {
    let found = SHOWS.iter().find(|(word, _)| word.eq_ignore_ascii_case(what));
    found.map(|(_, show)| *show)
}

fn all(verb: &str) -> Option<Act> {
    Some(match verb {
        "PAUSE" => Act::Pause(Scope::All),
        "RESUME" => Act::Command(Command::Resume(Scope::All), "RESUME"),
        "WAIT_CLOSE" => Act::WaitClose(Scope::All),
        "RECONNECT" => Act::Command(Command::Reconnect(Scope::All), "RECONNECT"),
        "KILL" => Act::Command(Command::Kill(Scope::All), "KILL"),
        "SHUTDOWN" => Act::Shutdown(Shutdown::Now),
        "RELOAD" => Act::Reload,
        _ => return None,
    })
}

fn one(verb: &str, argument: &str) -> Option<Act> {
    let name = || argument.to_owned();
    let scope = || Scope::Database(name());
    Some(match verb {
        "PAUSE" => Act::Pause(scope()),
        "RESUME" => Act::Command(Command::Resume(scope()), "RESUME"),
        "WAIT_CLOSE" => Act::WaitClose(scope()),
        "RECONNECT" => Act::Command(Command::Reconnect(scope()), "RECONNECT"),
        "KILL" => Act::Command(Command::Kill(scope()), "KILL"),
        "KILL_CLIENT" => Act::Command(Command::KillClient(argument.parse().ok()?), "KILL_CLIENT"),
        "BAN" => Act::Ban(argument.parse().ok()?, None),
        "UNBAN" => Act::Unban(argument.parse().ok()?),
        "DISABLE" => Act::Command(Command::Disable(name()), "DISABLE"),
        "ENABLE" => Act::Command(Command::Enable(name()), "ENABLE"),
        "SHUTDOWN" if argument.eq_ignore_ascii_case("WAIT_FOR_SERVERS") => {
            Act::Shutdown(Shutdown::WaitForServers)
        }
        "SHUTDOWN" if argument.eq_ignore_ascii_case("WAIT_FOR_CLIENTS") => {
            Act::Shutdown(Shutdown::WaitForClients)
        }
        _ => return None,
    })
}

/// The words of a statement, names in double quotes as one. None when a quote does not end, or something follows the
/// semicolon.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        rest = match first {
            ';' => {
                return rest
                    .trim_matches(|c: char| c == ';' || c.is_whitespace())
                    .is_empty()
                    .then_some(words);
            }
            '"' => quoted(&rest[1..], &mut words)?,
            '\'' => {
                let (text, rest) = rest[1..].split_once('\'')?;
                words.push(text.to_owned());
                rest
            }
            _ if rest.starts_with("--") || rest.starts_with("/*") => behind_comment(rest)?,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == ';' || c == '"');
                let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(word.to_owned());
                rest
            }
        }
        .trim_start();
    }
    Some(words)
}

/// What follows a comment; none when it does not end.
fn behind_comment(text: &str) -> Option<&str> {
    match text.strip_prefix("--") {
        Some(rest) => Some(rest.split_once('\n').map_or("", |(_, rest)| rest)),
        None => text.strip_prefix("/*")?.split_once("*/").map(|(_, rest)| rest),
    }
}

/// The statements of a text. A semicolon in quotes or in a comment ends none.
fn split(text: &str) -> Vec<&str> {
    let (mut statements, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let behind = match first {
            ';' => {
                statements.push(&text[start..at]);
                start = at + 1;
                &rest[1..]
            }
            '"' | '\'' => rest[1..].split_once(first).map_or("", |(_, behind)| behind),
            _ if rest.starts_with("--") || rest.starts_with("/*") => {
                behind_comment(rest).unwrap_or_default()
            }
            _ => &rest[first.len_utf8()..],
        };
        at = text.len() - behind.len();
    }
    statements.push(&text[start..]);
    statements
}

/// A name up to its closing quote, of which two stand for one inside it.
fn quoted<'a>(mut rest: &'a str, words: &mut Vec<String>) -> Option<&'a str> {
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        let Some(more) = after.strip_prefix('"') else {
            words.push(name);
            return Some(after);
        };
        name.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_pgbouncer_reads_them() {
        let app = || Scope::Database("app".into());
        let five = Assignment { key: "pool.max".into(), value: "5".into() };
        for (text, expected) in [
            ("", Statement::Empty),
            (" ;; ", Statement::Empty),
            ("-- only a comment", Statement::Empty),
            ("show pools;", Statement::Show(Show::Pools)),
            ("SHOW Stats_Totals ; ", Statement::Show(Show::StatsTotals)),
            ("pause", Statement::Act(Act::Pause(Scope::All))),
            ("PAUSE app;", Statement::Act(Act::Pause(app()))),
            ("kill \"app\"", Statement::Act(Act::Command(Command::Kill(app()), "KILL"))),
            ("SET extra_float_digits = 3", Statement::Ignored("SET")),
            ("set TimeZone to 'UTC'", Statement::Ignored("SET")),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Statement::Ignored("SET")),
            ("reload;", Statement::Act(Act::Reload)),
            ("set pool.max = 5;", Statement::Act(Act::Set(five))),
            ("begin", Statement::Ignored("BEGIN")),
            ("/* tool */ show /* what */ lists", Statement::Show(Show::Lists)),
            ("SHOW TRANSACTION ISOLATION LEVEL", Statement::Show(ISOLATION.1)),
            ("kill", Statement::Act(Act::Command(Command::Kill(Scope::All), "KILL"))),
            ("suspend;", Statement::Unoffered("SUSPEND", "Use PAUSE and RESUME.")),
        ] {
            assert_eq!(Statement::parse(text), Some(expected), "{text}");
        }
        let odd = Statement::parse("DISABLE \"a \"\"b\"\"\"");
        let expected = Command::Disable("a \"b\"".into());
        assert_eq!(odd, Some(Statement::Act(Act::Command(expected, "DISABLE"))));
    }

    #[test]
    fn statements_are_split_at_semicolons_outside_of_quotes_and_comments() {
        for (text, expected) in [
            ("", 1),
            (";;", 1),
            ("show pools", 1),
            ("show pools; show stats;", 2),
            ("disable \"a;b\"; set pool.test_query = 'select 1; select 2'; show lists", 3),
            ("show pools -- ; show x\n; /* ; */ show stats", 2),
        ] {
            assert_eq!(Statement::parse_all(text).unwrap().len(), expected, "{text}");
        }
        assert_eq!(Statement::parse_all("show pools; nonsense"), None);
        assert_eq!(Statement::parse_all("disable \"open; show pools"), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "select 1",
            "show",
            "show nothing",
            "show pools; show stats",
            "show pools /* open",
            "kill_client x",
            "pause a b",
            "disable \"open",
            "shutdown sometime",
        ] {
            assert_eq!(Statement::parse(text), None, "{text}");
        }
    }
}
