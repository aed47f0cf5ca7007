//! A place in a text: its line, its column, and how a reader is shown it.

use std::fmt;

/// Characters of a line that are shown on either side of the column.
const SHOWN_MAX: usize = 100;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// That line, shortened around the column, above a caret that points at it.
    pub excerpt: String,
}

impl Location {
    /// Of the byte `at` of a text; of its end when `at` lies beyond it.
    pub(crate) fn of(text: &str, at: usize) -> Self {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = text[start..at].chars().count();
        let line = text[start..].lines().next().unwrap_or_default();
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1,
            column: column as u32 + 1,
            excerpt: excerpt(line, column),
        }
    }

    /// Of a character of a text, counted from 0, as the server counts them.
    pub(crate) fn of_character(text: &str, character: usize) -> Self {
        let at = text.char_indices().nth(character).map_or(text.len(), |(at, _)| at);
        Self::of(text, at)
    }
}

impl fmt::Display for Location {
    /// `line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The line and a caret under its character `column`, counted from 0.
fn excerpt(line: &str, column: usize) -> String {
    let first = column.saturating_sub(SHOWN_MAX);
    let shown: String = line
        .chars()
        .skip(first)
        .take(2 * SHOWN_MAX)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    format!("{shown}\n{}^", " ".repeat(column - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_by_a_caret_below_its_line() {
        let text = "select 1;\n\tselect é, x\n";
        let place = Location::of(text, text.find('x').unwrap());
        assert_eq!((place.line, place.column), (2, 12));
        assert_eq!(place.excerpt, format!(" select é, x\n{}^", " ".repeat(11)));
        assert_eq!(Location::of_character(text, 21), place);
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end_and_long_lines_are_cut() {
        assert_eq!(Location::of("ab", 9).column, 3);
        assert_eq!(Location::of("", 0).excerpt, "\n^");
        let long = "x".repeat(1000);
        let (shown, caret) =
            excerpt(&long, 500).split_once('\n').map(|(a, b)| (a.len(), b.len())).unwrap();
        assert_eq!((shown, caret), (200, 101));
    }
}
