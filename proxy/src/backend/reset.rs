//! Making a server connection fit for the next client: whatever the last one left half done is ended or undone.
//!
//! Must not know pools or clients. What cannot be cleaned is closed by the caller (I4).

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::backend::dial::send_cancel;
use crate::backend::server::{Server, ServerFault, Taint, Unfinished};
use crate::wire::frontend;
use crate::wire::outstanding::{Expect, Owed};
use crate::wire::tag::TransactionStatus;

/// How often a cancel request under way is asked after.
const CANCEL_POLL: Duration = Duration::from_millis(5);

/// When a statement that goes on is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(250);

/// Why a connection could not be cleaned.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The server has a part of a message whose rest will never come.
    #[error("a client left in the middle of a message")]
    HalfSent,
    /// The connection failed or the server refused to roll back.
    #[error("{0}")]
    Server(#[from] ServerFault),
    /// It took too long.
    #[error("cleaning up took longer than {0} ms")]
    Timeout(u128),
}

/// Ends what runs, rolls back, and discards session state when there may be any. Takes at most twice `patience`:
/// once for the client's last statements, once more after they were cancelled.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the connection must be closed.
pub async fn reset(server: &mut Server, patience: Duration) -> Result<(), ResetError> {
    if server.is_half_sent() {
        return Err(ResetError::HalfSent);
    }
    let late = ResetError::Timeout(patience.as_millis());
    if server.unfinished == Unfinished::Finish && settle(server, patience).await.is_ok() {
        return timeout(patience, scrub(server)).await.unwrap_or(Err(late));
    }
    let cancelled = async {
        cancel_and_settle(server).await?;
        scrub(server).await
    };
    timeout(patience, cancelled).await.unwrap_or(Err(late))
}

/// Cancels what runs until it has ended. A request may overtake the statement that it is meant for, and then finds
/// nothing to cancel: it is made again.
async fn cancel_and_settle(server: &mut Server) -> Result<(), ResetError> {
    loop {
        cancel(server).await;
        match settle(server, CANCEL_AGAIN).await {
            Err(ResetError::Timeout(_)) => {}
            settled => return settled,
        }
    }
}

/// Reads to the end of all replies, sending the Sync that a vanished client owes.
async fn settle(server: &mut Server, patience: Duration) -> Result<(), ResetError> {
    let outstanding = &server.outstanding;
    let unanswered =
        outstanding.is_owed() || outstanding.is_skipping() || outstanding.is_in_sequence();
    if server.outstanding.is_copying_in() {
        server.refuse_copy();
    } else if unanswered && !server.outstanding.is_ready_owed() {
        server.sync();
    }
    match timeout(patience, server.drain()).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ResetError::Timeout(patience.as_millis())),
    }
}

async fn cancel(server: &mut Server) {
    if !server.outstanding.is_owed() {
        return;
    }
    if let Err(error) = send_cancel(&server.target, &server.key).await {
        tracing::debug!(%error, "a cancel request did not reach the server");
        // It may arrive late, and must not meet another client.
        server.vitals.close_needed.set(true);
    }
}

/// INVARIANT I6: nothing of the last client's session is left for the next one.
async fn scrub(server: &mut Server) -> Result<(), ResetError> {
    while server.cancels.get() > 0 {
        sleep(CANCEL_POLL).await;
    }
    if server.status() != TransactionStatus::Idle {
        server.execute("ROLLBACK").await?;
    }
    // What a rollback left behind, such as a lock, is known only now.
    if server.taint == Taint::Dirty || !server.reasons().is_empty() {
        server.execute("DISCARD ALL").await?;
        server.discarded();
        // It has also taken back a role that the session may have begun with.
        if let Some(start) = &mut server.start {
            start.forget();
        }
        server.taint = Taint::Clean;
    }
    server.unfinished = Unfinished::Finish;
    Ok(())
}

impl Server {
    /// Tells a server that waits for COPY data that there will be none.
    pub(super) fn refuse_copy(&mut self) {
        frontend::write_copy_fail(self.up.outbox.writer(), "the client is gone");
        self.outstanding.push_copy_end();
        if !self.outstanding.is_ready_owed() {
            self.sync();
        }
    }

    /// Asks the server something and waits for the answer: `query`, or when that is empty, for a bare ReadyForQuery.
    ///
    /// # Cancel safety
    /// As [`Self::execute`].
    pub async fn test(&mut self, query: &str) -> Result<(), ServerFault> {
        if !query.is_empty() {
            return self.execute(query).await;
        }
        self.sync();
        self.drain().await
    }

    fn sync(&mut self) {
        self.outstanding.push(Owed::swallow(Expect::Sync));
        self.up.outbox.push(&frontend::SYNC);
    }
}
