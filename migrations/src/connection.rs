//! One connection of a runner to PostgreSQL itself, and what the server says beside its answers.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, NoTls, Socket};

use crate::error::{describe, sqlstate};
use crate::{Event, MigrateError, Target, pooler};

/// Notices kept between two looks at them; more than that are dropped, not waited for.
const NOTICES_MAX: usize = 256;

/// A connection that is known to end at PostgreSQL and not at a pooler. Closed when dropped, which
/// rolls back what is open and frees the runner's lock.
#[derive(Debug)]
pub struct Connection {
    pub(crate) client: Client,
    notices: mpsc::Receiver<Event>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// What the server said since the last look.
    pub(crate) fn take_notice(&mut self) -> Option<Event> {
        self.notices.try_recv().ok()
    }
}

/// Connects, and makes sure that PostgreSQL itself is at the other end.
///
/// # Errors
/// [`MigrateError::Unreachable`] with the cause, and [`MigrateError::Pooler`].
///
/// # Cancel safety
/// A cancelled call closes what it opened.
pub async fn connect<T>(target: &Target, tls: T) -> Result<Connection, MigrateError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let opened = if target.host.starts_with('/') {
        // On a unix socket PostgreSQL has no TLS, and there is no name that a certificate could show.
        within(target.connect_timeout, open(target, NoTls)).await
    } else {
        within(target.connect_timeout, open(target, tls)).await
    };
    let connection = opened.map_err(|cause| {
        let (cause, sqlstate) = cause.unwrap_or_else(|| (timed_out(target), None));
        MigrateError::Unreachable { target: target.to_string(), cause, sqlstate }
    })?;
    pooler::refuse(&connection.client).await?;
    Ok(connection)
}

async fn open<T>(target: &Target, tls: T) -> Result<Connection, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut driven) = target.config().connect(tls).await?;
    let (sender, notices) = mpsc::channel(NOTICES_MAX);
    let driver = tokio::spawn(async move {
        // An error ends the loop; whoever waits for an answer on this connection is told by the
        // driver.
        while let Some(Ok(message)) = poll_fn(|context| driven.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                let _kept_if_room = sender.try_send(Event::Notice {
                    severity: notice.severity().to_owned(),
                    message: notice.message().to_owned(),
                    hint: notice.hint().map(str::to_owned),
                });
            }
        }
    });
    Ok(Connection { client, notices, driver })
}

/// `Err(None)` when the time ran out.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Option<(String, Option<String>)>> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(|error| Some((describe(&error), sqlstate(&error)))),
        Err(_elapsed) => Err(None),
    }
}

fn timed_out(target: &Target) -> String {
    format!("no answer within {:?}", target.connect_timeout)
}
