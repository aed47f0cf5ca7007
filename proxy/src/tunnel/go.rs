//! Durations as Go writes them, which is how cloudflared's YAML has them (Go, `time.ParseDuration`).

/// Whether the text is one, such as `30s` or `1m30s`.
pub(super) fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if text == "0" {
        return true;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let Some(after) = part(rest) else { return false };
        rest = after;
    }
    !text.is_empty()
}

/// What follows a number and its unit.
fn part(text: &str) -> Option<&str> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let number_len = text.find(|c| !is_digit(c))?;
    let (number, rest) = text.split_at(number_len);
    if number.matches('.').count() > 1 || !number.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // The longer ones first: ms is no m.
    ["ns", "us", "µs", "μs", "ms", "s", "m", "h"].iter().find_map(|unit| {
        let after = rest.strip_prefix(unit)?;
        (after.is_empty() || after.starts_with(is_digit)).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for text in ["30s", "1m30s", "1.5h", "0", "-10ms", "100us", "1h0m0s", ".5s"] {
            assert!(is_duration(text), "{text}");
        }
        for text in ["", "30", "30 seconds", "s", "1m 30s", "1..5s", ".s", "1d", "30S"] {
            assert!(!is_duration(text), "{text}");
        }
    }
}
