//! What a request for SQL says: who asks, for what, and how the answer is to look.
//!
//! The form is that of Neon's serverless driver, which has no document but its source; see the notes of ARCHITECTURE.md.

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

const CONNECTION_STRING: &str = "neon-connection-string";
const RAW_TEXT: &str = "neon-raw-text-output";
const ARRAY_MODE: &str = "neon-array-mode";
const ISOLATION: &str = "neon-batch-isolation-level";
const READ_ONLY: &str = "neon-batch-read-only";
const DEFERRABLE: &str = "neon-batch-deferrable";

/// Who asks.
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
    pub(super) database: String,
    /// Settings of the session.
    pub(super) settings: Vec<(String, String)>,
}

/// How rows look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) rows: Rows,
    pub(super) values: Values,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Arrays,
    Objects,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// PostgreSQL's text.
    Text,
    /// A number, a truth value or JSON, where the type is one that JSON has.
    Json,
}

/// One statement and its parameters.
#[derive(Debug, Deserialize)]
pub(super) struct Statement {
    pub(super) query: String,
    #[serde(default)]
    params: Vec<Value>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Asked {
    /// Several statements, in one transaction.
    Batch { queries: Vec<Statement> },
    /// One statement.
    Single(Statement),
}

/// A request that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error(
        "the header Neon-Connection-String is missing or no postgresql:// URL with user, password and database"
    )]
    ConnectionString,
    #[error("the header {0} holds something else than it may")]
    Header(&'static str),
    #[error("the body is no JSON object with query and params, or with queries: {0}")]
    Body(String),
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the body did not come whole")]
    Incomplete,
}

impl Account {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, BadRequest> {
        let text = headers.get(CONNECTION_STRING).and_then(|value| value.to_str().ok());
        text.and_then(Self::parse).ok_or(BadRequest::ConnectionString)
    }

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if !["postgres", "postgresql"].contains(&url.scheme()) || url.username().is_empty() {
            return None;
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let database = decoded(url.path().strip_prefix('/').unwrap_or_default())?;
        let user = decoded(url.username())?;
        // What begins with ssl is between the driver and its way here.
        let own = ["application_name", "options"];
        let settings = url.query_pairs().filter(|(name, _)| own.contains(&name.as_ref()));
        let settings: Vec<(String, String)> =
            settings.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let password = Zeroizing::new(decoded(url.password().unwrap_or_default())?);
        let database = if database.is_empty() { user.clone() } else { database };
        Some(Self { user, password, database, settings }).filter(|account| !account.holds_zero())
    }

    /// A zero byte would end a text of the startup packet early.
    fn holds_zero(&self) -> bool {
        let settings = self.settings.iter().flat_map(|(name, value)| [name, value]);
        let mut texts = settings.chain([&self.user, &self.database, &*self.password]);
        texts.any(|text| text.contains('\0'))
    }
}

impl Shape {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let is_set = |name: &str| headers.get(name).is_some_and(|value| value == "true");
        Self {
            rows: if is_set(ARRAY_MODE) { Rows::Arrays } else { Rows::Objects },
            values: if is_set(RAW_TEXT) { Values::Text } else { Values::Json },
        }
    }
}

impl Asked {
    pub(super) fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let asked: Self =
            serde_json::from_slice(body).map_err(|error| BadRequest::Body(error.to_string()))?;
        let holds_zero = asked.statements().iter().any(|statement| statement.holds_zero());
        match holds_zero {
            true => Err(BadRequest::Body("a text holds a zero byte".to_owned())),
            false => Ok(asked),
        }
    }

    pub(super) fn statements(&self) -> &[Statement] {
        match self {
            Self::Batch { queries } => queries,
            Self::Single(statement) => std::slice::from_ref(statement),
        }
    }
}

impl Statement {
    /// The parameters as PostgreSQL reads them; none is NULL.
    pub(super) fn texts(&self) -> impl Iterator<Item = Option<String>> {
        self.params.iter().map(|value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    }

    fn holds_zero(&self) -> bool {
        let is_bad = |value: &Value| matches!(value, Value::String(text) if text.contains('\0'));
        self.query.contains('\0') || self.params.iter().any(is_bad)
    }
}

/// The statement that begins a batch's transaction.
pub(super) fn begin_sql(headers: &HeaderMap) -> Result<String, BadRequest> {
    let mut sql = "BEGIN".to_owned();
    let text = |name| headers.get(name).map(HeaderValue::as_bytes);
    match text(ISOLATION) {
        None => {}
        Some(b"ReadUncommitted") => sql.push_str(" ISOLATION LEVEL READ UNCOMMITTED"),
        Some(b"ReadCommitted") => sql.push_str(" ISOLATION LEVEL READ COMMITTED"),
        Some(b"RepeatableRead") => sql.push_str(" ISOLATION LEVEL REPEATABLE READ"),
        Some(b"Serializable") => sql.push_str(" ISOLATION LEVEL SERIALIZABLE"),
        Some(_) => return Err(BadRequest::Header(ISOLATION)),
    }
    for (name, yes, no) in
        [(READ_ONLY, " READ ONLY", " READ WRITE"), (DEFERRABLE, " DEFERRABLE", " NOT DEFERRABLE")]
    {
        match text(name) {
            None => {}
            Some(b"true") => sql.push_str(yes),
            Some(b"false") => sql.push_str(no),
            Some(_) => return Err(BadRequest::Header(name)),
        }
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_from_its_url_and_nothing_else() {
        let read = |text: &str| Account::parse(text);
        let account = read(
            "postgresql://app%40x:s%2Fecret@db.example.com/my%20db?sslmode=require&application_name=a%2Fb",
        )
        .unwrap();
        assert_eq!((account.user.as_str(), account.password.as_str()), ("app@x", "s/ecret"));
        assert_eq!(account.database, "my db");
        assert_eq!(account.settings, [("application_name".to_owned(), "a/b".to_owned())]);
        assert_eq!(read("postgres://u:p@h").unwrap().database, "u");
        for text in ["", "http://u:p@h/d", "postgres://h/d", "postgres://u%00:p@h/d"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn bodies_are_one_statement_or_many() {
        let single =
            Asked::read(br#"{"query":"select $1","params":["a",null,1,true,[1]]}"#).unwrap();
        let texts: Vec<_> = single.statements()[0].texts().collect();
        let expected = [Some("a"), None, Some("1"), Some("true"), Some("[1]")];
        assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
        let batch =
            Asked::read(br#"{"queries":[{"query":"a"},{"query":"b","params":[]}]}"#).unwrap();
        assert!(matches!(&batch, Asked::Batch { queries } if queries.len() == 2));
        for body in ["", "[]", "{}", r#"{"query":1}"#, r#"{"query":"a\u0000"}"#] {
            assert!(matches!(Asked::read(body.as_bytes()), Err(BadRequest::Body(_))), "{body}");
        }
    }

    #[test]
    fn a_batch_begins_as_its_headers_say() {
        let mut headers = HeaderMap::new();
        assert_eq!(begin_sql(&headers).unwrap(), "BEGIN");
        headers.insert(ISOLATION, HeaderValue::from_static("Serializable"));
        headers.insert(READ_ONLY, HeaderValue::from_static("true"));
        headers.insert(DEFERRABLE, HeaderValue::from_static("false"));
        let sql = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY NOT DEFERRABLE";
        assert_eq!(begin_sql(&headers).unwrap(), sql);
        headers.insert(ISOLATION, HeaderValue::from_static("Serializable; DROP TABLE x"));
        assert_eq!(begin_sql(&headers), Err(BadRequest::Header(ISOLATION)));
    }
}
