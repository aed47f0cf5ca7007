//! SIGTERM and SIGINT, counted: the first asks for an orderly end, the second for one at once.
//!
//! They are received on a thread of their own, so that a main thread that waits for something else
//! does not delay them. Must not know what ends.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::CliError;

/// What else ends the process in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The terminal went away: an end.
    Ends,
    /// A daemon has no terminal: nothing.
    Ignored,
}

/// Counts the signals from now on.
///
/// # Errors
/// The system gives no thread or no handler.
pub(super) fn count(hangup: Hangup) -> Result<watch::Receiver<u32>, CliError> {
    let (sender, receiver) = watch::channel(0);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CliError::system)?;
    let handlers = {
        let _inside = runtime.enter();
        Handlers::install().map_err(CliError::system)?
    };
    let body = move || runtime.block_on(handlers.forward(&sender, hangup));
    thread::Builder::new().name("signals".to_owned()).spawn(body).map_err(CliError::system)?;
    Ok(receiver)
}

struct Handlers {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Handlers {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn forward(mut self, count: &watch::Sender<u32>, hangup: Hangup) {
        loop {
            let counts = tokio::select! {
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hangup.recv() => hangup == Hangup::Ends,
            };
            if counts {
                count.send_modify(|count| *count += 1);
            }
        }
    }
}
