//! Connection strings: `key=value key='a value'`, with two quotes for one inside a value.
//!
//! Must not know which keys there are. Errors never hold a value.

/// Reads the pairs in order, or says what is wrong.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut pairs, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("a key is not followed by =")?;
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(
                "a connection string is made of key=value; quote values with blanks: 'a b'"
                    .to_owned(),
            );
        }
        let (value, after) = value(after.trim_start())
            .ok_or_else(|| format!("the value of {key} is empty, or its quote does not end"))?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn value(text: &str) -> Option<(String, &str)> {
    let (value, rest) = match text.strip_prefix('\'') {
        Some(rest) => quoted(rest)?,
        None => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
    };
    (!value.is_empty()).then_some((value, rest))
}

fn quoted(mut rest: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        let Some(more) = after.strip_prefix('\'') else { return Some((value, after)) };
        value.push('\'');
        rest = more;
    }
}
