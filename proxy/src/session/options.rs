//! The `options` of a startup packet, as far as they name settings: `-c name=value` and `--name=value`.
//!
//! Source: `pg_split_opts` and `process_postgres_switches` in PostgreSQL's sources. Must not know what settings exist.

/// Why options cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A switch that sets no parameter. PostgreSQL has some; a pooled connection cannot offer them.
    #[error("unsupported command-line argument for a pooled server process: {0}")]
    Switch(String),
    /// A setting without a value or without a name.
    #[error("-c {0} requires a value")]
    Value(String),
}

/// The settings named in `options`, in order.
pub fn settings(options: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let mut words = split(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = if let Some(long) = word.strip_prefix("--") {
            long.to_owned()
        } else {
            match word.strip_prefix("-c") {
                Some("") => words.next().ok_or_else(|| OptionsError::Value(String::new()))?,
                Some(attached) => attached.to_owned(),
                None => return Err(OptionsError::Switch(word)),
            }
        };
        settings.push(assign(assignment)?);
    }
    Ok(settings)
}

/// Dashes in the name stand for underscores (`ParseLongOption` in utils/misc/guc.c).
fn assign(assignment: String) -> Result<(String, String), OptionsError> {
    match assignment.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => Err(OptionsError::Value(assignment)),
    }
}

/// Words at white space; a backslash takes the next character as it is.
fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            white if white.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_in_all_spellings() {
        let found = settings(r"-c a=1 -cb=2  --c-d=x=y -c e=two\ words").unwrap();
        let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, [("a", "1"), ("b", "2"), ("c_d", "x=y"), ("e", "two words")]);
    }

    #[test]
    fn what_names_no_setting_is_refused() {
        for options in ["-c", "-c=", "-c =", "--=", "-c a", "-d 5", "x", "--"] {
            assert!(settings(options).is_err(), "{options}");
        }
        assert_eq!(settings("  "), Ok(vec![]));
    }
}
