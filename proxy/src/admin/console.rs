//! One operator's connection: its greeting, and the simple and the extended query protocol for statements without
//! parameters.
//!
//! Must not know how statements are done; see `act` and `show`.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use crate::admin::act::Outcome;
use crate::admin::extended::{Extended, Message, NAMES_MAX, Skipping, cstring, text};
use crate::admin::reply::{self, Formats};
use crate::admin::show;
use crate::admin::statement::{Show, Statement};
use crate::admin::{Ask, Config, NotAllowed, Refused, Role};
use crate::error::{ClientFacing, Severity, SqlState};
use crate::gate::{Gate, Network, TooManyBans};
use crate::net::stream::ClientStream;
use crate::pool::control::{NoAnswer, Remote};
use crate::wire::error_response::{error_response, warning};
use crate::wire::greeting::{
    authentication_ok, backend_key_data, parameter_status, ready_for_query,
};
use crate::wire::header::{FrameError, HEADER_LEN, Header};
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// What drivers take for the version of the server: one that every psql since 9.2 knows, so that none warns.
pub(super) const SERVER_VERSION: &str =
    concat!("10.0 (taskmaster ", env!("CARGO_PKG_VERSION"), ")");
/// The longest message that the console reads, in bytes. Commands are short.
const MESSAGE_LEN_MAX: usize = 64 * 1024;

/// One operator past the login.
#[derive(Debug)]
pub struct Console {
    /// The connection.
    pub stream: ClientStream,
    /// Who it is.
    pub user: String,
    /// Process id and secret that the operator is told.
    pub key: (i32, Vec<u8>),
    /// The settings, as they are and become.
    pub settings: watch::Receiver<Arc<Config>>,
    /// The way to the workers.
    pub remote: Remote,
    /// Where wishes are heard that concern the whole process.
    pub asker: mpsc::Sender<Ask>,
    /// Clients that are connected, those that are still logging in included.
    pub connected: Arc<AtomicUsize>,
    /// Who may come in, and how often.
    pub gate: Arc<Gate>,
}

/// Why a statement fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsoleError {
    #[error("the console does not know this command")]
    Syntax,
    #[error("user \"{0}\" may only SHOW")]
    Denied(String),
    #[error("there is no database \"{0}\"")]
    NoDatabase(String),
    #[error("there is no client {0}")]
    NoClient(u32),
    #[error("the proxy is shutting down already")]
    ShuttingDown,
    #[error("the settings stay as they were: {0}")]
    Refused(#[from] Refused),
    #[error("there is no setting \"{0}\"")]
    NoSetting(String),
    #[error("the settings were not read in time")]
    NoSettings,
    #[error("{0}")]
    NotAllowed(#[from] NotAllowed),
    #[error("{0} server connections are still in use")]
    StillInUse(usize),
    #[error("{0}")]
    Worker(#[from] NoAnswer),
    #[error("the console's statements have no parameters")]
    Parameters,
    #[error("there is no prepared statement \"{0}\"")]
    NoStatement(String),
    #[error("there is no portal \"{0}\"")]
    NoPortal(String),
    #[error("too many prepared statements and portals (limit {NAMES_MAX})")]
    TooManyNames,
    #[error("{0} is not offered")]
    Unoffered(&'static str, &'static str),
    #[error("{0}")]
    Bans(TooManyBans),
    #[error("{0} is not banned")]
    NoBan(Network),
    #[error("function calls and COPY are not for the console")]
    Unsupported,
}

/// Why a connection ends.
enum End {
    Left,
    Io(io::Error),
    Frame(FrameError),
    TooLong(usize),
}

impl Console {
    /// Serves the operator until it leaves or `ending` is ready.
    ///
    /// # Cancel safety
    /// Dropped midway, the operator sees the connection closed; a command may be half done.
    pub async fn run(mut self, ending: impl Future<Output = ()>) {
        let end = tokio::select! {
            biased;
            () = ending => None,
            end = self.serve() => Some(end),
        };
        let (peer, user) = (self.stream.peer(), &self.user);
        let error: Farewell = match end {
            Some(End::Left) => return,
            Some(End::Io(error)) => {
                return tracing::debug!(%peer, user, %error, "the console was left");
            }
            Some(End::Frame(error)) => Farewell(SqlState::PROTOCOL_VIOLATION, error.to_string()),
            Some(End::TooLong(len)) => Farewell(SqlState::PROGRAM_LIMIT_EXCEEDED, too_long(len)),
            None => Farewell(SqlState::ADMIN_SHUTDOWN, ENDED.to_owned()),
        };
        self.stream.farewell(&error_response(&error)).await;
    }

    /// The settings that hold now.
    pub(super) fn settings(&self) -> Arc<Config> {
        Arc::clone(&self.settings.borrow())
    }

    async fn serve(&mut self) -> End {
        let mut out = self.greeting();
        let mut extended = Extended::default();
        loop {
            if let Err(error) = self.flush(&mut out).await {
                return End::Io(error);
            }
            let message = match self.read().await {
                Ok(message) => message,
                Err(end) => return end,
            };
            if let Err(error) = self.answer(&mut extended, &message, &mut out).await {
                return End::Frame(error);
            }
        }
    }

    fn greeting(&self) -> Vec<u8> {
        let mut bytes = authentication_ok();
        let is_admin = self.settings().role_of(&self.user).is_ok_and(|role| role == Role::Admin);
        let superuser = if is_admin { "on" } else { "off" };
        for (name, value) in [
            ("server_version", SERVER_VERSION),
            ("client_encoding", "UTF8"),
            ("server_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("is_superuser", superuser),
            ("session_authorization", self.user.as_str()),
        ] {
            bytes.extend(parameter_status(name, value));
        }
        let (pid, secret) = &self.key;
        bytes.extend(backend_key_data(*pid, secret));
        bytes.extend(ready_for_query(TransactionStatus::Idle));
        bytes
    }

    async fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.stream.write_all(out).await?;
        out.clear();
        self.stream.flush().await
    }

    async fn read(&mut self) -> Result<Message, End> {
        let mut bytes = vec![0; HEADER_LEN];
        match self.stream.read_exact(&mut bytes).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(End::Left),
            Err(error) => return Err(End::Io(error)),
        }
        let Some(header) = Header::read(&bytes) else { return Err(End::Left) };
        let tag = header.frontend().map_err(End::Frame)?;
        if header.message_len() > MESSAGE_LEN_MAX {
            return Err(End::TooLong(header.message_len()));
        }
        if tag == FrontendTag::Terminate {
            return Err(End::Left);
        }
        bytes.resize(header.message_len(), 0);
        self.stream.read_exact(&mut bytes[HEADER_LEN..]).await.map_err(End::Io)?;
        Ok(Message { tag, bytes })
    }

    /// Answers one message. A statement that fails is an answer too.
    async fn answer(
        &mut self,
        extended: &mut Extended,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        if message.tag == FrontendTag::Sync {
            extended.sync();
            out.extend(ready_for_query(TransactionStatus::Idle));
            return Ok(());
        }
        if extended.skipping == Skipping::UntilSync {
            return Ok(());
        }
        if matches!(message.tag, FrontendTag::Query | FrontendTag::FunctionCall) {
            if let Err(error) = self.query(message, out).await {
                out.extend(error_response(&error));
            }
            out.extend(ready_for_query(TransactionStatus::Idle));
            return Ok(());
        }
        let answered = match message.tag {
            FrontendTag::Parse => extended.parse(message, out)?,
            FrontendTag::Bind => extended.bind(message, out)?,
            FrontendTag::Describe => extended.describe(message, out)?,
            FrontendTag::Close => extended.close(message, out)?,
            FrontendTag::Execute => self.execute(extended, message, out).await,
            // A Flush has nothing to do: every answer is sent at once. Data of a COPY are dropped as after a failed one.
            _ => Ok(()),
        };
        if let Err(error) = answered {
            extended.skipping = Skipping::UntilSync;
            out.extend(error_response(&error));
        }
        Ok(())
    }

    async fn query(&mut self, message: &Message, out: &mut Vec<u8>) -> Result<(), ConsoleError> {
        if message.tag == FrontendTag::FunctionCall {
            return Err(ConsoleError::Unsupported);
        }
        let statements = Statement::parse_all(&text(cstring(message.body())));
        for statement in statements.ok_or(ConsoleError::Syntax)? {
            match &statement {
                Statement::Show(what) => self.show_all(*what, out).await?,
                other => self.act(other, out).await?,
            }
        }
        Ok(())
    }

    async fn show_all(&mut self, what: Show, out: &mut Vec<u8>) -> Result<(), ConsoleError> {
        let rows = self.show(what).await?;
        let formats = Formats::default();
        reply::row_description(out, &show::columns(what), &formats);
        rows.iter().for_each(|row| reply::data_row(out, row, &formats));
        reply::command_complete(out, "SHOW");
        Ok(())
    }

    async fn execute(
        &mut self,
        extended: &Extended,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<(), ConsoleError> {
        let (statement, formats) = extended.portal(text(cstring(message.body())))?;
        if let Statement::Show(what) = statement {
            let rows = self.show(*what).await?;
            rows.iter().for_each(|row| reply::data_row(out, row, formats));
            reply::command_complete(out, "SHOW");
            return Ok(());
        }
        self.act(statement, out).await
    }

    async fn act(&mut self, statement: &Statement, out: &mut Vec<u8>) -> Result<(), ConsoleError> {
        match self.outcome(statement).await? {
            Outcome::Nothing => out.extend_from_slice(reply::EMPTY_QUERY),
            Outcome::Done(tag) => reply::command_complete(out, tag),
            Outcome::Changed(tag, left) => {
                left.iter().for_each(|left| out.extend(warning(SqlState::WARNING, left)));
                reply::command_complete(out, tag);
            }
        }
        Ok(())
    }
}

const ENDED: &str = "terminating connection due to administrator command";

fn too_long(len: usize) -> String {
    format!("a message of {len} bytes is longer than the console reads (limit {MESSAGE_LEN_MAX})")
}

/// The last word to an operator.
struct Farewell(SqlState, String);

impl ClientFacing for Farewell {
    fn sqlstate(&self) -> SqlState {
        self.0
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        self.1.clone()
    }
}

impl ClientFacing for ConsoleError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Syntax => SqlState::SYNTAX_ERROR,
            Self::Denied(_) => SqlState::INSUFFICIENT_PRIVILEGE,
            Self::NoDatabase(_) => SqlState::INVALID_CATALOG_NAME,
            Self::NoClient(_) => SqlState::UNDEFINED_OBJECT,
            Self::ShuttingDown => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::Refused(_) => SqlState::CONFIG_FILE_ERROR,
            Self::NoSetting(_) => SqlState::UNDEFINED_OBJECT,
            Self::NotAllowed(_) => SqlState::INSUFFICIENT_PRIVILEGE,
            Self::StillInUse(_) => SqlState::QUERY_CANCELED,
            Self::Worker(_) | Self::NoSettings => SqlState::INTERNAL_ERROR,
            Self::Parameters | Self::Unsupported | Self::Unoffered(..) => {
                SqlState::FEATURE_NOT_SUPPORTED
            }
            Self::NoStatement(_) => SqlState::INVALID_SQL_STATEMENT_NAME,
            Self::NoPortal(_) => SqlState::INVALID_CURSOR_NAME,
            Self::TooManyNames | Self::Bans(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::NoBan(_) => SqlState::UNDEFINED_OBJECT,
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
            Self::Syntax => "SHOW HELP lists the commands.".into(),
            Self::Denied(user) => format!("Name {user} in admin.users to let it command."),
            Self::NoDatabase(_) => "SHOW DATABASES lists them.".into(),
            Self::NoClient(_) => "SHOW CLIENTS lists them; the number is in the column id.".into(),
            Self::StillInUse(_) => {
                "SHOW SERVERS says whom they serve. A PAUSE stays in force until RESUME.".into()
            }
            Self::Worker(_) => "Try again; the log may say what keeps the worker busy.".into(),
            Self::NoSetting(_) => "SHOW CONFIG lists the settings.".into(),
            Self::NoSettings => "The log says whether they were read after all.".into(),
            Self::Parameters => "Write the values into the command.".into(),
            Self::Unoffered(_, hint) => (*hint).to_owned(),
            Self::Bans(_) => "Ban a larger network, or take bans back with UNBAN.".into(),
            Self::NoBan(_) => "SHOW BANS lists the bans.".into(),
            Self::TooManyNames => "Close what is no longer used.".into(),
            _ => return None,
        })
    }
}
