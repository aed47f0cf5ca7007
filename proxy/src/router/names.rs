//! Names of prepared statements in SQL: EXECUTE, PREPARE, DEALLOCATE, and the catalog that lists them.
//!
//! A client's protocol statements have other names on servers, so a text that uses the client's names needs help.

use memchr::memmem;

use crate::router::command::may_begin_with;
use crate::router::holds::{Words, statements};

/// What a text does with the names of prepared statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameUse {
    /// EXECUTE runs this one, or PREPARE finds the name taken.
    Look(Box<[u8]>),
    /// DEALLOCATE gives it up.
    Drop(Box<[u8]>),
    /// DEALLOCATE ALL and DISCARD ALL give up all.
    DropAll,
    /// `pg_prepared_statements` lists all.
    List,
}

/// True when a text of one or more statements gives up all names. A quick no for nearly all texts.
pub fn drops_all(sql: &[u8]) -> bool {
    let may_drop = |statement: &[u8]| may_begin_with(statement, &[b"dea", b"dis"]);
    statements(sql).any(|statement| {
        may_drop(statement) && matches!(name_use(statement), Some(NameUse::DropAll))
    })
}

/// All such uses in a text of one or more statements, in their order. Most texts have none, and then nothing is allocated.
pub fn name_uses(sql: &[u8]) -> Vec<NameUse> {
    let mut uses = Vec::new();
    for statement in sql.split(|&byte| byte == b';') {
        uses.extend(name_use(statement));
    }
    if memmem::find(sql, b"pg_prepared_statement").is_some() {
        uses.push(NameUse::List);
    }
    uses
}

fn name_use(statement: &[u8]) -> Option<NameUse> {
    let mut words = Words::new(statement);
    let first = words.next()?;
    let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
    match first[0].to_ascii_uppercase() {
        b'E' if is("EXECUTE") => identifier(words.rest()).map(NameUse::Look),
        b'E' if is("EXPLAIN") => executed(words),
        b'C' if is("CREATE") => executed(words),
        b'P' if is("PREPARE") => identifier(words.rest()).map(NameUse::Look),
        b'D' if is("DEALLOCATE") => {
            let rest = words.rest();
            let second = words.next().unwrap_or_default();
            let is_filler =
                second.eq_ignore_ascii_case(b"PREPARE") && words.clone().next().is_some();
            let name = if is_filler { words.rest() } else { rest };
            Some(if is_all(name) { NameUse::DropAll } else { NameUse::Drop(identifier(name)?) })
        }
        b'D' if is("DISCARD") => is_all(words.rest()).then_some(NameUse::DropAll),
        _ => None,
    }
}

/// The keyword, which is no name unless it is in quotes.
fn is_all(text: &[u8]) -> bool {
    Words::new(text).next().is_some_and(|word| word.eq_ignore_ascii_case(b"ALL"))
        && !text.trim_ascii_start().starts_with(b"\"")
}

/// EXPLAIN ... EXECUTE and CREATE TABLE ... AS EXECUTE.
fn executed(mut words: Words<'_>) -> Option<NameUse> {
    words.find(|word| word.eq_ignore_ascii_case(b"EXECUTE"))?;
    identifier(words.rest()).map(NameUse::Look)
}

/// The identifier that a text begins with, as PostgreSQL reads it (parser/scan.l): in quotes as it stands, else in lower
/// case. A comment in front of it is passed over.
fn identifier(text: &[u8]) -> Option<Box<[u8]>> {
    let text = text.trim_ascii_start();
    let Some(mut quoted) = text.strip_prefix(b"\"") else {
        return Words::new(text).next().map(|word| word.to_ascii_lowercase().into());
    };
    let mut name = Vec::new();
    loop {
        let end = memchr::memchr(b'"', quoted)?;
        name.extend_from_slice(&quoted[..end]);
        quoted = &quoted[end + 1..];
        // A quote that is doubled stands for itself.
        match quoted.strip_prefix(b"\"") {
            Some(rest) => quoted = rest,
            None => return Some(name.into()),
        }
        name.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(name: &str) -> NameUse {
        NameUse::Look(name.as_bytes().into())
    }

    fn dropped(name: &str) -> NameUse {
        NameUse::Drop(name.as_bytes().into())
    }

    #[test]
    fn names_are_found_where_statements_are_used() {
        for (sql, expected) in [
            ("EXECUTE s1(1, 2)", vec![look("s1")]),
            ("execute /* of */ S1", vec![look("s1")]),
            ("execute \"Mixed \"\"Case\"\"\" (1)", vec![look("Mixed \"Case\"")]),
            ("explain (analyze, verbose) execute s", vec![look("s")]),
            ("create table t as execute s(1) with no data", vec![look("s")]),
            ("begin; execute a; execute b; commit", vec![look("a"), look("b")]),
            ("prepare p (int) as select $1", vec![look("p")]),
            ("deallocate a", vec![dropped("a")]),
            ("deallocate prepare A;", vec![dropped("a")]),
            ("deallocate prepare", vec![dropped("prepare")]),
            ("table pg_prepared_statements", vec![NameUse::List]),
            ("deallocate \"all\"", vec![dropped("all")]),
            ("deallocate all", vec![NameUse::DropAll]),
            ("Deallocate prepare ALL;", vec![NameUse::DropAll]),
            ("deallocate a; discard all", vec![dropped("a"), NameUse::DropAll]),
        ] {
            assert_eq!(name_uses(sql.as_bytes()), expected, "{sql}");
        }
    }

    #[test]
    fn what_gives_up_all_names_is_found_at_once() {
        for sql in ["deallocate all", "/* a */ discard all", "select 1; DISCARD ALL"] {
            assert!(drops_all(sql.as_bytes()), "{sql}");
        }
        for sql in ["", "select 'discard all'", "discard temp", "deallocate a", "dis"] {
            assert!(!drops_all(sql.as_bytes()), "{sql}");
        }
    }

    #[test]
    fn other_statements_use_no_names() {
        for sql in [
            "",
            "select 1",
            "discard plans",
            "create table t (a int)",
            "explain select 1",
            "execute",
            "execute \"open",
            "select 'execute s'",
        ] {
            assert_eq!(name_uses(sql.as_bytes()), [], "{sql}");
        }
    }
}
