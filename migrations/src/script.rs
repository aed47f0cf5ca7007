//! A step's text cut into statements by PostgreSQL's own parser, so that an error names its place.
//! Pure: knows no server.

use pg_query::NodeEnum;
use pg_query::protobuf::{RawStmt, Token};

use crate::MigrateError;
use crate::location::Location;
use crate::step::normalise;

/// The statements of one file.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file's name, for reports.
    pub(crate) file: String,
    /// The text they are cut from, with `\n` at the end of its lines.
    pub(crate) text: String,
    /// In order.
    pub(crate) statements: Vec<Statement>,
}

/// One statement, without its semicolon and the comments before it.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    /// The byte of the script's text at which it begins.
    pub(crate) at: usize,
    /// The line of its first word, from 1.
    pub(crate) line: u32,
    /// What the parser makes of it.
    pub(crate) node: NodeEnum,
}

impl Script {
    /// Cuts a text into statements.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`] for what is no SQL, a psql command, a statement that begins or
    /// ends a transaction (a step and its record are one transaction, and the runner's), and a
    /// text without any statement.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, MigrateError> {
        let text = normalise(text);
        let bad = |at: usize, reason: String| MigrateError::BadScript {
            file: file.to_owned(),
            location: Location::of(&text, at),
            reason,
        };
        if let Some(at) = text.find('\0') {
            return Err(bad(at, "a zero byte has no place in SQL".to_owned()));
        }
        let statements = statements(&text).map_err(|fault| bad(fault.at, fault.reason))?;
        if statements.is_empty() {
            return Err(bad(0, "the file holds no statement".to_owned()));
        }
        if let Some(control) = statements.iter().find(|one| is_control(&one.node)) {
            let reason = "a step cannot begin, end or nest transactions".to_owned();
            return Err(bad(control.at, reason));
        }
        Ok(Self { file: file.to_owned(), text, statements })
    }

    /// The place of a statement.
    pub(crate) fn location(&self, statement: &Statement) -> Location {
        Location::of(&self.text, statement.at)
    }
}

struct Fault {
    at: usize,
    reason: String,
}

fn statements(text: &str) -> Result<Vec<Statement>, Fault> {
    let parsed = pg_query::parse(text).map_err(|error| fault(text, &error))?;
    let comments = comments(text)?;
    let statement = |raw: RawStmt| {
        let start = raw.stmt_location as usize;
        let end = if raw.stmt_len == 0 { text.len() } else { start + raw.stmt_len as usize };
        let at = first_word(text, start, &comments);
        let node = raw.stmt?.node?;
        let line = 1 + text[..at].bytes().filter(|byte| *byte == b'\n').count() as u32;
        Some(Statement { text: text[at..end].trim_end().to_owned(), at, line, node })
    };
    Ok(parsed.protobuf.stmts.into_iter().filter_map(statement).collect())
}

/// Where the comments begin and end.
fn comments(text: &str) -> Result<Vec<(usize, usize)>, Fault> {
    let scanned = pg_query::scan(text).map_err(|error| fault(text, &error))?;
    let comment = |token: &pg_query::protobuf::ScanToken| {
        matches!(token.token(), Token::SqlComment | Token::CComment)
    };
    let tokens = scanned.tokens.into_iter().filter(comment);
    Ok(tokens.map(|token| (token.start as usize, token.end as usize)).collect())
}

/// Over white space and comments.
fn first_word(text: &str, mut at: usize, comments: &[(usize, usize)]) -> usize {
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        match comments.binary_search_by_key(&at, |(start, _)| *start) {
            Ok(index) => at = comments[index].1,
            Err(_) => return at,
        }
    }
}

fn is_control(node: &NodeEnum) -> bool {
    matches!(node, NodeEnum::TransactionStmt(_))
}

/// Where and why a text is no SQL. The parser's binding tells the message alone; the place is the
/// first token whose addition makes the text before it wrong in another way than by its end.
fn fault(text: &str, error: &pg_query::Error) -> Fault {
    let whole = said(error);
    let Ok(scanned) = pg_query::scan(text) else { return unscanned(text, whole) };
    let is_wrong = |end: i32| {
        let outcome = pg_query::parse(&text[..end as usize]);
        outcome.is_err_and(|error| !said(&error).ends_with("at end of input"))
    };
    let wrong = scanned.tokens.partition_point(|token| !is_wrong(token.end));
    match scanned.tokens.get(wrong) {
        Some(token) if text[token.start as usize..].starts_with('\\') => Fault {
            at: token.start as usize,
            reason: "a psql command has no place in a step".to_owned(),
        },
        Some(token) => Fault { at: token.start as usize, reason: whole },
        None => Fault { at: text.trim_end().len(), reason: whole },
    }
}

/// A quote or comment that does not end: it begins where the text before can still be read.
fn unscanned(text: &str, reason: String) -> Fault {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let readable = ends.iter().rev().find(|end| pg_query::scan(&text[..**end]).is_ok());
    Fault { at: readable.copied().unwrap_or(0), reason }
}

fn said(error: &pg_query::Error) -> String {
    match error {
        pg_query::Error::Parse(message) | pg_query::Error::Scan(message) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(u32, String)> {
        let script = Script::parse("file", text).unwrap();
        script.statements.into_iter().map(|s| (s.line, s.text)).collect()
    }

    #[track_caller]
    fn is_one_statement(text: &str) {
        assert_eq!(cut(&format!("{text};\nselect 2;")), [(1, text.into()), (2, "select 2".into())]);
    }

    #[track_caller]
    fn refused(text: &str) -> (u32, u32, String) {
        match Script::parse("f.sql", text).unwrap_err() {
            MigrateError::BadScript { location, reason, .. } => {
                (location.line, location.column, reason)
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn statements_have_the_line_of_their_first_word() {
        let text = "-- a; b\n\n/* c;\n/* d */ ; */ select 1\n  + 2 ;\n;select 3";
        assert_eq!(cut(text), [(4, "select 1\n  + 2".to_owned()), (6, "select 3".to_owned())]);
        assert_eq!(
            cut("\u{feff}select 1;\r\n-- é\r\nselect 'é';\r\n")[1],
            (3, "select 'é'".to_owned())
        );
    }

    #[test]
    fn a_semicolon_ends_no_quote_comment_or_body() {
        is_one_statement("select 'a;''b;', \"c;\"\"d;\"");
        is_one_statement(r"select E'it\'s; ' || e'\\'");
        is_one_statement("do $$ begin; end; $$");
        is_one_statement("do $a$ x $$ ; $$ ; $b$ $a$");
        is_one_statement("create rule r as on insert to t do also (select 1; select 2)");
        is_one_statement(
            "select 1 -- not; here\n+ 2".replace("-- not; here\n", "/* not; */").as_str(),
        );
        is_one_statement(
            "create or replace function f(begin int) returns int begin atomic \
             select case when true then 1 end; select 2; end",
        );
    }

    #[test]
    fn what_is_no_sql_is_refused_at_its_place() {
        assert_eq!(
            refused("select 1;\ncreate tabel t ();"),
            (2, 8, "syntax error at or near \"tabel\"".to_owned())
        );
        assert_eq!(refused("select 1;\nselect (1;").0, 2);
        assert_eq!(refused("select 1 +\n").2, "syntax error at end of input");
        assert_eq!(
            refused("select 1;\n  \\i other.sql"),
            (2, 3, "a psql command has no place in a step".to_owned())
        );
    }

    #[test]
    fn what_does_not_end_is_refused_where_it_begins() {
        for open in ["select 'a", "select \"a", "/* /* */", "do $x$ $y$", "select E'a\\'"] {
            let (line, _, reason) = refused(&format!("select 1;\n{open}"));
            assert_eq!(line, 2, "{open}: {reason}");
        }
    }

    #[test]
    fn transaction_control_and_empty_files_are_refused() {
        for statement in
            ["BEGIN", "commit work", "Rollback", "savepoint a", "end", "start transaction"]
        {
            let (line, column, reason) = refused(&format!("select 1;\n {statement};"));
            assert_eq!((line, column), (2, 2), "{statement}: {reason}");
        }
        for empty in ["", " -- nothing\n", ";"] {
            assert_eq!(refused(empty).2, "the file holds no statement");
        }
        assert!(refused("select '\0'").2.contains("zero byte"));
    }
}
