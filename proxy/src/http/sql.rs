//! SQL over HTTP: `POST /sql` in the form of Neon's serverless driver. Each request is a client of the proxy for as long as it
//! takes, so that pools, limits and logins are those of all others.

mod conversation;
mod page;
mod question;
mod render;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderValue,
};
use hyper::{Request, Response, StatusCode};
use tokio::net::UnixStream;
use tokio::task::spawn_local;

use crate::error::{ClientFacing, Severity, SqlState};
use crate::http::edge::{Edge, EdgeError};
use crate::http::sql::conversation::converse;
pub(super) use crate::http::sql::page::Answer;
use crate::http::sql::page::{First, Page};
use crate::http::sql::question::{Account, Asked, BadRequest, Shape, begin_sql};

/// Bytes of a request's body: statements and parameters, and what is kept of them meanwhile.
const BODY_LEN_MAX: usize = 16 * 1024 * 1024;
/// Statements of one batch.
const STATEMENTS_MAX: usize = 1_000;

/// Whoever takes clients in: gives the far end of a new client's stream.
pub(crate) type Door<'a> = &'a dyn Fn(Edge) -> io::Result<UnixStream>;

/// Why a request gets no answer of the database.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Request(#[from] BadRequest),
    #[error("{0}")]
    Edge(#[from] EdgeError),
    #[error("a batch of more than {STATEMENTS_MAX} statements")]
    TooMany,
    #[error("the proxy has no room for another client now")]
    Room(#[from] io::Error),
    #[error("the connection to the database was lost")]
    Lost,
}

/// Answers a request.
///
/// # Cancel safety
/// Dropped midway, the database's work on it is cancelled.
pub(super) async fn answer(
    request: Request<Incoming>,
    edge: Result<Edge, EdgeError>,
    door: Door<'_>,
) -> Response<Answer> {
    match ask(request, edge, door).await {
        Ok(First::Whole(bytes)) => json(StatusCode::OK, bytes.into()),
        Ok(First::Long(parts)) => json(StatusCode::OK, Answer::Parts(parts)),
        Ok(First::Failed(error)) => json(StatusCode::BAD_REQUEST, error.into()),
        Err(refused) => json(refused.status(), render::own_error(&refused).into()),
    }
}

/// What a browser asks before it asks.
pub(super) fn preflight() -> Response<Answer> {
    let mut response = json(StatusCode::NO_CONTENT, Answer::Whole(None));
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, Authorization"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

async fn ask(
    request: Request<Incoming>,
    edge: Result<Edge, EdgeError>,
    door: Door<'_>,
) -> Result<First, Refused> {
    let edge = edge?;
    let (head, body) = request.into_parts();
    let account = Account::read(&head.headers)?;
    let (shape, begin) = (Shape::read(&head.headers), begin_sql(&head.headers)?);
    let asked = Asked::read(&collect(body).await?)?;
    let statements = asked.statements().len();
    if statements > STATEMENTS_MAX {
        return Err(Refused::TooMany);
    }
    let request = conversation::Request::new(&account, &asked, &begin, shape);
    drop((account, asked));
    let (page, first) = Page::new();
    spawn_local(converse(door(edge)?, request, statements, page));
    first.await.map_err(|_| Refused::Lost)
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, BadRequest> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| BadRequest::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_LEN_MAX {
            return Err(BadRequest::TooLong(BODY_LEN_MAX));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn json(status: StatusCode, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Request(BadRequest::TooLong(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Room(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Lost => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl ClientFacing for Refused {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Request(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Edge(error) => error.sqlstate(),
            Self::TooMany => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::Room(_) => SqlState::INSUFFICIENT_RESOURCES,
            Self::Lost => SqlState::CONNECTION_FAILURE,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn message(&self) -> String {
        match self {
            Self::Edge(error) => error.message(),
            other => other.to_string(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Edge(error) => error.hint(),
            Self::Request(_) => Some("Use @neondatabase/serverless, or send what it sends.".into()),
            Self::TooMany => Some("Send several batches, or connect by WebSocket.".into()),
            Self::Room(_) | Self::Lost => Some("Try again in a moment.".into()),
        }
    }
}
