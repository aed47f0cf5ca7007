//! Values as PgBouncer writes them: numbers of C, seconds with a fraction, flags.

use super::ImportError;
use super::source::Given;

/// A whole number: decimal, or as in C hexadecimal or octal.
pub(super) fn whole(given: &Given) -> Result<i64, ImportError> {
    let text = given.value.as_str();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    parsed.map(|number| sign * number).map_err(|_| given.refuse("give a whole number"))
}

/// Seconds as milliseconds. What is more than nothing stays so.
pub(super) fn milliseconds(given: &Given) -> Result<i64, ImportError> {
    let seconds: f64 = given.value.parse().map_err(|_| given.refuse("give a time in seconds"))?;
    if !(0.0..1e12).contains(&seconds) {
        return Err(given.refuse("give a time in seconds, 0 or more"));
    }
    Ok((seconds * 1_000.0).ceil() as i64)
}

/// One of some words, in any case.
pub(super) fn word(given: &Given, words: &[&'static str]) -> Result<&'static str, ImportError> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(&given.value));
    found.copied().ok_or_else(|| given.refuse(&format!("give one of {}", words.join(", "))))
}
