//! The parser's refusals in one line: where, which key, what is wrong.
//!
//! The parser's own report has several lines and quotes the file, which may hold a password.

use std::path::Path;

use super::ConfigError;

/// The refusal of `text`, which was read from `path`.
pub(super) fn refusal(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map(|span| span.start);
    let at = start.map(|offset| position(text, offset)).unwrap_or_default();
    let message = error.message().replace('\n', ", ").replace("i64", "a whole number");
    let message = match start.and_then(|offset| key_of_value(text, offset)) {
        Some(key) if key.ends_with("password") => format!("{key} is not a text in quotes"),
        Some(key) => format!("{key}: {message}"),
        None => message,
    };
    ConfigError::Syntax { path: path.to_owned(), at, message }
}

/// `:line:column`, both from 1.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(":{line}:{column}")
}

/// The dotted key whose value stands at `offset`; none when a key or a header stands there.
fn key_of_value(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let line = before.rsplit('\n').next()?;
    let (key, _) = line.split_once('=')?;
    let headers = before.lines().rev().filter_map(|line| line.trim().strip_prefix('['));
    let section = headers.map(|header| header.trim_matches(['[', ']', ' '])).next();
    Some(
        section
            .map_or_else(|| key.trim().to_owned(), |section| format!("{section}.{}", key.trim())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_called_by_its_dotted_key() {
        let text = "[[databases]]\nname = 1\n";
        let value = text.find('1').unwrap();
        assert_eq!(key_of_value(text, value).as_deref(), Some("databases.name"));
        assert_eq!(key_of_value(text, text.find("name").unwrap()), None);
        assert_eq!(key_of_value("a = 1", 4).as_deref(), Some("a"));
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(position("a\nbc", 3), ":2:2");
        assert_eq!(position("", 0), ":1:1");
    }
}
