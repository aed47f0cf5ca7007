//! Statements that concern what only the proxy knows: names of statements prepared by protocol, and the settings that a
//! client started with.

use crate::router::holds::{Words, statements};

/// The name in `DEALLOCATE [PREPARE] name`, as PostgreSQL reads it; none for any other text, `ALL` included.
pub fn deallocated(sql: &[u8]) -> Option<Vec<u8>> {
    if !may_begin_with(sql, &[b"dea"]) {
        return None;
    }
    let mut words = Words::new(sql);
    if !words.next()?.eq_ignore_ascii_case(b"DEALLOCATE") {
        return None;
    }
    let rest = words.rest();
    let first = words.next();
    let rest = match first {
        Some(word) if word.eq_ignore_ascii_case(b"PREPARE") => words.rest(),
        _ => rest,
    };
    identifier(rest.trim_ascii())
}

/// Which settings a RESET takes back to their values at the start of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    /// All of them.
    All,
    /// This one.
    Name(String),
}

/// What a text resets that is one RESET of settings and nothing else. `RESET ROLE` and the like are no settings.
pub fn reset(sql: &[u8]) -> Option<Reset> {
    if !may_begin_with(sql, &[b"res"]) {
        return None;
    }
    let mut words = Words::new(sql);
    if !words.next()?.eq_ignore_ascii_case(b"RESET") {
        return None;
    }
    let rest = words.rest().trim_ascii();
    let rest = rest.strip_suffix(b";").unwrap_or(rest).trim_ascii();
    let is = |text: &str| rest.eq_ignore_ascii_case(text.as_bytes());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    match std::str::from_utf8(rest).ok()? {
        _ if is("ALL") => Some(Reset::All),
        _ if is("TIME ZONE") => Some(Reset::Name("TimeZone".to_owned())),
        _ if is("ROLE") || is("SESSION_AUTHORIZATION") => None,
        name if !name.is_empty() && rest.iter().all(plain) => Some(Reset::Name(name.to_owned())),
        _ => None,
    }
}

/// Whether a text of one or more statements takes settings back to their start: RESET, DISCARD, SET ... TO DEFAULT.
pub fn resets(sql: &[u8]) -> bool {
    statements(sql).any(|statement| {
        if !may_begin_with(statement, &[b"res", b"dis", b"set"]) {
            return false;
        }
        let mut words = Words::new(statement);
        let Some(first) = words.next() else { return false };
        let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
        is("RESET")
            || is("DISCARD")
            || is("SET") && words.any(|word| word.eq_ignore_ascii_case(b"DEFAULT"))
    })
}

/// Whether the last of several statements is RESET ALL.
pub fn ends_with_reset_all(sql: &[u8]) -> bool {
    let mut statements = sql.rsplit(|&byte| byte == b';');
    statements
        .find(|statement| Words::new(statement).next().is_some())
        .is_some_and(|last| reset(last) == Some(Reset::All))
}

/// Whether a failed transaction takes this statement (tcop/postgres.c, `IsTransactionExitStmt`).
pub fn ends_transaction(sql: &[u8]) -> bool {
    let first = Words::new(sql).next().unwrap_or_default();
    let exits = ["COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE"];
    exits.iter().any(|word| first.eq_ignore_ascii_case(word.as_bytes()))
}

/// A quick no for nearly all statements: false when the first word begins with none of these three letters. What begins
/// with a comment, or with anything else that is no letter, may begin with any word.
pub(super) fn may_begin_with(statement: &[u8], starts: &[&[u8; 3]]) -> bool {
    let statement = statement.trim_ascii_start();
    match statement.first_chunk::<3>() {
        Some(first) if first[0].is_ascii_alphabetic() => {
            starts.iter().any(|start| first.eq_ignore_ascii_case(*start))
        }
        Some(_) => true,
        None => false,
    }
}

/// One identifier and nothing behind it but a semicolon.
fn identifier(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii();
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let inner = quoted.strip_suffix(b"\"")?;
        return (!inner.contains(&b'"')).then(|| inner.to_vec());
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$';
    let is_name = !text.is_empty() && text.iter().all(plain) && !text.eq_ignore_ascii_case(b"ALL");
    is_name.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_no_is_right() {
        let starts: [&[u8; 3]; 2] = [b"res", b"set"];
        for (sql, expected) in [
            ("RESET x", true),
            (" \n sEt x", true),
            ("select 1", false),
            ("se", false),
            ("", false),
            ("-- c\nreset x", true),
            ("/* c */ reset x", true),
            ("(select 1)", true),
        ] {
            assert_eq!(may_begin_with(sql.as_bytes(), &starts), expected, "{sql}");
        }
        assert!(resets(b"/* c */ reset x") && resets(b"select 1; -- c\n discard all"));
        assert_eq!(deallocated(b"-- c\ndeallocate a"), Some(b"a".to_vec()));
    }

    #[test]
    fn a_reset_of_settings_is_told_from_other_statements() {
        let named = |name: &str| Some(Reset::Name(name.to_owned()));
        for (sql, expected) in [
            ("RESET ALL", Some(Reset::All)),
            (" reset all ; ", Some(Reset::All)),
            ("RESET TimeZone", named("TimeZone")),
            ("RESET TIME ZONE", named("TimeZone")),
            ("RESET a.b;", named("a.b")),
            ("RESET ROLE", None),
            ("RESET SESSION AUTHORIZATION", None),
            ("RESET ALL; SELECT 1", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(reset(sql.as_bytes()), expected, "{sql}");
        }
    }

    #[test]
    fn a_reset_among_other_statements_is_found() {
        for (sql, is_reset, is_all_at_last) in [
            ("CLOSE ALL; UNLISTEN *; RESET ALL;", true, true),
            ("reset all; set a = b", true, false),
            ("/* x */ reset a", true, false),
            ("discard all", true, false),
            ("set a to default", true, false),
            ("SET LOCAL TIME ZONE DEFAULT", true, false),
            ("set a = 1; select 'reset all'", false, false),
            ("select default", false, false),
            ("", false, false),
        ] {
            assert_eq!(resets(sql.as_bytes()), is_reset, "{sql}");
            assert_eq!(ends_with_reset_all(sql.as_bytes()), is_all_at_last, "{sql}");
        }
    }

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        for (sql, name) in [
            ("DEALLOCATE s1", Some("s1")),
            ("deallocate prepare S1 ;", Some("s1")),
            ("DEALLOCATE \"Mixed Case\"", Some("Mixed Case")),
            ("DEALLOCATE prepared", Some("prepared")),
            ("DEALLOCATE ALL", None),
            ("DEALLOCATE a; SELECT 1", None),
            ("SELECT 1", None),
            ("", None),
        ] {
            assert_eq!(deallocated(sql.as_bytes()).as_deref(), name.map(str::as_bytes), "{sql}");
        }
    }
}
