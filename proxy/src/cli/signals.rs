//! Signals: what they ask of `serve`, as of PgBouncer since 1.23 (its documentation, usage.md, "Signals"), and how many
//! ends they asked of `up`.
//!
//! They are received on a thread of their own, so that a main thread that waits for something else does not delay them.
//! Must not know what ends.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use super::CliError;
use crate::admin::{Ask, Shutdown};
use crate::pool::control::{Command, Scope};

/// A signal that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Terminate,
    Interrupt,
    Quit,
    Hangup,
    Pause,
    Resume,
}

/// Asks the serving process for what the signals mean from now on: SIGHUP reads the settings again, SIGTERM waits for
/// clients to leave, SIGINT for transactions to end, SIGQUIT for nothing; nor does a second signal to end. SIGUSR1 pauses
/// all databases, SIGUSR2 resumes them.
///
/// # Errors
/// The system gives no thread or no handler.
pub(super) fn ask(asker: mpsc::Sender<Ask>) -> Result<(), CliError> {
    let mut ending = false;
    each(move |received| {
        let ask = match received {
            // Whoever reads the settings logs what became of it.
            Received::Hangup => Ask::Reload(oneshot::channel().0),
            Received::Pause => Ask::Command(Command::Pause(Scope::All)),
            Received::Resume => Ask::Command(Command::Resume(Scope::All)),
            _ if std::mem::replace(&mut ending, true) => Ask::Shutdown(Shutdown::Now),
            other => Ask::Shutdown(shutdown(other)),
        };
        // When so many wishes wait, one more of the same is not missed, but for the end.
        if let Err(error) = asker.try_send(ask) {
            tracing::warn!(%error, "a signal was not heard: send it again");
        }
    })
}

/// Counts the signals that ask `up` for an end, from now on. When its terminal goes away that is one.
///
/// # Errors
/// As [`ask`].
pub(super) fn count() -> Result<watch::Receiver<u32>, CliError> {
    let (sender, receiver) = watch::channel(0);
    each(move |received| {
        if !matches!(received, Received::Pause | Received::Resume) {
            sender.send_modify(|count| *count += 1);
        }
    })?;
    Ok(receiver)
}

fn each(act: impl FnMut(Received) + Send + 'static) -> Result<(), CliError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CliError::system)?;
    let handlers = {
        let _inside = runtime.enter();
        Handlers::install().map_err(CliError::system)?
    };
    let body = move || runtime.block_on(handlers.forward(act));
    thread::Builder::new().name("signals".to_owned()).spawn(body).map_err(CliError::system)?;
    Ok(())
}

/// How the first signal of this kind ends it.
fn shutdown(received: Received) -> Shutdown {
    match received {
        Received::Terminate => Shutdown::WaitForClients,
        Received::Interrupt => Shutdown::WaitForServers,
        _ => Shutdown::Now,
    }
}

struct Handlers {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    pause: Signal,
    resume: Signal,
}

impl Handlers {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            pause: signal(SignalKind::user_defined1())?,
            resume: signal(SignalKind::user_defined2())?,
        })
    }

    async fn forward(mut self, mut act: impl FnMut(Received)) {
        loop {
            act(tokio::select! {
                _ = self.terminate.recv() => Received::Terminate,
                _ = self.interrupt.recv() => Received::Interrupt,
                _ = self.quit.recv() => Received::Quit,
                _ = self.hangup.recv() => Received::Hangup,
                _ = self.pause.recv() => Received::Pause,
                _ = self.resume.recv() => Received::Resume,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_mean_what_they_mean_to_pgbouncer() {
        for (received, first) in [
            (Received::Terminate, Shutdown::WaitForClients),
            (Received::Interrupt, Shutdown::WaitForServers),
            (Received::Quit, Shutdown::Now),
        ] {
            assert_eq!(shutdown(received), first);
        }
    }
}
