//! An integration as it is registered, with what is known of each service, and that nothing in it
//! is a secret. It must not know how integrations are stored.

use serde_json::{Map, Value, json};

use super::argument::Argument;
use super::redaction::redact_text;
use super::secret::{is_reference, is_secret_key};
use crate::error::{DomainError, IntegrationError};

/// An integration whose arguments fit their rules.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewIntegration<'a> {
    pub(crate) integration_type: &'a str,
    pub(crate) name: &'a str,
    /// What the service's preset adds below the caller's configuration.
    pub(crate) preset: Value,
    pub(crate) rate_limit_per_minute: i32,
    pub(crate) limit_requests: Option<i32>,
    pub(crate) window_seconds: i32,
    pub(crate) health_check_url: Option<String>,
}

/// The arguments of `register_integration` as SQL passed them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IntegrationArguments<'a> {
    pub(crate) integration_type: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) configuration: Option<&'a Value>,
    pub(crate) rate_limit_per_minute: Option<i32>,
    pub(crate) health_check_url: Option<&'a str>,
}

/// What is known of a service before anybody configures it.
struct Preset {
    api_url: &'static str,
    /// Requests in a window of so many seconds, as the service grants to the smallest account.
    limit: (i32, i32),
    /// Path of a request that costs little, below `api_url`.
    health_path: &'static str,
    auth_header: &'static str,
    auth_scheme: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

const TYPE_LENGTH_MAX: usize = 50;
const NAME_LENGTH_MAX: usize = 100;
const URL_LENGTH_MAX: usize = 500;
const RATE_MAX: i32 = 10_000;

/// Without a preset: `rate_limit_per_minute` of the table.
const RATE_DEFAULT: i32 = 60;

const CODEGEN: Preset = Preset {
    api_url: "https://api.codegen.sh",
    limit: (60, 60),
    health_path: "/health",
    auth_header: "authorization",
    auth_scheme: "Bearer",
    headers: &[("accept", "application/json")],
};

/// docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api: asking for the limit
/// does not count against it.
const GITHUB: Preset = Preset {
    api_url: "https://api.github.com",
    limit: (5000, 3600),
    health_path: "/rate_limit",
    auth_header: "authorization",
    auth_scheme: "Bearer",
    headers: &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")],
};

/// linear.app/developers/rate-limiting; an API key stands in the header without a scheme.
const LINEAR: Preset = Preset {
    api_url: "https://api.linear.app/graphql",
    limit: (1500, 3600),
    health_path: "?query=%7Bviewer%7Bid%7D%7D",
    auth_header: "authorization",
    auth_scheme: "",
    headers: &[("content-type", "application/json")],
};

/// docs.anthropic.com/en/api: rate limits of the first tier, versioning, and the list of models.
const CLAUDE: Preset = Preset {
    api_url: "https://api.anthropic.com",
    limit: (50, 60),
    health_path: "/v1/models",
    auth_header: "x-api-key",
    auth_scheme: "",
    headers: &[("anthropic-version", "2023-06-01"), ("content-type", "application/json")],
};

const SLACK: Preset = Preset {
    api_url: "https://slack.com/api",
    limit: (50, 60),
    health_path: "/api.test",
    auth_header: "authorization",
    auth_scheme: "Bearer",
    headers: &[("content-type", "application/json; charset=utf-8")],
};

impl<'a> NewIntegration<'a> {
    /// Checks the arguments. A rate or URL that is NULL is the preset's.
    ///
    /// # Errors
    /// 22004 no type, name or configuration; 22001 too long; 22023 a type that is no plain word, a
    /// blank name, a configuration that is no object or holds a secret, a rate outside 1 to 10000.
    pub(crate) fn parse(arguments: IntegrationArguments<'a>) -> Result<Self, DomainError> {
        let integration_type = parse_type(arguments.integration_type)?;
        let name = Argument("p_name").name(arguments.name, NAME_LENGTH_MAX)?;
        let argument = Argument("p_configuration");
        let configuration = argument.required(arguments.configuration)?;
        let object =
            configuration.as_object().ok_or(DomainError::NotAnObject { argument: argument.0 })?;
        refuse_secrets(configuration, "$", Below::Plain)?;
        let url =
            Argument("p_health_check_url").optional(arguments.health_check_url, URL_LENGTH_MAX)?;
        refuse_secrets(&json!(url), "p_health_check_url", Below::Plain)?;
        let rate = arguments
            .rate_limit_per_minute
            .map(|rate| Argument("p_rate_limit_per_minute").within(rate, 1, RATE_MAX));
        let preset = preset_of(integration_type);
        let limit = Limit::of(rate.transpose()?, preset);
        Ok(Self {
            integration_type,
            name,
            preset: preset.map_or_else(|| json!({}), Preset::document),
            rate_limit_per_minute: limit.per_minute,
            limit_requests: limit.requests,
            window_seconds: limit.window_seconds,
            health_check_url: health_url(url, object, preset),
        })
    }
}

struct Limit {
    per_minute: i32,
    requests: Option<i32>,
    window_seconds: i32,
}

impl Limit {
    /// A rate that was given is a rate a minute; otherwise the preset has its own window.
    fn of(rate: Option<i32>, preset: Option<&Preset>) -> Self {
        match (rate, preset) {
            (None, Some(Preset { limit: (requests, window), .. })) => Self {
                per_minute: (requests * 60 / window).max(1),
                requests: Some(*requests),
                window_seconds: *window,
            },
            (rate, _) => Self {
                per_minute: rate.unwrap_or(RATE_DEFAULT),
                requests: None,
                window_seconds: 60,
            },
        }
    }
}

impl Preset {
    fn document(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
        json!({
            "api_url": self.api_url,
            "auth_header": self.auth_header,
            "auth_scheme": self.auth_scheme,
            "headers": headers,
        })
    }
}

fn preset_of(integration_type: &str) -> Option<&'static Preset> {
    match integration_type {
        "codegen" => Some(&CODEGEN),
        "github" => Some(&GITHUB),
        "linear" => Some(&LINEAR),
        "claude" => Some(&CLAUDE),
        "slack" => Some(&SLACK),
        _ => None,
    }
}

/// The URL that was given, or the preset's path below the configured or usual base.
fn health_url(
    given: Option<&str>,
    configuration: &Map<String, Value>,
    preset: Option<&Preset>,
) -> Option<String> {
    let usual = || {
        let preset = preset?;
        let base = configuration.get("api_url").and_then(Value::as_str).unwrap_or(preset.api_url);
        Some(format!("{}{}", base.trim_end_matches('/'), preset.health_path))
    };
    given.map(str::to_owned).or_else(usual).filter(|url| url.chars().count() <= URL_LENGTH_MAX)
}

fn parse_type(value: Option<&str>) -> Result<&str, DomainError> {
    let argument = Argument("p_type");
    let word = argument.name(value, TYPE_LENGTH_MAX)?;
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if word.bytes().all(plain) && word.as_bytes()[0].is_ascii_lowercase() {
        return Ok(word);
    }
    Err(IntegrationError::BadType { value: word.to_owned() }.into())
}

/// Whether a value stands below a key that names a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Plain,
    Secret,
}

/// Refuses the first secret of a document, by its path.
fn refuse_secrets(value: &Value, path: &str, below: Below) -> Result<(), DomainError> {
    let refuse = || Err(IntegrationError::PlainSecret { path: path.to_owned() }.into());
    match value {
        Value::String(text) if redact_text(text) != text.as_str() && !is_reference(text) => {
            refuse()
        }
        Value::String(text) if is_reference(text) && redact_text(target(text)) != target(text) => {
            refuse()
        }
        Value::String(text)
            if below == Below::Secret && !text.is_empty() && !is_reference(text) =>
        {
            refuse()
        }
        Value::Number(_) if below == Below::Secret => refuse(),
        Value::Array(values) => values.iter().enumerate().try_for_each(|(index, value)| {
            refuse_secrets(value, &format!("{path}[{index}]"), below)
        }),
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            let secret = below == Below::Secret || is_secret_key(key, value.is_number());
            let below = if secret { Below::Secret } else { Below::Plain };
            refuse_secrets(value, &format!("{path}.{key}"), below)
        }),
        _ => Ok(()),
    }
}

/// What a reference points to, without the word before the colon.
fn target(reference: &str) -> &str {
    reference.split_once(':').map_or(reference, |(_, target)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments<'a>(kind: &'a str, configuration: &'a Value) -> IntegrationArguments<'a> {
        IntegrationArguments {
            integration_type: Some(kind),
            name: Some("n"),
            configuration: Some(configuration),
            ..IntegrationArguments::default()
        }
    }

    fn refusal(configuration: &Value) -> DomainError {
        NewIntegration::parse(arguments("github", configuration)).unwrap_err()
    }

    #[test]
    fn a_known_service_needs_no_more_than_its_name() {
        let empty = json!({});
        let github = NewIntegration::parse(arguments("github", &empty)).unwrap();
        assert_eq!(github.limit_requests, Some(5000));
        assert_eq!((github.rate_limit_per_minute, github.window_seconds), (83, 3600));
        assert_eq!(github.health_check_url.as_deref(), Some("https://api.github.com/rate_limit"));
        let other = NewIntegration::parse(arguments("jira", &empty)).unwrap();
        assert_eq!((other.preset, other.rate_limit_per_minute), (json!({}), 60));
        for kind in ["codegen", "github", "linear", "claude", "slack"] {
            let preset = NewIntegration::parse(arguments(kind, &empty)).unwrap().preset;
            assert!(refuse_secrets(&preset, "$", Below::Plain).is_ok(), "{kind}");
        }
    }

    #[test]
    fn what_was_given_goes_before_the_preset() {
        let configuration = json!({"api_url": "https://ghe.example/api/v3/"});
        let given = IntegrationArguments {
            rate_limit_per_minute: Some(10),
            ..arguments("github", &configuration)
        };
        let integration = NewIntegration::parse(given).unwrap();
        assert_eq!((integration.rate_limit_per_minute, integration.limit_requests), (10, None));
        let url = integration.health_check_url.unwrap();
        assert_eq!(url, "https://ghe.example/api/v3/rate_limit");
    }

    #[test]
    fn secrets_are_refused_wherever_they_are() {
        for (configuration, path) in [
            (json!({"api_key": "abc"}), "$.api_key"),
            (json!({"a": [{"clientSecret": "x"}]}), "$.a[0].clientSecret"),
            (json!({"password": 1234}), "$.password"),
            (json!({"credentials": {"user": "bob"}}), "$.credentials.user"),
            (json!({"note": "use ghp_16C7e42F292c6912E7710c838347Ae178B4a"}), "$.note"),
            (json!({"token": "env:ghp_16C7e42F292c6912E7710c838347Ae178B4a"}), "$.token"),
            (json!({"url": "https://u:p@h.example/"}), "$.url"),
            (json!({"url": "https://h.example/?access_token=abc"}), "$.url"),
            (json!({"headers": {"Authorization": "Bearer abc"}}), "$.headers.Authorization"),
        ] {
            let error = refusal(&configuration);
            assert_eq!(error.sqlstate(), "22023", "{configuration}");
            assert_eq!(error.detail(), json!({ "path": path }).to_string());
            assert!(error.hint().contains("env:"), "{}", error.hint());
        }
    }

    #[test]
    fn references_and_harmless_values_pass() {
        let configuration = json!({
            "api_key": "env:GITHUB_TOKEN", "private_key": "file:/run/secrets/key",
            "webhook": {"secret": "vault:kv/github#hook"}, "token": null, "use_cookies": true,
            "headers": {"Authorization": "Bearer env:GITHUB_TOKEN"}, "max_tokens": 4096,
            "rate_limit": 60, "timeout": 30000, "password": "",
        });
        assert!(NewIntegration::parse(arguments("github", &configuration)).is_ok());
    }

    #[test]
    fn each_rule_has_its_sqlstate() {
        let empty = json!({});
        let refused =
            |given: IntegrationArguments<'_>| NewIntegration::parse(given).unwrap_err().sqlstate();
        let valid = arguments("github", &empty);
        assert_eq!(refused(IntegrationArguments { integration_type: None, ..valid }), "22004");
        assert_eq!(refused(IntegrationArguments { name: Some(" "), ..valid }), "22023");
        assert_eq!(refused(IntegrationArguments { configuration: None, ..valid }), "22004");
        assert_eq!(refused(arguments("github", &json!([]))), "22023");
        assert_eq!(refused(arguments("Git Hub", &empty)), "22023");
        assert_eq!(
            refused(IntegrationArguments { rate_limit_per_minute: Some(0), ..valid }),
            "22023"
        );
        let url = Some("https://a:b@c/");
        assert_eq!(refused(IntegrationArguments { health_check_url: url, ..valid }), "22023");
    }
}
