//! A step's text cut into statements, so that an error names its line. Pure; follows the rules of
//! psql's scanner (PostgreSQL `src/fe_utils/psqlscan.l`) for quotes, comments, parentheses and
//! SQL-standard function bodies.

use crate::MigrateError;

/// The statements of one file.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file's name, for reports.
    pub(crate) file: String,
    /// In order.
    pub(crate) statements: Vec<Statement>,
}

/// One statement, without its semicolon and the comments before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) text: String,
    /// The line of its first word, from 1.
    pub(crate) line: u32,
}

impl Script {
    /// Cuts a text into statements.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`] for a quote or comment that does not end, a psql command, and a
    /// statement that begins or ends a transaction: a step and its record are one transaction, and
    /// the runner's.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, MigrateError> {
        let statements =
            Scanner::new(text).statements().map_err(|fault| MigrateError::BadScript {
                file: file.to_owned(),
                line: line_at(text, fault.at),
                reason: fault.reason.to_owned(),
            })?;
        Ok(Self { file: file.to_owned(), statements })
    }
}

struct Fault {
    at: usize,
    reason: &'static str,
}

/// Walks the bytes: everything that matters is ASCII, and no byte of a longer UTF-8 character is.
struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    fn statements(mut self) -> Result<Vec<Statement>, Fault> {
        let mut statements = Vec::new();
        loop {
            self.skip_blank()?;
            if self.at == self.bytes.len() {
                return Ok(statements);
            }
            let start = self.at;
            self.skip_statement()?;
            let text = self.text[start..self.at].trim_end();
            if !text.is_empty() {
                statements
                    .push(Statement { text: text.to_owned(), line: line_at(self.text, start) });
            }
            self.at = self.bytes.len().min(self.at + 1);
        }
    }

    /// Over white space and comments, to the first word of a statement or the end.
    fn skip_blank(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek(0) {
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(b'-') if self.peek(1) == Some(b'-') => self.skip_line(),
                Some(b'/') if self.peek(1) == Some(b'*') => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// To the semicolon that ends the statement, or the end of the text.
    fn skip_statement(&mut self) -> Result<(), Fault> {
        let mut shape = Shape::default();
        while let Some(byte) = self.peek(0) {
            match byte {
                b';' if shape.is_closed() => break,
                b'\'' => self.skip_quoted(b'\'', Escapes::Doubled)?,
                b'"' => self.skip_quoted(b'"', Escapes::Doubled)?,
                b'$' => self.skip_dollar()?,
                b'-' if self.peek(1) == Some(b'-') => self.skip_line(),
                b'/' if self.peek(1) == Some(b'*') => self.skip_comment()?,
                b'\\' => return Err(self.fault(self.at, "a psql command has no place in a step")),
                byte if starts_word(byte) => self.word(&mut shape)?,
                _ => {
                    shape.punctuation(byte);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn word(&mut self, shape: &mut Shape) -> Result<(), Fault> {
        let start = self.at;
        while self.peek(0).is_some_and(continues_word) {
            self.at += 1;
        }
        let word = self.text[start..self.at].to_ascii_lowercase();
        if word == "e" && self.peek(0) == Some(b'\'') {
            return self.skip_quoted(b'\'', Escapes::Backslash);
        }
        if shape.words.is_empty() && CONTROL.contains(&word.as_str()) {
            return Err(self.fault(start, "a step cannot begin, end or nest transactions"));
        }
        shape.word(word);
        Ok(())
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// Over a comment; they nest.
    fn skip_comment(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut depth = 0_u32;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => depth += 1,
                (Some(b'*'), Some(b'/')) => depth -= 1,
                (Some(_), _) => {
                    self.at += 1;
                    continue;
                }
                (None, _) => return Err(self.fault(start, "a comment does not end")),
            }
            self.at += 2;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_quoted(&mut self, quote: u8, escapes: Escapes) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if escapes == Escapes::Backslash => self.at += 2,
                byte if byte == quote && self.peek(1) == Some(quote) => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
        Err(self.fault(start, "a quote does not end"))
    }

    /// Over `$tag$ ... $tag$`, or over the dollar alone where it begins no such quote.
    fn skip_dollar(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let end = rest.bytes().position(|byte| byte == b'$' || !continues_word(byte));
        let tag = match end {
            Some(end) if rest.as_bytes()[end] == b'$' => &self.text[start..start + end + 2],
            _ => {
                self.at += 1;
                return Ok(());
            }
        };
        if tag.as_bytes()[1].is_ascii_digit() {
            self.at += 1;
            return Ok(());
        }
        let body = start + tag.len();
        let Some(length) = self.text[body..].find(tag) else {
            return Err(self.fault(start, "a dollar quote does not end"));
        };
        self.at = body + length + tag.len();
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn fault(&self, at: usize, reason: &'static str) -> Fault {
        Fault { at, reason }
    }
}

/// Statements that a step must leave to the runner.
const CONTROL: [&str; 8] =
    ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];

#[derive(PartialEq, Eq, Clone, Copy)]
enum Escapes {
    Doubled,
    Backslash,
}

/// What of a statement is still open where a semicolon stands.
#[derive(Default)]
struct Shape {
    /// Its first words: four tell whether it makes a function.
    words: Vec<String>,
    parentheses: u32,
    /// `BEGIN ATOMIC` and `CASE` inside a function's body.
    blocks: u32,
}

impl Shape {
    fn is_closed(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn punctuation(&mut self, byte: u8) {
        match byte {
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
    }

    fn word(&mut self, word: String) {
        if self.makes_routine() && self.parentheses == 0 {
            match word.as_str() {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        if self.words.len() < 4 {
            self.words.push(word);
        }
    }

    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["create", "function" | "procedure", ..]
                | ["create", "or", "replace", "function" | "procedure", ..]
        )
    }
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn line_at(text: &str, at: usize) -> u32 {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u32
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

    #[test]
    fn statements_have_the_line_of_their_first_word() {
        let text = "-- a; b\n\n/* c;\n/* d */ ; */ select 1\n  + 2 ;\n;select 3";
        assert_eq!(cut(text), [(4, "select 1\n  + 2".to_owned()), (6, "select 3".to_owned())]);
        assert!(cut(" -- nothing\n").is_empty());
    }

    #[test]
    fn a_semicolon_ends_no_quote_comment_or_parenthesis() {
        is_one_statement("select 'a;''b;', \"c;\"\"d;\"");
        is_one_statement(r"select E'it\'s; ' || e'\\'");
        is_one_statement("do $$ begin; end; $$");
        is_one_statement("do $a$ x $$ ; $$ ; $b$ $a$");
        is_one_statement("create rule r as on insert to t do also (select 1; select 2)");
        is_one_statement("select $1, a$b, 'é;'");
    }

    #[test]
    fn a_semicolon_in_a_comment_at_the_end_of_a_line_ends_nothing() {
        assert_eq!(
            cut("select 1 -- not; here\n+ 2;"),
            [(1, "select 1 -- not; here\n+ 2".to_owned())]
        );
    }

    #[test]
    fn a_semicolon_ends_no_standard_function_body() {
        is_one_statement(
            "create or replace function f(begin int) returns int begin atomic \
             select case when true then 1 end; select 2; end",
        );
        is_one_statement("create table begin_case (a int)");
    }

    #[test]
    fn what_does_not_end_is_refused_with_its_line() {
        for open in ["select 'a", "select \"a", "/* /* */", "do $x$ $y$", "select E'a\\'"] {
            let error = Script::parse("f.sql", &format!("select 1;\n{open}")).unwrap_err();
            assert!(error.to_string().starts_with("f.sql:2: "), "{open}: {error}");
        }
    }

    #[test]
    fn transaction_control_and_psql_commands_are_refused() {
        for statement in ["BEGIN", "commit work", "Rollback", "savepoint a", "end", "\\i other.sql"]
        {
            assert!(Script::parse("f.sql", statement).is_err(), "{statement} was let through");
        }
    }
}
