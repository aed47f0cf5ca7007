//! Asking PostgreSQL for verifiers, over one connection of its own that is kept open and made again when it is lost.
//!
//! A task owns the connection; logins of all threads send their questions to it. Must not know clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::backend::dial::{ConnectError, Login, dial};
use crate::backend::message::{MessageError, MessageReader};
use crate::backend::secret::Secret;
use crate::backend::target::Target;
use crate::net::stream::ServerStream;
use crate::session::auth::credentials::Config;
use crate::wire::error_response::ServerError;
use crate::wire::frontend::{SYNC, write_bind_head, write_parse};

/// Superusers alone may read `pg_authid`. Every name is qualified: the search path belongs to the database's owner.
const DEFAULT_QUERY: &str = "\
    SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() \
    THEN NULL ELSE rolpassword END \
    FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin";

/// Questions that may wait; a login beyond that is refused rather than queued.
const QUEUE_LEN_MAX: usize = 1024;

/// Pause after a failed attempt to connect: doubled from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Execute without a row limit for the unnamed portal.
const EXECUTE: [u8; 10] = [b'E', 0, 0, 0, 9, 0, 0, 0, 0, 0];

/// Why a verifier could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    /// There is no connection.
    #[error("the auth query has no connection: {0}")]
    Connect(Arc<ConnectError>),
    /// The server refuses the query.
    #[error(
        "the auth query failed: {0}: let auth.user read pg_authid, or set auth.query to a SECURITY DEFINER function that it may call"
    )]
    Refused(ServerError),
    /// The connection was lost while the query ran.
    #[error("the connection of the auth query was lost: {0}")]
    Lost(Arc<MessageError>),
    /// The answer has not two columns.
    #[error("the auth query must give two columns, the user's name and its verifier")]
    Columns,
    /// No answer in time.
    #[error("the auth query was not answered within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Too many logins wait for an answer.
    #[error("more than {QUEUE_LEN_MAX} logins wait for the auth query")]
    Overloaded,
    /// The thread that asked for this one is being stopped.
    #[error("the auth query was given up")]
    Stopped,
}

type Answer = Result<Option<Zeroizing<String>>, LookupError>;

struct Question {
    user: String,
    answer: oneshot::Sender<Answer>,
}

/// The way to the task that asks.
pub(super) struct AuthQuery {
    settings: Arc<Settings>,
    questions: Mutex<Option<mpsc::Sender<Question>>>,
}

struct Settings {
    target: Target,
    user: String,
    secret: Secret,
    database: String,
    query: String,
}

impl AuthQuery {
    /// None when the configuration names nobody to ask as.
    pub(super) fn new(config: &Config, target: Target) -> Option<Self> {
        let settings = Settings {
            target,
            user: config.user.clone()?,
            secret: config.password.clone().map_or(Secret::None, Secret::Password),
            database: config.database.clone(),
            query: config.query.clone().unwrap_or_else(|| DEFAULT_QUERY.to_owned()),
        };
        Some(Self { settings: Arc::new(settings), questions: Mutex::new(None) })
    }

    /// The verifier of a user. None: no such user, or none that may log in with a password now.
    ///
    /// # Cancel safety
    /// Cancel safe: the answer is dropped.
    pub(super) async fn verifier(&self, user: &str) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Question { user: user.to_owned(), answer };
        self.sender().try_send(question).map_err(|_| LookupError::Overloaded)?;
        answered.await.unwrap_or(Err(LookupError::Stopped))
    }

    /// The task runs where the first question comes from. Should that runtime end, the next question starts another.
    fn sender(&self) -> mpsc::Sender<Question> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = questions.as_ref().filter(|sender| !sender.is_closed()) {
            return sender.clone();
        }
        let (sender, receiver) = mpsc::channel(QUEUE_LEN_MAX);
        tokio::spawn(answer_all(Link::new(Arc::clone(&self.settings)), receiver));
        *questions = Some(sender.clone());
        sender
    }
}

async fn answer_all(mut link: Link, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        if question.answer.is_closed() {
            continue;
        }
        let answer = link.ask(&question.user).await;
        // Whoever asked may have left meanwhile.
        let _ = question.answer.send(answer);
    }
}

/// The connection, or why there is none.
struct Link {
    settings: Arc<Settings>,
    open: Option<Open>,
    outage: Option<Outage>,
}

struct Open {
    stream: ServerStream,
    reader: MessageReader,
}

struct Outage {
    error: Arc<ConnectError>,
    pause: Duration,
    until: Instant,
}

impl Link {
    fn new(settings: Arc<Settings>) -> Self {
        Self { settings, open: None, outage: None }
    }

    /// A connection that was idle may be dead without our knowing, so one that was used before is forgiven once.
    async fn ask(&mut self, user: &str) -> Answer {
        let used = self.open.is_some();
        match self.attempt(user).await {
            Err(LookupError::Lost(_)) if used => self.attempt(user).await,
            answer => answer,
        }
    }

    async fn attempt(&mut self, user: &str) -> Answer {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let patience = self.settings.target.connect_timeout;
        let late = Err(LookupError::Timeout(patience));
        let asked = timeout(patience, open.ask(&self.settings.query, user));
        let answer = asked.await.unwrap_or(late);
        // After a refusal the conversation is in order; after any other error nobody knows what comes next.
        if matches!(answer, Ok(_) | Err(LookupError::Refused(_) | LookupError::Columns)) {
            self.open = Some(open);
        }
        answer
    }

    async fn connect(&mut self) -> Result<Open, LookupError> {
        if let Some(outage) = self.outage.as_ref().filter(|outage| Instant::now() < outage.until) {
            return Err(LookupError::Connect(Arc::clone(&outage.error)));
        }
        let settings = &self.settings;
        let login = Login {
            user: &settings.user,
            database: &settings.database,
            secret: &settings.secret,
            application_name: "taskmaster auth",
            own: None,
        };
        match dial(&settings.target, &login).await {
            Ok(dialed) => {
                self.outage = None;
                Ok(Open { stream: dialed.stream, reader: MessageReader::default() })
            }
            Err(error) => Err(LookupError::Connect(self.note_outage(error))),
        }
    }

    fn note_outage(&mut self, error: ConnectError) -> Arc<ConnectError> {
        let error = Arc::new(error);
        let pause = match &self.outage {
            Some(outage) => (outage.pause * 2).min(RETRY_MAX),
            None => {
                tracing::warn!(user = self.settings.user, %error, "no connection for the auth query");
                RETRY_MIN
            }
        };
        let until = Instant::now() + pause;
        self.outage = Some(Outage { error: Arc::clone(&error), pause, until });
        error
    }
}

impl Open {
    async fn ask(&mut self, query: &str, user: &str) -> Answer {
        let lost = |error: MessageError| LookupError::Lost(Arc::new(error));
        let request = request(query, user);
        let written = async {
            self.stream.write_all(&request).await?;
            self.stream.flush().await
        };
        written.await.map_err(|error| lost(error.into()))?;
        let mut answer = Ok(None);
        loop {
            let message = self.reader.next(&mut self.stream).await.map_err(lost)?;
            match message.tag() {
                b'D' => answer = read_row(message.body()),
                b'E' => answer = refusal(ServerError::read(message.bytes())),
                b'Z' => return answer,
                _ => {}
            }
            if matches!(answer, Err(LookupError::Lost(_))) {
                return answer;
            }
        }
    }
}

/// A fatal error is the end of the connection: a server that was restarted says so to those who were idle.
fn refusal(error: ServerError) -> Answer {
    if error.is_fatal() {
        return Err(LookupError::Lost(Arc::new(MessageError::Closed)));
    }
    Err(LookupError::Refused(error))
}

fn request(query: &str, user: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_parse(&mut bytes, b"", &[query.as_bytes(), &[0, 0, 0]].concat());
    let value_len = (user.len() as u32).to_be_bytes();
    // All formats text: no formats, one value, no result formats.
    let values = [&[0, 0, 0, 1], &value_len[..], user.as_bytes(), &[0, 0]].concat();
    write_bind_head(&mut bytes, b"", b"", values.len());
    bytes.extend_from_slice(&values);
    bytes.extend_from_slice(&EXECUTE);
    bytes.extend_from_slice(&SYNC);
    bytes
}

/// The second column of a DataRow. Null: the user has no password, or none that is valid any more.
fn read_row(body: &[u8]) -> Answer {
    let columns = || {
        let (count, rest) = body.split_first_chunk::<2>()?;
        if *count != [0, 2] {
            return None;
        }
        let (_, rest) = read_value(rest)?;
        let (verifier, _) = read_value(rest)?;
        Some(verifier.map(|text| Zeroizing::new(String::from_utf8_lossy(text).into_owned())))
    };
    columns().ok_or(LookupError::Columns)
}

fn read_value(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    match i32::from_be_bytes(*len) {
        -1 => Some((None, rest)),
        len => {
            let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            Some((Some(value), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_name_and_verifier_is_read() {
        let row = b"\0\x02\0\0\0\x01u\0\0\0\x03md5";
        assert_eq!(read_row(row).unwrap().unwrap().as_str(), "md5");
        assert!(read_row(b"\0\x02\0\0\0\x01u\xff\xff\xff\xff").unwrap().is_none());
    }

    #[test]
    fn a_row_that_is_no_such_row_is_refused() {
        let row = b"\0\x02\0\0\0\x01u\0\0\0\x03md5";
        for cut in 0..row.len() {
            assert!(matches!(read_row(&row[..cut]), Err(LookupError::Columns)), "cut at {cut}");
        }
        assert!(read_row(b"\0\x01\0\0\0\x01u").is_err());
        assert!(read_row(b"\0\x02\0\0\0\x01u\xff\xff\xff\xfe").is_err());
    }

    #[test]
    fn the_request_is_four_whole_messages() {
        let bytes = request("select $1", "ü");
        let (mut tags, mut rest) = (Vec::new(), &bytes[..]);
        while let Some(header) = crate::wire::header::Header::read(rest) {
            tags.push(header.tag);
            rest = &rest[header.message_len()..];
        }
        assert_eq!((tags.as_slice(), rest.len()), (&b"PBES"[..], 0));
    }
}
