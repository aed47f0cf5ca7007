//! A call to an external API as its caller reports it. It must not know how calls are stored or
//! what limits an integration has: a call that has happened is logged.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::argument::Argument;
use super::vocabulary::METHODS;
use crate::error::DomainError;

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
}

/// A call whose arguments fit their columns and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiCall<'a> {
    pub(crate) integration_name: &'a str,
    /// As stored: see [`stored_endpoint`].
    pub(crate) endpoint: Cow<'a, str>,
    pub(crate) method: &'static str,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_time_ms: Option<i32>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) error_message: Option<&'a str>,
}

const INTEGRATION_NAME_LENGTH_MAX: usize = 100;
const METHOD_LENGTH_MAX: usize = 10;
const USER_ID_LENGTH_MAX: usize = 255;

/// `api_access_logs.endpoint` is `varchar(255)`.
const ENDPOINT_LENGTH_MAX: usize = 255;
const ENDPOINT_MARKER: &str = "...[sha256:";
/// 128 bits of the SHA-256, in hexadecimal: enough to tell endpoints apart.
const ENDPOINT_HASH_LENGTH: usize = 32;

impl<'a> ApiCall<'a> {
    /// Checks the arguments. An endpoint may have any length, a method any case; a call without an
    /// answer has no status.
    ///
    /// # Errors
    /// 22004 no integration name, endpoint or method; 22001 too long; 22023 blank name, unknown
    /// method, negative duration or a status outside 100 to 599.
    pub(crate) fn parse(arguments: ApiCallArguments<'a>) -> Result<Self, DomainError> {
        Ok(Self {
            integration_name: Argument("p_integration_name")
                .name(arguments.integration_name, INTEGRATION_NAME_LENGTH_MAX)?,
            endpoint: stored_endpoint(Argument("p_endpoint").required(arguments.endpoint)?),
            method: parse_method(arguments.method)?,
            response_status: within("p_response_status", arguments.response_status, 100, 599)?,
            response_time_ms: within(
                "p_response_time_ms",
                arguments.response_time_ms,
                0,
                i32::MAX,
            )?,
            user_id: Argument("p_user_id").optional(arguments.user_id, USER_ID_LENGTH_MAX)?,
            error_message: arguments.error_message,
        })
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

fn parse_method(value: Option<&str>) -> Result<&'static str, DomainError> {
    let argument = Argument("p_method");
    let value = argument.bounded(argument.required(value)?, METHOD_LENGTH_MAX)?;
    let method = METHODS.words().iter().find(|method| method.eq_ignore_ascii_case(value));
    method.copied().ok_or_else(|| METHODS.unknown(argument, value))
}

fn within(
    argument: &'static str,
    value: Option<i32>,
    min: i32,
    max: i32,
) -> Result<Option<i32>, DomainError> {
    value.map(|value| Argument(argument).within(value, min, max)).transpose()
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

    fn refusal(arguments: ApiCallArguments<'_>) -> &'static str {
        ApiCall::parse(arguments).unwrap_err().sqlstate()
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
    fn methods_are_stored_in_capitals() {
        let call = ApiCall::parse(ApiCallArguments { method: Some("patch"), ..call() }).unwrap();
        assert_eq!(call.method, "PATCH");
    }

    #[test]
    fn each_rule_has_its_sqlstate() {
        assert_eq!(refusal(ApiCallArguments { endpoint: None, ..call() }), "22004");
        assert_eq!(refusal(ApiCallArguments { method: Some("PROPFIND-ALL"), ..call() }), "22001");
        assert_eq!(refusal(ApiCallArguments { method: Some("FETCH"), ..call() }), "22023");
        assert_eq!(refusal(ApiCallArguments { response_status: Some(0), ..call() }), "22023");
        assert_eq!(refusal(ApiCallArguments { response_time_ms: Some(-1), ..call() }), "22023");
        assert_eq!(refusal(ApiCallArguments { integration_name: Some(" "), ..call() }), "22023");
    }
}
