//! Statements that concern names which only the proxy knows: DEALLOCATE of a statement prepared by protocol.

use crate::router::holds::Words;

/// The name in `DEALLOCATE [PREPARE] name`, as PostgreSQL reads it; none for any other text, `ALL` included.
pub fn deallocated(sql: &[u8]) -> Option<Vec<u8>> {
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
