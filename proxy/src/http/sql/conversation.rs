//! The conversation behind a request for SQL: a client of the proxy, as any other, that logs in, asks everything at once, and
//! writes the answers down as they come.
//!
//! Must not know HTTP.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::backend::message::{Message, MessageError, MessageReader};
use crate::error::{ClientFacing, Severity, SqlState};
use crate::http::sql::page::{Gone, Page};
use crate::http::sql::question::{Account, Asked, Shape, Statement};
use crate::http::sql::render;
use crate::wire::frontend::{SYNC, write_bind_head, write_parse, write_query};

/// The longest row, and the longest message of any other kind.
const MESSAGE_LEN_MAX: usize = 64 * 1024 * 1024;
/// Describe of the unnamed portal, and Execute of it without a limit.
const DESCRIBE: [u8; 7] = [b'D', 0, 0, 0, 6, b'P', 0];
const EXECUTE: [u8; 10] = [b'E', 0, 0, 0, 9, 0, 0, 0, 0, 0];
/// Version 3.0 of the protocol.
const VERSION: u32 = 0x0003_0000;
/// How long what follows an error may take to be answered, so that the server connection can be used by others.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What goes out for a request.
pub(super) struct Request {
    /// The login and all statements.
    pub(super) bytes: Vec<u8>,
    /// Whether the statements are one transaction.
    kind: Kind,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Single,
    Batch,
}

/// How a conversation ended early.
enum Stop {
    /// With this answer.
    Failed(Vec<u8>),
    /// With nobody to answer.
    Gone,
}

/// The other side is lost, or said what cannot be written down.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the connection to the database was lost")]
    Lost,
    #[error("a row of more than {MESSAGE_LEN_MAX} bytes does not go through HTTP")]
    TooLong,
    #[error("COPY does not go through HTTP")]
    Copy,
}

impl Request {
    /// Of this account, in this shape. `begin` is what begins the transaction of a batch.
    pub(super) fn new(account: &Account, asked: &Asked, begin: &str, shape: Shape) -> Self {
        let mut bytes = startup(account);
        let kind = match asked {
            Asked::Single(_) => Kind::Single,
            Asked::Batch { .. } => Kind::Batch,
        };
        if kind == Kind::Batch {
            write_query(&mut bytes, begin);
        }
        asked.statements().iter().for_each(|statement| write_statement(&mut bytes, statement));
        if kind == Kind::Batch {
            write_query(&mut bytes, "COMMIT");
        }
        Self { bytes, kind, shape }
    }
}

/// Logs in, asks, and fills the page.
///
/// # Cancel safety
/// Dropped midway, the connection is closed and the server's work is cancelled.
pub(super) async fn converse(
    stream: UnixStream,
    request: Request,
    statements: usize,
    mut page: Page,
) {
    let (from, to) = tokio::io::split(stream);
    let Request { bytes, kind, shape } = request;
    let reader = MessageReader::up_to(MESSAGE_LEN_MAX);
    let around = if kind == Kind::Batch { 3 } else { 1 };
    let mut reading = Reading { from, reader, shape, ready_owed: statements + around };
    match ask(to, &bytes, reading.read(kind, statements, &mut page)).await {
        Ok(()) => page.finish().await,
        Err(Stop::Failed(error)) => page.fail(error).await,
        Err(Stop::Gone) => {}
    }
}

/// Writes while the answers are read: neither side waits for the other to take everything first.
async fn ask(
    mut to: WriteHalf<UnixStream>,
    bytes: &[u8],
    answers: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let mut answers = std::pin::pin!(answers);
    tokio::select! {
        biased;
        outcome = &mut answers => return outcome,
        // A failure to write shows when reading.
        _ = to.write_all(bytes) => {}
    }
    answers.await
}

/// The half that hears.
struct Reading {
    from: ReadHalf<UnixStream>,
    reader: MessageReader,
    shape: Shape,
    /// ReadyForQuery messages that are still to come.
    ready_owed: usize,
}

impl Reading {
    /// All answers; after an error what else was asked is waited for.
    async fn read(&mut self, kind: Kind, statements: usize, page: &mut Page) -> Result<(), Stop> {
        let outcome = self.read_all(kind, statements, page).await;
        if let Err(Stop::Failed(_)) = outcome {
            let rest = async { while self.ready_owed > 0 && self.hear().await.is_ok() {} };
            let _ = timeout(DRAIN_TIMEOUT, rest).await;
        }
        outcome
    }

    async fn read_all(
        &mut self,
        kind: Kind,
        statements: usize,
        page: &mut Page,
    ) -> Result<(), Stop> {
        self.until_ready(page).await?;
        if kind == Kind::Batch {
            self.until_ready(page).await?;
            page.bytes().extend_from_slice(b"{\"results\":[");
        }
        for number in 0..statements {
            if number > 0 {
                page.bytes().push(b',');
            }
            self.result(page).await?;
        }
        if kind == Kind::Batch {
            self.until_ready(page).await?;
            page.bytes().extend_from_slice(b"]}");
        }
        Ok(())
    }

    /// One statement's answer, up to its ReadyForQuery.
    async fn result(&mut self, page: &mut Page) -> Result<(), Stop> {
        let mut columns = None;
        let mut rows = 0_u64;
        loop {
            let message = self.next(page).await?;
            match message.tag() {
                b'T' => columns = render::begin(page.bytes(), Some(message.body()), self.shape),
                b'n' => columns = render::begin(page.bytes(), None, self.shape),
                b'D' => {
                    if rows > 0 {
                        page.bytes().push(b',');
                    }
                    rows += 1;
                    let columns = columns.as_deref().unwrap_or_default();
                    let written = render::row(page.bytes(), message.body(), columns, self.shape);
                    written.ok_or_else(|| failed(&Fault::Lost))?;
                    page.pass_on().await.map_err(|Gone| Stop::Gone)?;
                }
                b'C' => render::end(page.bytes(), &text(message.body())),
                b'I' => render::end(page.bytes(), ""),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    async fn until_ready(&mut self, page: &mut Page) -> Result<(), Stop> {
        while self.next(page).await?.tag() != b'Z' {}
        Ok(())
    }

    async fn hear(&mut self) -> Result<Message, MessageError> {
        let message = self.reader.next(&mut self.from).await?;
        self.ready_owed -= usize::from(message.tag() == b'Z');
        Ok(message)
    }

    /// The next message that is no error.
    async fn next(&mut self, page: &mut Page) -> Result<Message, Stop> {
        let next = tokio::select! {
            biased;
            next = self.hear() => next,
            () = page.gone() => return Err(Stop::Gone),
        };
        match next {
            Ok(message) => match message.tag() {
                b'E' => Err(Stop::Failed(render::error(message.body()))),
                b'G' | b'H' | b'W' => {
                    // The server waits for data, or sends some: there is nothing to wait for.
                    self.ready_owed = 0;
                    Err(failed(&Fault::Copy))
                }
                _ => Ok(message),
            },
            Err(MessageError::TooLong(_)) => Err(failed(&Fault::TooLong)),
            Err(_) => Err(failed(&Fault::Lost)),
        }
    }
}

fn failed(fault: &Fault) -> Stop {
    Stop::Failed(render::own_error(fault))
}

/// The startup packet, and the password behind it: nobody has to ask.
fn startup(account: &Account) -> Vec<u8> {
    let mut body = VERSION.to_be_bytes().to_vec();
    let own = [("user", account.user.as_str()), ("database", account.database.as_str())];
    let settings = account.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.into_iter().chain(settings) {
        body.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    body.push(0);
    let mut bytes = (body.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes.push(b'p');
    bytes.extend((account.password.len() as u32 + 5).to_be_bytes());
    bytes.extend_from_slice(account.password.as_bytes());
    bytes.push(0);
    bytes
}

fn write_statement(bytes: &mut Vec<u8>, statement: &Statement) {
    write_parse(bytes, b"", &[statement.query.as_bytes(), &[0, 0, 0]].concat());
    let mut values = vec![0, 0];
    let count = statement.texts().count();
    values.extend((count as u16).to_be_bytes());
    for text in statement.texts() {
        match text {
            None => values.extend((-1_i32).to_be_bytes()),
            Some(text) => {
                values.extend((text.len() as u32).to_be_bytes());
                values.extend_from_slice(text.as_bytes());
            }
        }
    }
    values.extend([0, 0]);
    write_bind_head(bytes, b"", b"", values.len());
    bytes.extend(values);
    bytes.extend_from_slice(&DESCRIBE);
    bytes.extend_from_slice(&EXECUTE);
    bytes.extend_from_slice(&SYNC);
}

fn text(body: &[u8]) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}

impl ClientFacing for Fault {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Lost => SqlState::CONNECTION_FAILURE,
            Self::TooLong => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::Copy => SqlState::FEATURE_NOT_SUPPORTED,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Lost => {
                "Try again. Whether a statement that was running took effect is not known.".into()
            }
            Self::TooLong => "Ask for less at once, or connect by WebSocket.".into(),
            Self::Copy => "Connect by WebSocket, or use INSERT.".into(),
        })
    }
}
