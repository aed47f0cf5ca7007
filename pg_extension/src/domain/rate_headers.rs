//! The rate-limit headers of the services: GitHub's `x-ratelimit-*`, Anthropic's
//! `anthropic-ratelimit-*`, Linear's `X-RateLimit-*` and `X-Complexity-*`, and HTTP's Retry-After.
//! It must not know what is done with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::moment::Moment;
use super::rate_limit::RateState;

/// What one answer's headers said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    scopes: BTreeMap<String, Scope>,
    /// When to come back, by Retry-After.
    retry_at: Option<Moment>,
}

/// One of the limits that a service has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Scope {
    limit: Option<i64>,
    remaining: Option<i64>,
    reset_at: Option<Moment>,
}

/// What a header says about a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Limit,
    Remaining,
    Reset,
}

/// What a scope means for a call that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Its requests are ours.
    Counts,
    /// When it is used up, no call goes through.
    Blocks,
    /// It is about some calls only.
    Informs,
}

/// Scopes whose unit is one request of any kind. GitHub names the part of its API that a request
/// belongs to; most belong to `core`.
const COUNTED: [&str; 3] = ["requests", "core", "unified"];

/// Parts of GitHub's API, and Linear's limits of single end points.
const PARTIAL: [&str; 9] = [
    "search",
    "code_search",
    "graphql",
    "integration_manifest",
    "dependency_snapshots",
    "code_scanning_upload",
    "actions_runner_registration",
    "scim",
    "endpoint-requests",
];

/// Longer than any header's name that says something here.
const NAME_LENGTH_MAX: usize = 80;
const SCOPES_MAX: usize = 32;

/// A service that asks for more is not believed: a day.
const WAIT_SECONDS_MAX: i64 = 86_400;

impl Observation {
    /// Reads the headers of an answer that came at `now`. Names in any case; values as text,
    /// numbers, or lists of which the first counts. What cannot be read is passed over.
    pub(crate) fn read(headers: &Map<String, Value>, now: Moment) -> Self {
        let named: BTreeMap<String, String> = headers
            .iter()
            .filter(|(name, _)| name.len() <= NAME_LENGTH_MAX)
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), text_of(value)?)))
            .collect();
        let resource = named.get("x-ratelimit-resource").map_or("requests", String::as_str);
        let mut observation = Self { retry_at: retry_at(&named, now), ..Self::default() };
        for (name, value) in &named {
            if let Some((scope, field)) = place(name, resource) {
                observation.set(scope, field, value, now);
            }
        }
        observation
    }

    /// Whether no header said anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.retry_at.is_none()
    }

    /// The state after the observation. Answers may come out of order: within one window less
    /// remains, never more, and what an earlier window said does not count.
    pub(crate) fn applied(&self, mut state: RateState, now: Moment) -> RateState {
        let counted = self.scopes.iter().filter(|(name, _)| effect(name) == Effect::Counts);
        for scope in counted.map(|(_, scope)| scope) {
            if let (Some(remaining), Some(reset_at)) = (scope.remaining, scope.reset_at) {
                state = count(state, remaining, reset_at);
            }
        }
        let used_up = |(name, scope): (&String, &Scope)| {
            let blocks = effect(name) == Effect::Blocks && scope.remaining == Some(0);
            scope.reset_at.filter(|_| blocks)
        };
        let blocked = self.scopes.iter().filter_map(used_up).chain(self.retry_at);
        let bounded = blocked.map(|until| until.min(now.plus_seconds(WAIT_SECONDS_MAX)));
        state.blocked_until = bounded.chain(state.blocked_until).max();
        state
    }

    /// The scopes as they are stored and shown.
    pub(crate) fn scopes(&self) -> Value {
        let shown = self.scopes.iter().map(|(name, scope)| {
            let reset_at = scope.reset_at.map(Moment::to_rfc3339);
            let scope =
                json!({"limit": scope.limit, "remaining": scope.remaining, "reset_at": reset_at});
            (name.clone(), scope)
        });
        Value::Object(shown.collect())
    }

    /// What was understood, for whoever passed the headers.
    pub(crate) fn summary(&self) -> Value {
        json!({"scopes": self.scopes(), "retry_at": self.retry_at.map(Moment::to_rfc3339)})
    }

    fn set(&mut self, scope: &str, field: Field, value: &str, now: Moment) {
        if self.scopes.len() >= SCOPES_MAX && !self.scopes.contains_key(scope) {
            return;
        }
        let number = || value.trim().parse::<i64>().ok().filter(|number| *number >= 0);
        let (limit, remaining, reset_at) = match field {
            Field::Limit => (number(), None, None),
            Field::Remaining => (None, number(), None),
            Field::Reset => (None, None, reset_moment(value.trim(), now)),
        };
        if limit.is_none() && remaining.is_none() && reset_at.is_none() {
            return;
        }
        let known = self.scopes.entry(scope.to_owned()).or_default();
        known.limit = limit.or(known.limit);
        known.remaining = remaining.or(known.remaining);
        known.reset_at = reset_at.or(known.reset_at);
    }
}

fn count(mut state: RateState, remaining: i64, reset_at: Moment) -> RateState {
    // Headers tell whole seconds, and some services reckon the reset anew for each answer.
    let slack = Moment(1_500_000).0;
    match state.remote_reset_at {
        Some(known) if reset_at.0 < known.0 - slack => {}
        Some(known) if reset_at.0 <= known.0 + slack => {
            let least = state.remote_remaining.map_or(remaining, |left| left.min(remaining));
            state.remote_remaining = Some(least);
        }
        _ => {
            state.remote_remaining = Some(remaining);
            state.remote_reset_at = Some(reset_at);
        }
    }
    state
}

fn effect(scope: &str) -> Effect {
    if COUNTED.contains(&scope) {
        return Effect::Counts;
    }
    if PARTIAL.contains(&scope) { Effect::Informs } else { Effect::Blocks }
}

/// The scope and field that a header is about, such as `input-tokens` and `remaining`.
fn place<'a>(name: &'a str, resource: &'a str) -> Option<(&'a str, Field)> {
    if let Some(field) = name.strip_prefix("x-complexity-").and_then(Field::named) {
        return Some(("complexity", field));
    }
    let prefixes = ["anthropic-ratelimit-", "x-ratelimit-", "ratelimit-"];
    let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    if let Some(field) = Field::named(rest) {
        return Some((resource, field));
    }
    // OpenAI and those that follow it put the field first: `limit-requests`.
    let (first, last) = (rest.split_once('-')?, rest.rsplit_once('-')?);
    let trailing = Field::named(last.1).map(|field| (last.0, field));
    trailing.or_else(|| Field::named(first.0).map(|field| (first.1, field)))
}

impl Field {
    fn named(word: &str) -> Option<Self> {
        match word {
            "limit" => Some(Self::Limit),
            "remaining" => Some(Self::Remaining),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }
}

/// A reset as an epoch number (GitHub in seconds, Linear in milliseconds), a timestamp
/// (Anthropic), or seconds from now (the IETF draft).
fn reset_moment(text: &str, now: Moment) -> Option<Moment> {
    match text.parse::<i64>() {
        Ok(seconds) if (0..=WAIT_SECONDS_MAX * 31).contains(&seconds) => {
            Some(now.plus_seconds(seconds))
        }
        Ok(number) => Moment::from_unix(number),
        Err(_) => Moment::from_rfc3339(text).or_else(|| Moment::from_http_date(text)),
    }
}

/// Retry-After in seconds or as a date (RFC 9110, section 10.2.3), and the milliseconds that
/// some services add.
fn retry_at(headers: &BTreeMap<String, String>, now: Moment) -> Option<Moment> {
    let millis = headers.get("retry-after-ms").and_then(|text| text.trim().parse::<i64>().ok());
    if let Some(millis) = millis.filter(|millis| *millis >= 0) {
        return Some(now.plus(millis.saturating_mul(1000)));
    }
    let text = headers.get("retry-after")?.trim();
    match text.parse::<i64>() {
        Ok(seconds) => (seconds >= 0).then(|| now.plus_seconds(seconds)),
        Err(_) => Moment::from_http_date(text),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => values.first().filter(|value| !value.is_array()).and_then(text_of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(800_000_000_000_000);

    fn read(headers: Value) -> Observation {
        Observation::read(headers.as_object().unwrap(), NOW)
    }

    fn unix(moment: Moment) -> i64 {
        moment.0 / 1_000_000 + 946_684_800
    }

    fn later(seconds: i64) -> Moment {
        NOW.plus_seconds(seconds)
    }

    #[test]
    fn github() {
        let reset = unix(later(1800));
        let headers = json!({
            "X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4987", "X-RateLimit-Used": "13",
            "X-RateLimit-Reset": reset.to_string(), "X-RateLimit-Resource": "core"
        });
        let state = read(headers).applied(RateState::default(), NOW);
        assert_eq!(state.remote_remaining, Some(4987));
        assert_eq!(state.remote_reset_at, Some(later(1800)));
        assert_eq!(state.blocked_until, None);
    }

    #[test]
    fn a_part_of_github_that_is_used_up_does_not_stop_the_others() {
        let headers = json!({
            "x-ratelimit-remaining": "0", "x-ratelimit-reset": unix(later(60)),
            "x-ratelimit-resource": "search"
        });
        let observation = read(headers);
        assert_eq!(observation.applied(RateState::default(), NOW), RateState::default());
        assert_eq!(observation.scopes()["search"]["remaining"], 0);
    }

    #[test]
    fn anthropic() {
        let headers = json!({
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": later(2).to_rfc3339(),
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": later(40).to_rfc3339(),
            "anthropic-ratelimit-output-tokens-remaining": "8000",
            "anthropic-ratelimit-output-tokens-reset": later(90).to_rfc3339()
        });
        let observation = read(headers);
        let state = observation.applied(RateState::default(), NOW);
        assert_eq!((state.remote_remaining, state.remote_reset_at), (Some(49), Some(later(2))));
        assert_eq!(state.blocked_until, Some(later(40)), "no tokens, no call");
        assert_eq!(observation.scopes()["output-tokens"]["remaining"], 8000);
    }

    #[test]
    fn linear() {
        let millis = unix(later(3600)) * 1000;
        let headers = json!({
            "X-RateLimit-Requests-Limit": 1500, "X-RateLimit-Requests-Remaining": 1499,
            "X-RateLimit-Requests-Reset": millis,
            "X-RateLimit-Complexity-Limit": "250000", "X-RateLimit-Complexity-Remaining": "0",
            "X-RateLimit-Complexity-Reset": millis.to_string(), "X-Complexity": "12"
        });
        let state = read(headers).applied(RateState::default(), NOW);
        assert_eq!(state.remote_remaining, Some(1499));
        assert_eq!(state.remote_reset_at, Some(later(3600)));
        assert_eq!(state.blocked_until, Some(later(3600)));
    }

    #[test]
    fn retry_after_in_both_forms() {
        assert_eq!(read(json!({"Retry-After": "120"})).retry_at, Some(later(120)));
        assert_eq!(read(json!({"retry-after": 7})).retry_at, Some(later(7)));
        let date = "Tue, 13 May 2025 06:00:00 GMT";
        assert_eq!(read(json!({"retry-after": [date]})).retry_at, Moment::from_http_date(date));
        assert_eq!(read(json!({"retry-after-ms": "1500"})).retry_at, Some(NOW.plus(1_500_000)));
        let days = read(json!({"retry-after": "999999999"})).applied(RateState::default(), NOW);
        assert_eq!(days.blocked_until, Some(later(86_400)));
    }

    #[test]
    fn answers_out_of_order_never_give_back_what_was_used() {
        let say = |remaining: i64, seconds: i64| {
            read(
                json!({"x-ratelimit-remaining": remaining, "x-ratelimit-reset": unix(later(seconds))}),
            )
        };
        let state = say(5, 600).applied(RateState::default(), NOW);
        assert_eq!(say(7, 600).applied(state, NOW).remote_remaining, Some(5));
        assert_eq!(say(3, 601).applied(state, NOW).remote_remaining, Some(3));
        assert_eq!(say(99, 60).applied(state, NOW), state, "an earlier window");
        assert_eq!(say(99, 6000).applied(state, NOW).remote_remaining, Some(99));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for headers in [
            json!({}),
            json!({"content-type": "x", "x-ratelimit": "1"}),
            json!({"x-ratelimit-remaining": "many", "retry-after": "soon", "x-ratelimit-reset": {}}),
            json!({"retry-after": "-1", "x-ratelimit-limit": "-5"}),
        ] {
            assert!(read(headers.clone()).is_empty(), "{headers}");
        }
    }
}
