//! What commands do: they go to every worker, and some wait until server connections are given back.
//!
//! Must not know the protocol.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::console::{Console, ConsoleError};
use crate::admin::show::Facts;
use crate::admin::statement::{Act, Show, Statement};
use crate::admin::table::Row;
use crate::admin::{Answer, Ask, Role, Shutdown, show};
use crate::pool::control::{Command, Connections, Reply, Scope};
use crate::pool::snapshot::{Detail, Snapshot};

/// How often the server connections are counted while a command waits for them.
const COUNT_INTERVAL: Duration = Duration::from_millis(20);

/// How long new settings may take until they hold: files are read, and every worker is told.
const CHANGE_PATIENCE: Duration = Duration::from_secs(30);

/// What a statement without rows leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was no statement.
    Nothing,
    /// It is done; the tag that says so.
    Done(&'static str),
    /// The settings have changed; what does not hold at once, in words.
    Changed(&'static str, Vec<String>),
}

/// Which server connections a command waits for.
#[derive(Clone, Copy)]
enum Awaited {
    All,
    Closing,
}

impl Console {
    /// The rows of a SHOW.
    pub(super) async fn show(&self, what: Show) -> Result<Vec<Row>, ConsoleError> {
        let settings = self.settings();
        settings.role_of(&self.user)?;
        let snapshots = match show::detail(what) {
            Some(detail) => self.snapshots(detail).await?,
            None => Vec::new(),
        };
        let connected = self.connected.load(Ordering::Relaxed);
        let gate = &self.gate;
        let facts = Facts { snapshots: &snapshots, config: &settings, connected, gate };
        Ok(show::rows(what, &facts))
    }

    /// Does what a statement asks for.
    pub(super) async fn outcome(&self, statement: &Statement) -> Result<Outcome, ConsoleError> {
        let act = match statement {
            Statement::Act(act) => act,
            Statement::Ignored(tag) => return Ok(Outcome::Done(tag)),
            Statement::Unoffered(name, hint) => return Err(ConsoleError::Unoffered(name, hint)),
            Statement::Empty | Statement::Show(_) => return Ok(Outcome::Nothing),
        };
        if self.settings().role_of(&self.user)? != Role::Admin {
            return Err(ConsoleError::Denied(self.user.clone()));
        }
        tracing::info!(user = self.user, command = ?act, "an operator's command");
        self.act_on(act).await
    }

    async fn act_on(&self, act: &Act) -> Result<Outcome, ConsoleError> {
        let tag = match act {
            Act::Reload => return self.change("RELOAD", Ask::Reload).await,
            Act::Set(assignment) => {
                self.known(&assignment.key)?;
                let ask = |reply| Ask::Set(assignment.clone(), reply);
                return self.change("SET", ask).await;
            }
            Act::Command(command, tag) => self.command(command).await.map(|()| *tag)?,
            Act::Pause(scope) => {
                self.command(&Command::Pause(scope.clone())).await?;
                self.wait(scope, Awaited::All).await.map(|()| "PAUSE")?
            }
            Act::WaitClose(scope) => {
                self.check(scope).await?;
                self.wait(scope, Awaited::Closing).await.map(|()| "WAIT_CLOSE")?
            }
            Act::Shutdown(how) => self.shut_down(*how)?,
            Act::Ban(network, time) => {
                self.gate.ban(*network, *time).map_err(ConsoleError::Bans).map(|()| "BAN")?
            }
            Act::Unban(network) => match self.gate.unban(*network) {
                0 => return Err(ConsoleError::NoBan(*network)),
                _ => "UNBAN",
            },
        };
        Ok(Outcome::Done(tag))
    }

    async fn command(&self, command: &Command) -> Result<(), ConsoleError> {
        match command {
            Command::Pause(scope)
            | Command::Resume(scope)
            | Command::Reconnect(scope)
            | Command::Kill(scope) => self.check(scope).await?,
            Command::Disable(name) | Command::Enable(name) => {
                self.check(&Scope::Database(name.clone())).await?;
            }
            _ => {}
        }
        let replies = self.remote.ask(command).await?;
        let found = replies.iter().any(|reply| matches!(reply, Reply::Done(count) if *count > 0));
        match command {
            Command::KillClient(id) if !found => Err(ConsoleError::NoClient(*id)),
            _ => Ok(()),
        }
    }

    /// A database that nobody has used and that is not configured is most likely a slip.
    async fn check(&self, scope: &Scope) -> Result<(), ConsoleError> {
        let Scope::Database(name) = scope else { return Ok(()) };
        let snapshots = self.snapshots(Detail::Figures).await?;
        let mut databases = snapshots.iter().flat_map(|snapshot| &snapshot.databases);
        let known = databases.any(|database| database.name == *name);
        if known { Ok(()) } else { Err(ConsoleError::NoDatabase(name.clone())) }
    }

    async fn wait(&self, scope: &Scope, awaited: Awaited) -> Result<(), ConsoleError> {
        let deadline = Instant::now() + self.settings().wait_timeout;
        loop {
            let left = self.count(scope, awaited).await?;
            if left == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ConsoleError::StillInUse(left));
            }
            sleep(COUNT_INTERVAL).await;
        }
    }

    async fn count(&self, scope: &Scope, awaited: Awaited) -> Result<usize, ConsoleError> {
        let replies = self.remote.ask(&Command::Count(scope.clone())).await?;
        let counted = |reply: &Reply| match reply {
            Reply::Connections(Connections { total, closing }) => match awaited {
                Awaited::All => *total,
                Awaited::Closing => *closing,
            },
            _ => 0,
        };
        Ok(replies.iter().map(counted).sum())
    }

    async fn snapshots(&self, detail: Detail) -> Result<Vec<Snapshot>, ConsoleError> {
        let replies = self.remote.ask(&Command::Show(detail)).await?;
        let shown = replies.into_iter().filter_map(|reply| match reply {
            Reply::Snapshot(snapshot) => Some(*snapshot),
            _ => None,
        });
        Ok(shown.collect())
    }

    /// Our own settings have a dot in their names: whoever knows them all says which there are.
    fn known(&self, key: &str) -> Result<(), ConsoleError> {
        let settings = self.settings();
        let is_known = key.contains('.') || settings.settings.iter().any(|known| known.key == key);
        if is_known { Ok(()) } else { Err(ConsoleError::NoSetting(key.to_owned())) }
    }

    async fn change(
        &self,
        tag: &'static str,
        ask: impl FnOnce(oneshot::Sender<Answer>) -> Ask,
    ) -> Result<Outcome, ConsoleError> {
        let (reply, answer) = oneshot::channel();
        self.asker.try_send(ask(reply)).map_err(|_| ConsoleError::NoSettings)?;
        match timeout(CHANGE_PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(Outcome::Changed(tag, answer?)),
            _ => Err(ConsoleError::NoSettings),
        }
    }

    fn shut_down(&self, how: Shutdown) -> Result<&'static str, ConsoleError> {
        self.asker.try_send(Ask::Shutdown(how)).map_err(|_| ConsoleError::ShuttingDown)?;
        Ok("SHUTDOWN")
    }
}
