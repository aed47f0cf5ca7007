//! What gives a secret away: the name of its key, or its own shape. It must not know where it was
//! found nor what becomes of it.

/// How a reference to a secret begins; the secret itself is stored there and not here.
const REFERENCES: [&str; 3] = ["env:", "file:/", "vault:"];

/// Words that stand before a secret in an Authorization header, and may before a reference.
const SCHEMES: [&str; 3] = ["bearer", "basic", "token"];

/// A word of a key that alone says that the value is secret.
const SECRET_WORDS: [&str; 23] = [
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "apikey",
    "apikeys",
    "jwt",
    "bearer",
    "signature",
    "sig",
    "pat",
    "accesstoken",
    "authtoken",
    "privatekey",
];

/// Words before `key` or `keys` that make it a secret one.
const SECRET_KEYS: [&str; 9] =
    ["api", "private", "access", "secret", "signing", "encryption", "session", "auth", "service"];

/// Words after `token` that make it something about a token and not the token itself.
const ABOUT_TOKENS: [&str; 11] = [
    "type", "count", "counts", "limit", "limits", "usage", "budget", "url", "uri", "endpoint",
    "expiry",
];

/// Endings that make one word of several: `refreshtoken`, `clientsecret`, `dbpassword`.
const SECRET_ENDINGS: [&str; 5] = ["token", "secret", "password", "apikey", "accesskey"];

/// What tokens of known services begin with, and how many characters follow at least.
const TOKEN_PREFIXES: [(&str, usize); 25] = [
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("lin_api_", 16),
    ("lin_oauth_", 16),
    ("sk-ant-", 12),
    ("sk-proj-", 12),
    ("sk-", 20),
    ("sk_live_", 12),
    ("sk_test_", 12),
    ("rk_live_", 12),
    ("xoxb-", 8),
    ("xoxp-", 8),
    ("xoxa-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("glpat-", 16),
    ("npm_", 30),
    ("pypi-", 30),
    ("AIza", 30),
    ("hf_", 25),
];

/// Whether a key names a secret. A number under a word for tokens is a count of them.
pub(crate) fn is_secret_key(key: &str, value_is_number: bool) -> bool {
    let words = words(key);
    words.iter().enumerate().any(|(index, word)| {
        let next = words.get(index + 1).map(String::as_str).unwrap_or_default();
        match word.as_str() {
            "token" => !(ABOUT_TOKENS.contains(&next) || value_is_number && index > 0),
            "tokens" => !value_is_number && next.is_empty(),
            "key" | "keys" => index > 0 && SECRET_KEYS.contains(&words[index - 1].as_str()),
            word => {
                SECRET_WORDS.contains(&word)
                    || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending))
            }
        }
    })
}

/// The words of a key in lower case: `X-Api-Key`, `apiKey` and `api_key` are the same two.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for character in key.chars() {
        let begins = character.is_ascii_uppercase() && previous_is_lower;
        if !character.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            let last = words.last_mut().expect("the list begins with a word");
            last.extend(character.to_lowercase());
        }
        previous_is_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a word has the shape of a token of a known service, a key id of AWS or a JWT.
pub(crate) fn is_token(word: &str) -> bool {
    let known = |(prefix, rest): &(&str, usize)| {
        word.strip_prefix(prefix).is_some_and(|tail| tail.len() >= *rest && has_digit(tail))
    };
    TOKEN_PREFIXES.iter().any(known) || is_aws_key_id(word) || is_jwt(word)
}

/// Letters alone are prose, such as `sk-` before a long word.
fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_aws_key_id(word: &str) -> bool {
    let rest = ["AKIA", "ASIA"].iter().find_map(|prefix| word.strip_prefix(prefix));
    let is_id = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    rest.is_some_and(|rest| rest.len() == 16 && rest.bytes().all(is_id))
}

/// Three parts between dots, the first of which is the Base64 of `{"`.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    word.starts_with("eyJ") && parts.len() == 3 && parts.iter().all(|part| part.len() >= 4)
}

/// Whether a text says where a secret is, and is none itself.
pub(crate) fn is_reference(text: &str) -> bool {
    let target = match text.split_once(' ') {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => text,
    };
    let named = |prefix: &str| {
        let name = target.strip_prefix(prefix);
        name.is_some_and(|name| !name.is_empty() && !name.contains(char::is_whitespace))
    };
    REFERENCES.into_iter().any(named)
}

/// Whether a word is the scheme of an Authorization header.
pub(crate) fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_secrets_are_known_however_they_are_written() {
        for key in [
            "password",
            "DB_PASSWORD",
            "apiKey",
            "api_key",
            "X-Api-Key",
            "APIKEY",
            "client_secret",
            "accessToken",
            "refreshtoken",
            "token",
            "github_token",
            "Authorization",
            "Proxy-Authorization",
            "Set-Cookie",
            "cookie",
            "private_key",
            "aws_secret_access_key",
            "credentials",
            "webhookSecret",
            "pwd",
            "tokens",
            "GITHUB_TOKEN",
            "LINEAR_API_KEY",
        ] {
            assert!(is_secret_key(key, false), "{key}");
        }
        assert!(is_secret_key("password", true), "a PIN is a number");
    }

    #[test]
    fn keys_of_other_things_are_not() {
        for key in [
            "api_url",
            "key",
            "primary_key",
            "token_type",
            "token_limit",
            "author",
            "monkey",
            "timeout",
            "keyboard",
            "max_tokens_per_call",
            "path",
            "pattern",
            "tokenizer",
        ] {
            assert!(!is_secret_key(key, false), "{key}");
        }
        for key in ["max_tokens", "input_tokens", "anthropic-ratelimit-tokens-remaining"] {
            assert!(!is_secret_key(key, true), "{key}");
        }
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        for word in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "lin_api_abcdefghij0123456789",
            "sk-ant-api03-abcdefgh1234",
            "xoxb-1234-5678-abcd",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ] {
            assert!(is_token(word), "{word}");
        }
        for word in [
            "ghp_short1",
            "sk-abstract",
            "hello",
            "v1.2.3",
            "eyJ",
            "AKIA",
            "sk-learn-is-a-library-of",
        ] {
            assert!(!is_token(word), "{word}");
        }
    }

    #[test]
    fn references_name_a_place() {
        for text in ["env:GITHUB_TOKEN", "file:/run/secrets/x", "vault:kv/data/x#y", "Bearer env:X"]
        {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "env:", "file:relative", "hunter2", "Bearer abc", "env:A B", "envX"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
