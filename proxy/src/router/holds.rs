//! Which statements leave something behind in the session, so that the client must keep its server connection (I6).
//!
//! Read from leading keywords and a few telling words, without a parser: where the text leaves a doubt, it holds.
//! What statements hide inside functions is not seen here.

/// Reasons for a client to keep its server connection beyond the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(u8);

impl Holds {
    /// Nothing holds.
    pub const NONE: Self = Self(0);
    /// A setting that the server does not report was set for the session.
    pub const SETTING: Self = Self(1);
    /// A temporary object.
    pub const TEMP: Self = Self(1 << 1);
    /// A cursor WITH HOLD.
    pub const CURSOR: Self = Self(1 << 2);
    /// LISTEN.
    pub const LISTEN: Self = Self(1 << 3);
    /// A statement prepared by SQL.
    pub const PREPARE: Self = Self(1 << 4);
    /// A session-level advisory lock.
    pub const LOCK: Self = Self(1 << 5);
    /// A statement too long to be seen whole, or code whose effects are not to be read off its text.
    pub const UNSEEN: Self = Self(1 << 6);
    /// Another role or session user, which `RESET ALL` leaves as it is.
    pub const ROLE: Self = Self(1 << 7);

    /// Every reason and its name, as the extension reports it and as it is shown to operators.
    pub const REASONS: [(Self, &'static str); 8] = [
        (Self::SETTING, "settings"),
        (Self::TEMP, "temp"),
        (Self::CURSOR, "cursor"),
        (Self::LISTEN, "listen"),
        (Self::PREPARE, "prepare"),
        (Self::LOCK, "lock"),
        (Self::UNSEEN, "unseen"),
        (Self::ROLE, "role"),
    ];

    /// True when all of `those` are among these.
    pub fn includes(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }

    /// The reasons with these names, separated by commas. One that has another name counts as unseen.
    pub fn named(names: &str) -> Self {
        let of = |name: &str| {
            let known = Self::REASONS.iter().find(|(_, known)| *known == name);
            known.map_or(Self::UNSEEN, |(reason, _)| *reason)
        };
        names.split(',').filter(|name| !name.is_empty()).map(of).fold(Self::NONE, Self::with)
    }

    /// The names of the reasons, separated by commas; empty when nothing holds.
    pub fn names(self) -> String {
        let named = Self::REASONS.iter().filter(|(reason, _)| self.includes(*reason));
        named.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    }

    /// True when nothing holds.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub fn without(self, those: Self) -> Self {
        Self(self.0 & !those.0)
    }

    /// What the statements in `sql` leave behind. `is_tracked` says whether changes of a setting are followed anyway.
    pub fn of_sql(sql: &[u8], is_tracked: &dyn Fn(&[u8]) -> bool) -> Self {
        let (mut holds, mut before) = (Self::NONE, None);
        for statement in statements(sql) {
            // This may be the rest of a comment, and the statement begin behind it.
            if before.is_some_and(ends_in_comment) {
                holds = holds.with(Self::UNSEEN);
            }
            holds = holds.with(of_statement(statement, is_tracked));
            before = Some(statement);
        }
        holds
    }
}

/// The text between semicolons, be they inside of quotes: in doubt there are more statements than there are.
pub fn statements(sql: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(sql);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr(b';', text);
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// The words of a statement: runs of letters, digits, `_`, `.` and `$`, comments left out.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a [u8],
}

impl<'a> Words<'a> {
    /// The words of this text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// What follows the words taken so far.
    pub fn rest(&self) -> &'a [u8] {
        self.text
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let start =
                self.text.iter().position(|&byte| is_word(byte) || b"-/".contains(&byte))?;
            self.text = &self.text[start..];
            if let Some(after) = skip_comment(self.text) {
                self.text = after;
                continue;
            }
            let len = self.text.iter().position(|&byte| !is_word(byte)).unwrap_or(self.text.len());
            let (word, rest) = self.text.split_at(len.max(1));
            self.text = rest;
            if len > 0 {
                return Some(word);
            }
        }
    }
}

fn of_statement(statement: &[u8], is_tracked: &dyn Fn(&[u8]) -> bool) -> Holds {
    let mut words = Words::new(statement);
    let Some(first) = words.next() else { return Holds::NONE };
    let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
    let by_keyword = match first[0].to_ascii_uppercase() {
        b'S' if is("SET") => of_set(words, is_tracked),
        b'L' if is("LISTEN") => Holds::LISTEN,
        b'L' if is("LOAD") => Holds::UNSEEN,
        b'P' if is("PREPARE") => of_prepare(words),
        b'D' if is("DECLARE") && has_word(words.clone(), "HOLD") => Holds::CURSOR,
        b'D' if is("DO") => Holds::UNSEEN,
        b'C' if is("CREATE") => of_create(words),
        _ => Holds::NONE,
    };
    by_keyword.with(of_telling_words(statement))
}

fn of_set(mut words: Words<'_>, is_tracked: &dyn Fn(&[u8]) -> bool) -> Holds {
    let Some(mut name) = words.next() else { return Holds::NONE };
    let in_transaction = ["LOCAL", "TRANSACTION", "CONSTRAINTS"];
    if in_transaction.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes())) {
        return Holds::NONE;
    }
    if name.eq_ignore_ascii_case(b"SESSION") {
        name = words.next().unwrap_or_default();
    }
    if [&b"ROLE"[..], b"AUTHORIZATION"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
        return Holds::ROLE;
    }
    let name: &[u8] = match name {
        name if name.eq_ignore_ascii_case(b"TIME") => b"TimeZone",
        name if name.eq_ignore_ascii_case(b"NAMES") => b"client_encoding",
        name => name,
    };
    if is_tracked(name) { Holds::NONE } else { Holds::SETTING }
}

fn of_prepare(mut words: Words<'_>) -> Holds {
    let two_phase = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"TRANSACTION"));
    if two_phase { Holds::NONE } else { Holds::PREPARE }
}

fn of_create(mut words: Words<'_>) -> Holds {
    let filler: [&[u8]; 4] = [b"OR", b"REPLACE", b"LOCAL", b"GLOBAL"];
    let is_filler = |word: &[u8]| filler.iter().any(|known| word.eq_ignore_ascii_case(known));
    let is_temp =
        |word: &[u8]| word.eq_ignore_ascii_case(b"TEMP") || word.eq_ignore_ascii_case(b"TEMPORARY");
    match words.find(|word| !is_filler(word)) {
        Some(word) if is_temp(word) => Holds::TEMP,
        _ => Holds::NONE,
    }
}

/// Functions with lasting effects, `SELECT ... INTO TEMP` and the temporary schema, wherever they stand. They are found by
/// a byte that each of them has and most text has rarely.
fn of_telling_words(statement: &[u8]) -> Holds {
    let by_name = memchr::memchr_iter(b'_', statement)
        .fold(Holds::NONE, |holds, index| holds.with(of_name_around(statement, index)));
    let says_temp = memchr::memchr2_iter(b'm', b'M', statement)
        .any(|index| index >= 2 && starts_with(&statement[index - 2..], "temp"));
    if says_temp { by_name.with(of_into(statement)) } else { by_name }
}

/// What INTO may make, wherever it stands.
fn of_into(statement: &[u8]) -> Holds {
    let ends = memchr::memchr2_iter(b'i', b'I', statement)
        .filter(|&index| starts_with(&statement[index..], "into"))
        .map(|index| index + "into".len());
    ends.fold(Holds::NONE, |holds, end| holds.with(of_create(Words::new(&statement[end..]))))
}

/// What the name leaves behind that has its (first) underscore here.
fn of_name_around(statement: &[u8], underscore: usize) -> Holds {
    let (before, rest) = (&statement[..underscore], &statement[underscore..]);
    if ends_with(before, "advisory") && starts_with(rest, "_lock") {
        return Holds::LOCK;
    }
    if ends_with(before, "set") && starts_with(rest, "_config") {
        return Holds::SETTING;
    }
    if !ends_with(before, "pg") {
        return Holds::NONE;
    }
    // The view's rule calls set_config.
    if starts_with(rest, "_settings") && has_word(Words::new(statement), "UPDATE") {
        return Holds::SETTING;
    }
    if starts_with(rest, "_temp") { Holds::TEMP } else { Holds::NONE }
}

fn ends_with(text: &[u8], word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start.is_some_and(|start| text[start..].eq_ignore_ascii_case(word.as_bytes()))
}

fn starts_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

fn has_word(mut words: Words<'_>, wanted: &str) -> bool {
    words.any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$') || byte >= 0x80
}

/// True when `text` may break off inside a comment. What looks like one inside a string counts too, and what only looks
/// like the end of one does not end it.
fn ends_in_comment(text: &[u8]) -> bool {
    let line_start = text.iter().rposition(|&byte| byte == b'\n').unwrap_or_default();
    let (mut depth, mut index) = (0usize, 0);
    while index + 1 < text.len() {
        match &text[index..index + 2] {
            b"--" if index >= line_start => return true,
            b"/*" => (depth, index) = (depth + 1, index + 2),
            b"*/" => (depth, index) = (depth.saturating_sub(1), index + 1),
            _ => index += 1,
        }
    }
    depth > 0
}

/// The text behind the comment that `text` starts with, none when it starts with something else.
fn skip_comment(text: &[u8]) -> Option<&[u8]> {
    if text.starts_with(b"--") {
        let end = text.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(text.len());
        return Some(&text[end..]);
    }
    if !text.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut index) = (0usize, 0);
    while index + 1 < text.len() {
        match &text[index..index + 2] {
            b"/*" => (depth, index) = (depth + 1, index + 2),
            b"*/" => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            return Some(&text[index..]);
        }
    }
    Some(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(sql: &str) -> Holds {
        Holds::of_sql(sql.as_bytes(), &|name| name.eq_ignore_ascii_case(b"TimeZone"))
    }

    #[test]
    fn reasons_are_found_again_by_their_names() {
        let all = Holds::REASONS.iter().fold(Holds::NONE, |all, (reason, _)| all.with(*reason));
        assert_eq!(Holds::named(&all.names()), all);
        assert_eq!(Holds::named(""), Holds::NONE);
        assert_eq!(Holds::named("lock,something new"), Holds::LOCK.with(Holds::UNSEEN));
    }

    #[test]
    fn statements_that_end_with_their_transaction_do_not_hold() {
        for sql in [
            "",
            ";;",
            "select 1",
            "BEGIN; UPDATE a SET b = 1; COMMIT",
            "SET LOCAL search_path = x",
            "set transaction read only",
            "reset all",
            "SET TimeZone TO 'UTC'",
            "SET TIME ZONE 'UTC'",
            "SET SESSION timezone = 'UTC'",
            "PREPARE TRANSACTION 'x'",
            "DECLARE c CURSOR FOR SELECT 1",
            "CREATE TABLE t (temp int)",
            "select pg_advisory_xact_lock(1)",
            "select pg_advisory_unlock(1)",
            "UNLISTEN *",
            "select setting from pg_settings",
            "DISCARD ALL",
            "select 1 /* a */; -- b\n select '-'; select 1 / 2 * /* c */ 3; /* d */",
            "insert into t select 1",
        ] {
            assert_eq!(holds(sql), Holds::NONE, "{sql}");
        }
    }

    #[test]
    fn statements_that_outlive_their_transaction_hold() {
        for (sql, expected) in [
            ("SET search_path = x", Holds::SETTING),
            ("/* a /* b */ */ -- c\n set Role bob", Holds::ROLE),
            ("SET SESSION AUTHORIZATION bob", Holds::ROLE),
            ("SET SESSION ROLE bob", Holds::ROLE),
            ("reset all; set search_path = x", Holds::SETTING),
            ("select set_config('a.b', 'c', false)", Holds::SETTING),
            ("update pg_settings set setting = '1' where name = 'x'", Holds::SETTING),
            ("LISTEN x", Holds::LISTEN),
            ("PREPARE p AS SELECT 1", Holds::PREPARE),
            ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", Holds::CURSOR),
            ("create local temporary table t (a int)", Holds::TEMP),
            ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", Holds::TEMP),
            ("select * into temp t from u", Holds::TEMP),
            ("select *\ninto  local\ttemporary t from u", Holds::TEMP),
            ("/* a; b */ set search_path = x", Holds::UNSEEN),
            ("-- a; b\nset search_path = x", Holds::UNSEEN),
            ("set /* /* a */ ; */ role bob", Holds::UNSEEN),
            ("select 1 /*/ ; */ ; select 1", Holds::UNSEEN),
            ("-- a\rset search_path = x", Holds::SETTING),
            ("select pg_try_advisory_lock(1)", Holds::LOCK),
            ("SELECT PG_ADVISORY_LOCK(1)", Holds::LOCK),
            ("DO $$ begin end $$", Holds::UNSEEN),
            ("LOAD 'auto_explain'", Holds::UNSEEN),
        ] {
            assert_eq!(holds(sql), expected, "{sql}");
        }
    }
}
