//! Secrets taken out of what is to be stored: of free text, of URLs, and of JSON. It must not know
//! where the result goes.

use std::borrow::Cow;

use super::secret::{is_scheme, is_secret_key, is_token};

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "[redacted]";

/// What a secret may be followed by in a text.
const ENDS: [char; 14] = ['&', ';', ',', '"', '\'', ' ', '\t', '\n', '\r', '#', '<', '>', '}', ')'];

/// Fewer characters after a scheme are prose ("basic idea").
const CREDENTIAL_LENGTH_MIN: usize = 8;

/// The text without secrets: tokens of known shapes, what follows a key that names one (`key=...`,
/// `"key": "..."`, `Authorization: Bearer ...`), and what stands before the `@` of a URL.
pub(crate) fn redact_text(text: &str) -> Cow<'_, str> {
    let mut scan = Scan { text, at: 0, kept: 0, out: String::new() };
    while scan.at < text.len() {
        scan.step();
    }
    if scan.kept == 0 {
        return Cow::Borrowed(text);
    }
    scan.out.push_str(&text[scan.kept..]);
    Cow::Owned(scan.out)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Everything before is in `out`.
    kept: usize,
    out: String,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn step(&mut self) {
        if let Some(tail) = self.rest().strip_prefix("://") {
            self.at += 3;
            return self.user_info(tail);
        }
        if self.rest().starts_with("-----BEGIN ") {
            return self.private_key();
        }
        let length = word_length(self.rest());
        if length == 0 {
            self.at += self.rest().chars().next().map_or(1, char::len_utf8);
            return;
        }
        let word = &self.rest()[..length];
        if is_token(word.trim_end_matches('.')) {
            return self.replace(self.at, self.at + length);
        }
        self.at += length;
        self.value_of(&percent_decoded(word));
    }

    /// `user:password@` and `token@` of a URL.
    fn user_info(&mut self, tail: &str) {
        let authority = tail.find(['/', '?', '#', ' ', '"', '\'', '\n']).unwrap_or(tail.len());
        if let Some(end) = tail[..authority].rfind('@') {
            self.replace(self.at, self.at + end);
        }
    }

    fn private_key(&mut self) {
        let header = self.rest().get(11..).and_then(|rest| rest.split("-----").next());
        if !header.is_some_and(|header| header.ends_with("PRIVATE KEY")) {
            self.at += 11;
            return;
        }
        let end = self.rest().find("-----END ").and_then(|end| {
            self.rest()[end + 9..].find("-----").map(|length| end + 9 + length + 5)
        });
        self.replace(self.at, self.at + end.unwrap_or(self.rest().len()));
    }

    /// What follows `word`, when the word names a secret or announces a credential.
    fn value_of(&mut self, word: &str) {
        // A number may only be told once it is read, which is done for few words.
        let assigned = || if is_secret_key(word, false) { self.assigned(word) } else { None };
        let secret = |(start, end): &(usize, usize)| {
            is_secret_key(word, is_number(&self.text[*start..*end]))
        };
        let credential = if is_scheme(word) { self.credential(word) } else { None };
        let value = credential.or_else(|| assigned().filter(secret));
        if let Some((start, end)) = value
            && start < end
            && &self.text[start..end] != REDACTED
        {
            self.replace(start, end);
        }
    }

    /// `Bearer abc...`: the bounds of the second word. Small letters after `basic` and `token` are
    /// prose.
    fn credential(&self, scheme: &str) -> Option<(usize, usize)> {
        let tail = self.rest().strip_prefix(' ')?;
        let length = tail.find(ENDS).unwrap_or(tail.len());
        let is_prose = |byte: u8| byte.is_ascii_lowercase() || b".-:".contains(&byte);
        let prose = !scheme.eq_ignore_ascii_case("bearer") && tail[..length].bytes().all(is_prose);
        (length >= CREDENTIAL_LENGTH_MIN && !prose).then_some((self.at + 1, self.at + 1 + length))
    }

    /// `=abc`, `: "abc"`: the bounds of the value, without the scheme before it.
    fn assigned(&self, word: &str) -> Option<(usize, usize)> {
        let tail = self.rest().trim_start_matches(['\\', '"', '\'', ']', ' ']);
        let tail = tail.strip_prefix(['=', ':']).or_else(|| tail.strip_prefix("%3D"))?;
        let quoted = tail.trim_start_matches(' ');
        let value = quoted.trim_start_matches(['\\', '"', '\'']);
        let scheme = &value[..word_length(value)];
        let credential = value[scheme.len()..].strip_prefix(' ');
        let value = credential.filter(|_| is_scheme(scheme)).unwrap_or(value);
        let start = self.text.len() - value.len();
        // A quoted secret may hold anything but the quote, a header anything up to its line's end.
        let quote = quoted.trim_start_matches('\\').chars().next();
        let end = match quote.filter(|first| ['"', '\''].contains(first)) {
            Some(quote) => value.find(quote),
            None if is_whole_line(word) => value.find(['\n', '\r', '"']),
            None => value.find(ENDS),
        };
        let end = end.unwrap_or(value.len());
        let value_end = start + self.text[start..start + end].trim_end_matches('\\').len();
        Some((start, value_end))
    }

    fn replace(&mut self, start: usize, end: usize) {
        self.out.push_str(&self.text[self.kept..start]);
        self.out.push_str(REDACTED);
        (self.kept, self.at) = (end, end);
    }
}

/// Whether a word is the name of a header whose value has several parts, each of them secret.
fn is_whole_line(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.ends_with("cookie") || word.ends_with("authorization")
}

/// How many bytes of the text make a word: what keys, tokens and encoded characters consist of.
fn word_length(text: &str) -> usize {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.%".contains(&byte);
    text.bytes().take_while(|byte| of_word(*byte)).count()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key with its `%XX` resolved, as far as they are ASCII.
fn percent_decoded(word: &str) -> Cow<'_, str> {
    if !word.contains('%') {
        return Cow::Borrowed(word);
    }
    let mut parts = word.split('%');
    let mut decoded = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let code = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(&part[2..]);
            }
            None => decoded.push_str(part),
        }
    }
    Cow::Owned(decoded)
}

/// The document without secrets: every value under a key that names one, and what [`redact_text`]
/// finds in strings. `json` is what PostgreSQL prints for a `jsonb`, so it is well formed; numbers
/// stay as they are written.
pub(crate) fn redact_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(character) = rest.chars().next() {
        if character != '"' {
            out.push(character);
            rest = &rest[character.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(string_length(rest));
        match after.strip_prefix(':') {
            Some(value) => rest = redact_member(&mut out, token, value),
            None => {
                push_string(&mut out, token);
                rest = after;
            }
        }
    }
    out
}

/// Writes a key and, when it names a secret, its value; returns what follows.
fn redact_member<'a>(out: &mut String, key: &str, value: &'a str) -> &'a str {
    push_string(out, key);
    out.push_str(": ");
    let value = value.trim_start_matches(' ');
    if !is_secret_key(&decoded(key), is_number(leading_scalar(value))) {
        return value;
    }
    let (whole, after) = value.split_at(value_length(value));
    if matches!(whole, "null" | "true" | "false" | "\"\"" | "[]" | "{}") {
        return value;
    }
    out.push('"');
    out.push_str(REDACTED);
    out.push('"');
    after
}

/// The number at the beginning of `json`, which may stand in quotes; empty for anything else.
fn leading_scalar(json: &str) -> &str {
    let text = json.strip_prefix('"').unwrap_or(json);
    let end = text.find(['"', ',', '}', ']']).unwrap_or(text.len());
    &text[..end]
}

/// Writes a string of the document without its secrets.
fn push_string(out: &mut String, token: &str) {
    let text = decoded(token);
    match redact_text(&text) {
        Cow::Borrowed(_) => out.push_str(token),
        Cow::Owned(text) => {
            out.push_str(&serde_json::to_string(&text).expect("a text is JSON"));
        }
    }
}

fn decoded(token: &str) -> String {
    serde_json::from_str(token).expect("jsonb prints well-formed strings")
}

/// The length of the string at the beginning of `json`, quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

/// The length of the value at the beginning of `json`, whatever it holds.
fn value_length(json: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at += string_length(&json[at..]) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    #[test]
    fn text_without_secrets_is_left_alone() {
        for text in [
            "",
            "/repos/o/r/issues?page=2&per_page=100",
            "the basic idea: keep it",
            "key=1",
            "https://api.github.com/user",
            "a@b.example",
            "the token expiration",
            "max_tokens=4096",
            "token_type=bearer",
            "10 tokens: 3 left",
            "é ünï=cödé",
        ] {
            assert!(matches!(redact_text(text), Cow::Borrowed(_)), "{text}: {}", redact_text(text));
        }
    }

    #[test]
    fn secrets_in_text_are_replaced_and_nothing_else() {
        for (text, expected) in [
            ("/x?access_token=abc&page=2", "/x?access_token=[redacted]&page=2"),
            ("/x?a=1&api%5Fkey=s3cret#top", "/x?a=1&api%5Fkey=[redacted]#top"),
            ("https://bob:hunter2@h.example/x", "https://[redacted]@h.example/x"),
            ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
            ("sent Bearer abcdefgh12 twice", "sent Bearer [redacted] twice"),
            ("body {\"password\": \"a b, c\"}", "body {\"password\": \"[redacted]\"}"),
            ("body {\\\"password\\\": \\\"abc\\\"}", "body {\\\"password\\\": \\\"[redacted]\\\"}"),
            ("password='x y' user=z", "password='[redacted]' user=z"),
            ("postgres://u:p@h/db failed", "postgres://[redacted]@h/db failed"),
            ("Cookie: a=b; c=d\nAccept: x", "Cookie: [redacted]\nAccept: x"),
            ("{\\\"Cookie\\\": \\\"a=b; c=d\\\", 1}", "{\\\"Cookie\\\": \\\"[redacted]\\\", 1}"),
            ("Authorization: Digest username=x, response=abc", "Authorization: [redacted]"),
            ("https://h/c?sv=1&sig=abc%3D&se=2", "https://h/c?sv=1&sig=[redacted]&se=2"),
        ] {
            assert_eq!(redact_text(text), expected, "{text}");
        }
        assert_eq!(redact_text(&format!("got {GITHUB}.")), "got [redacted]");
        assert_eq!(redact_text(&format!("/r/{GITHUB}/x")), "/r/[redacted]/x");
        let key = "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b";
        assert_eq!(redact_text(key), "a [redacted] b");
    }

    #[test]
    fn json_loses_the_values_of_secret_keys_whatever_they_are() {
        for (json, expected) in [
            (r#"{"a": 1e400, "b": [0.10, "x"]}"#, r#"{"a": 1e400, "b": [0.10, "x"]}"#),
            (
                r#"{"Authorization": "Bearer x", "n": 1}"#,
                r#"{"Authorization": "[redacted]", "n": 1}"#,
            ),
            (r#"{"secret": {"a": ["}", 1]}, "b": 2}"#, r#"{"secret": "[redacted]", "b": 2}"#),
            (
                r#"[{"password": 12345}, {"pwd": null}]"#,
                r#"[{"password": "[redacted]"}, {"pwd": null}]"#,
            ),
            (r#"{"usage": {"input_tokens": 12}}"#, r#"{"usage": {"input_tokens": 12}}"#),
            (r#"{"u": "https://a:b@c/"}"#, r#"{"u": "https://[redacted]@c/"}"#),
            (r#"{"q\"token": "\\\"x", "k": "\\"}"#, r#"{"q\"token": "[redacted]", "k": "\\"}"#),
            (r#"{"token": "a\u0001b"}"#, r#"{"token": "[redacted]"}"#),
            (r#""{\"token\": \"abc\"}""#, r#""{\"token\": \"[redacted]\"}""#),
            ("12", "12"),
            ("{}", "{}"),
        ] {
            assert_eq!(redact_json(json), expected, "{json}");
        }
        let header = format!("{{\"x\": \"{GITHUB}\"}}");
        assert_eq!(redact_json(&header), r#"{"x": "[redacted]"}"#);
    }

    #[test]
    fn redacted_json_is_json_at_any_depth() {
        let deep = format!("{}\"{GITHUB}\"{}", "[".repeat(50_000), "]".repeat(50_000));
        let redacted = redact_json(&deep);
        assert!(redacted.contains("[\"[redacted]\"]") && !redacted.contains("ghp_"));
    }
}
