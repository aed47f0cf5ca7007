//! A call to an external API as its caller reports it, in the form in which it is stored: cut,
//! put right and without secrets, but never refused, because the call has happened. It must not
//! know how calls are stored or what limits an integration has.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::argument::is_blank;
use super::redaction::{redact_json, redact_text};
use super::vocabulary::METHODS;

/// The scalar arguments of `log_api_call` as SQL passed them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ApiCallArguments<'a> {
    pub(crate) integration_name: Option<&'a str>,
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_time_ms: Option<i32>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) retry_count: Option<i32>,
    pub(crate) tokens_in: Option<i64>,
    pub(crate) tokens_out: Option<i64>,
}

/// A call whose every value fits its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiCall<'a> {
    pub(crate) integration_name: Cow<'a, str>,
    /// As stored: see [`stored_endpoint`].
    pub(crate) endpoint: Cow<'a, str>,
    pub(crate) method: &'static str,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_time_ms: Option<i32>,
    pub(crate) user_id: Option<Cow<'a, str>>,
    pub(crate) error_message: Option<Cow<'a, str>>,
    pub(crate) correlation_id: Option<Cow<'a, str>>,
    pub(crate) retry_count: i32,
    pub(crate) tokens_in: Option<i64>,
    pub(crate) tokens_out: Option<i64>,
    pub(crate) adjustments: Adjustments,
}

/// What had to be changed: the name of the column, and what was passed or why.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Adjustments(Map<String, Value>);

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredDocument {
    /// JSON without secrets.
    Whole(String),
    /// JSON that says how large the document was and how it began.
    Cut(String),
}

const INTEGRATION_NAME_LENGTH_MAX: usize = 100;
const ID_LENGTH_MAX: usize = 255;
const ERROR_LENGTH_MAX: usize = 16 * 1024;
const METHOD_SHOWN_MAX: usize = 50;
const STATUS_MAX: i32 = 999;

/// More than any model takes; a sum of many stays a bigint.
const TOKENS_MAX: i64 = 1_000_000_000_000;

/// A method that HTTP does not know.
const OTHER_METHOD: &str = "OTHER";
const NO_ENDPOINT: &str = "(none)";

/// `api_access_logs.endpoint` is `varchar(255)`.
const ENDPOINT_LENGTH_MAX: usize = 255;
const ENDPOINT_MARKER: &str = "...[sha256:";
/// 128 bits of the SHA-256, in hexadecimal: enough to tell endpoints apart.
const ENDPOINT_HASH_LENGTH: usize = 32;

/// A document that takes more text is cut, one that takes more memory not even looked at.
const DOCUMENT_STORED_MAX: usize = 16 * 1024;
pub(crate) const DOCUMENT_READ_MAX: usize = 4 * 1024 * 1024;
const DOCUMENT_HEAD_LENGTH: usize = 2048;

impl<'a> ApiCall<'a> {
    /// The call as it is stored. An endpoint may have any length, a method any case; a call without
    /// an answer has no status.
    pub(crate) fn normalised(arguments: ApiCallArguments<'a>) -> Self {
        let mut adjustments = Adjustments::default();
        let changes = &mut adjustments;
        let name = arguments.integration_name.unwrap_or_default();
        Self {
            integration_name: changes.cut("integration_name", name, INTEGRATION_NAME_LENGTH_MAX),
            endpoint: changes.endpoint(arguments.endpoint),
            method: changes.method(arguments.method),
            response_status: changes.number(
                "response_status",
                arguments.response_status,
                STATUS_MAX,
            ),
            response_time_ms: changes.number(
                "response_time_ms",
                arguments.response_time_ms,
                i32::MAX,
            ),
            user_id: arguments.user_id.map(|id| changes.cut("user_id", id, ID_LENGTH_MAX)),
            error_message: arguments.error_message.map(|message| changes.error_message(message)),
            correlation_id: arguments
                .correlation_id
                .map(|id| changes.cut("correlation_id", id, ID_LENGTH_MAX)),
            retry_count: changes
                .number("retry_count", arguments.retry_count, i32::MAX)
                .unwrap_or_default(),
            tokens_in: changes.number("tokens_in", arguments.tokens_in, TOKENS_MAX),
            tokens_out: changes.number("tokens_out", arguments.tokens_out, TOKENS_MAX),
            adjustments,
        }
    }
}

impl Adjustments {
    /// JSON, or `None` when the call is stored as it was passed.
    pub(crate) fn to_json(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| Value::Object(self.0.clone()).to_string())
    }

    /// Notes that a column holds a part of what was passed.
    pub(crate) fn note_cut(&mut self, column: &str) {
        self.note(column, json!("cut"));
    }

    fn note(&mut self, column: &str, value: Value) {
        self.0.insert(column.to_owned(), value);
    }

    fn cut<'a>(&mut self, column: &str, text: &'a str, length_max: usize) -> Cow<'a, str> {
        let Some((end, _)) = text.char_indices().nth(length_max) else { return text.into() };
        self.note_cut(column);
        text[..end].into()
    }

    fn endpoint<'a>(&mut self, endpoint: Option<&'a str>) -> Cow<'a, str> {
        let Some(endpoint) = endpoint.filter(|endpoint| !is_blank(endpoint)) else {
            self.note("endpoint", json!(endpoint));
            return NO_ENDPOINT.into();
        };
        match redact_text(endpoint) {
            Cow::Borrowed(endpoint) => stored_endpoint(endpoint),
            Cow::Owned(redacted) => stored_endpoint(&redacted).into_owned().into(),
        }
    }

    fn method(&mut self, method: Option<&str>) -> &'static str {
        let given = method.unwrap_or_default();
        let known = METHODS.words().iter().find(|known| known.eq_ignore_ascii_case(given));
        known.copied().unwrap_or_else(|| {
            let shown: String = redact_text(given).chars().take(METHOD_SHOWN_MAX).collect();
            self.note("method", if method.is_some() { json!(shown) } else { Value::Null });
            OTHER_METHOD
        })
    }

    fn error_message<'a>(&mut self, message: &'a str) -> Cow<'a, str> {
        match redact_text(message) {
            Cow::Borrowed(message) => self.cut("error_message", message, ERROR_LENGTH_MAX),
            Cow::Owned(redacted) => {
                self.cut("error_message", &redacted, ERROR_LENGTH_MAX).into_owned().into()
            }
        }
    }

    /// The number when it lies in `0..=max`; nothing otherwise.
    fn number<N>(&mut self, column: &str, value: Option<N>, max: N) -> Option<N>
    where
        N: Copy + Default + PartialOrd + Into<Value>,
    {
        let value = value?;
        if (N::default()..=max).contains(&value) {
            return Some(value);
        }
        self.note(column, value.into());
        None
    }
}

impl StoredDocument {
    /// A document without its secrets, whole when it is small. `json` is what PostgreSQL prints.
    pub(crate) fn of(json: &str) -> Self {
        let redacted = redact_json(json);
        if redacted.len() <= DOCUMENT_STORED_MAX {
            return Self::Whole(redacted);
        }
        let head: String = redacted.chars().take(DOCUMENT_HEAD_LENGTH).collect();
        Self::Cut(json!({ "_truncated": true, "_bytes": json.len(), "_head": head }).to_string())
    }

    /// What stands for a document that is too large to be looked at.
    pub(crate) fn unread(bytes: usize) -> Self {
        Self::Cut(json!({ "_truncated": true, "_bytes": bytes }).to_string())
    }
}

/// The endpoint itself when it fits its column; otherwise its beginning, a marker and a part of
/// its SHA-256, 255 characters in all, so that equal endpoints stay equal and others differ.
fn stored_endpoint(endpoint: &str) -> Cow<'_, str> {
    if endpoint.chars().count() <= ENDPOINT_LENGTH_MAX {
        return Cow::Borrowed(endpoint);
    }
    let kept = ENDPOINT_LENGTH_MAX - ENDPOINT_MARKER.len() - ENDPOINT_HASH_LENGTH - 1;
    let mut stored: String = endpoint.chars().take(kept).collect();
    stored.push_str(ENDPOINT_MARKER);
    stored.push_str(&hash(endpoint));
    stored.push(']');
    Cow::Owned(stored)
}

fn hash(endpoint: &str) -> String {
    let digest = Sha256::digest(endpoint.as_bytes());
    digest.iter().take(ENDPOINT_HASH_LENGTH / 2).fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ApiCallArguments<'static> {
        ApiCallArguments {
            integration_name: Some("github"),
            endpoint: Some("/repos"),
            method: Some("GET"),
            ..ApiCallArguments::default()
        }
    }

    fn adjusted(arguments: ApiCallArguments<'_>) -> Value {
        Value::Object(ApiCall::normalised(arguments).adjustments.0)
    }

    #[test]
    fn an_endpoint_that_fits_is_kept_as_it_is() {
        let endpoint = "é".repeat(255);
        assert_eq!(stored_endpoint(&endpoint), endpoint);
    }

    #[test]
    fn a_long_endpoint_keeps_its_beginning_and_its_hash() {
        let endpoint = format!("/search?q={}", "é".repeat(400));
        let stored = stored_endpoint(&endpoint);
        assert_eq!(stored.chars().count(), 255);
        assert!(stored.starts_with("/search?q=é") && stored.contains("...[sha256:"));
        assert_ne!(stored, stored_endpoint(&format!("{endpoint}x")));
    }

    #[test]
    fn the_hash_is_that_of_sha256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn a_proper_call_is_not_changed() {
        let call = ApiCall::normalised(ApiCallArguments { method: Some("patch"), ..call() });
        assert_eq!((call.method, call.adjustments.to_json()), ("PATCH", None));
    }

    #[test]
    fn what_does_not_fit_is_put_right_and_noted() {
        let long = "x".repeat(300);
        for (arguments, expected) in [
            (ApiCallArguments { endpoint: None, ..call() }, json!({"endpoint": null})),
            (ApiCallArguments { method: None, ..call() }, json!({"method": null})),
            (
                ApiCallArguments { method: Some("PROPFIND"), ..call() },
                json!({"method": "PROPFIND"}),
            ),
            (
                ApiCallArguments { response_status: Some(1000), ..call() },
                json!({"response_status": 1000}),
            ),
            (
                ApiCallArguments { response_time_ms: Some(-1), ..call() },
                json!({"response_time_ms": -1}),
            ),
            (ApiCallArguments { retry_count: Some(-2), ..call() }, json!({"retry_count": -2})),
            (ApiCallArguments { tokens_in: Some(-3), ..call() }, json!({"tokens_in": -3})),
            (ApiCallArguments { user_id: Some(&long), ..call() }, json!({"user_id": "cut"})),
            (
                ApiCallArguments { correlation_id: Some(&long), ..call() },
                json!({"correlation_id": "cut"}),
            ),
            (
                ApiCallArguments { integration_name: Some(&long), ..call() },
                json!({"integration_name": "cut"}),
            ),
        ] {
            assert_eq!(adjusted(arguments), expected);
        }
        let call = ApiCall::normalised(ApiCallArguments { method: Some("BREW"), ..call() });
        assert_eq!(call.method, "OTHER");
    }

    #[test]
    fn secrets_are_taken_out_before_anything_is_cut() {
        let filler = "x".repeat(250);
        let endpoint = format!("/{filler}?token=abcdefghijklmnop");
        let call = ApiCall::normalised(ApiCallArguments {
            endpoint: Some(&endpoint),
            error_message: Some("401 for Authorization: Bearer abc.def"),
            ..call()
        });
        assert!(!call.endpoint.contains("abcd"), "{}", call.endpoint);
        assert_eq!(call.error_message.unwrap(), "401 for Authorization: Bearer [redacted]");
    }

    #[test]
    fn a_large_document_is_cut_and_stays_json() {
        let json = format!("{{\"password\": \"hunter2\", \"x\": \"{}\"}}", "é".repeat(20_000));
        let StoredDocument::Cut(cut) = StoredDocument::of(&json) else { panic!("not cut") };
        let cut: Value = serde_json::from_str(&cut).unwrap();
        assert_eq!((&cut["_truncated"], &cut["_bytes"]), (&json!(true), &json!(json.len())));
        assert!(cut["_head"].as_str().unwrap().starts_with("{\"password\": \"[redacted]\""));
        assert_eq!(StoredDocument::of("{}"), StoredDocument::Whole("{}".into()));
    }
}
