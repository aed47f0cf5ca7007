//! Processes that serve the same clients one after the other, or side by side: each has a number in the directory that
//! they share, the number is part of its clients' cancel keys, and a cancel request goes to the process that it is for.
//!
//! Must not know how listening sockets change hands.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::listener::ListenerError;
use crate::listener::worker::Order;
use crate::net::socket::{Peer, Socket};
use crate::net::tls::TlsPolicy;
use crate::session::slot::{PEER_MAX, PeerId, peer_of, worker_of};
use crate::session::startup::{CancelKey, Handshake, handshake};
use crate::wire::frontend::cancel_request;

/// How long a cancel request may take to reach the server through another process.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests of other processes at once; more of them wait in the system's queue.
const REQUESTS_MAX: usize = 64;

/// What another process is asked through a socket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To pass a cancel request on.
    Cancel,
    /// To hand its listening sockets over.
    HandOver,
}

/// This process among its peers.
#[derive(Debug)]
pub(super) struct Peers {
    dir: PathBuf,
    id: PeerId,
    /// Held for as long as the process lives: whoever has it has the number.
    _lock: File,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Service(AbortHandle);

impl Service {
    /// Runs the task on this thread's runtime.
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Purpose {
    fn suffix(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::HandOver => "handover",
        }
    }
}

impl Peers {
    /// Takes the first number that no living process has. The directory is made when it is missing, for this user alone.
    pub(super) fn join(dir: &Path) -> Result<Arc<Self>, ListenerError> {
        let failed = |source| ListenerError::Peers { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        check(dir).map_err(failed)?;
        for id in 1..=PEER_MAX {
            if let Some(lock) = lock(&dir.join(format!("{id}.lock"))).map_err(failed)? {
                return Ok(Arc::new(Self { dir: dir.to_owned(), id, _lock: lock }));
            }
        }
        let all = format!("all {PEER_MAX} numbers are taken");
        Err(failed(io::Error::other(all)))
    }

    /// The number of this process.
    pub(super) fn id(&self) -> PeerId {
        self.id
    }

    /// The numbers that others may have.
    pub(super) fn others(&self) -> impl Iterator<Item = PeerId> {
        (1..=PEER_MAX).filter(|id| *id != self.id)
    }

    /// Where this process hears what others ask of it. What a process left behind that had the number before is replaced.
    pub(super) fn listen(&self, purpose: Purpose) -> Result<UnixListener, ListenerError> {
        let path = self.path(self.id, purpose);
        let bound = || {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        bound().map_err(|source| ListenerError::Peers { dir: self.dir.clone(), source })
    }

    /// Connects to another process.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn connect(&self, id: PeerId, purpose: Purpose) -> io::Result<UnixStream> {
        UnixStream::connect(self.path(id, purpose)).await
    }

    /// Passes a cancel request on to the process that its key names, and waits until that has passed it on.
    ///
    /// # Cancel safety
    /// Dropped midway, the request may or may not arrive.
    pub(super) async fn forward(&self, key: &CancelKey) {
        let peer = peer_of(key);
        let forwarded = async {
            let mut stream = self.connect(peer, Purpose::Cancel).await?;
            stream.write_all(&cancel_request(key.pid, &key.secret)).await?;
            // The other process answers nothing. A reset instead of an orderly end is as good.
            let _ = stream.read(&mut [0]).await;
            io::Result::Ok(())
        };
        match timeout(PATIENCE, forwarded).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(peer, %error, "a cancel request has no process to go to")
            }
            Err(_) => tracing::info!(peer, "a cancel request was not taken by its process in time"),
        }
    }

    /// Passes cancel requests of other processes on to the workers. One that is not for this process goes nowhere, so that
    /// none is ever passed on twice.
    pub(super) fn serve(
        self: &Arc<Self>,
        workers: Vec<mpsc::WeakUnboundedSender<Order>>,
    ) -> Result<Service, ListenerError> {
        let listener = self.listen(Purpose::Cancel)?;
        let service = Cancelling { peers: Arc::clone(self), workers };
        Ok(Service::spawn(Arc::new(service).accept(listener)))
    }

    fn path(&self, id: PeerId, purpose: Purpose) -> PathBuf {
        self.dir.join(format!("{id}.{}", purpose.suffix()))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        for purpose in [Purpose::Cancel, Purpose::HandOver] {
            let _ = std::fs::remove_file(self.path(self.id, purpose));
        }
    }
}

/// What serves other processes' cancel requests.
struct Cancelling {
    peers: Arc<Peers>,
    workers: Vec<mpsc::WeakUnboundedSender<Order>>,
}

impl Cancelling {
    async fn accept(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(REQUESTS_MAX));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let service = Arc::clone(&self);
                    tokio::spawn(async move {
                        let _ = timeout(PATIENCE, service.cancel(stream)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "cancel requests of other processes cannot be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn cancel(&self, stream: UnixStream) {
        let shaken = handshake(Socket::unix(stream), Peer::Unix, &TlsPolicy::Disable).await;
        // The stream is kept until the request has reached the server: its end is the answer.
        let Ok(Handshake::Cancel(_stream, key)) = shaken else { return };
        if peer_of(&key) != self.peers.id {
            return;
        }
        let worker = self.workers.get(worker_of(&key)).and_then(|worker| worker.upgrade());
        let (done, finished) = oneshot::channel();
        if worker.is_some_and(|worker| worker.send(Order::Cancel(key, done)).is_ok()) {
            let _ = finished.await;
        }
    }
}

/// Whoever may write there could take cancel keys or pass sockets of its own off.
fn check(dir: &Path) -> io::Result<()> {
    let found = std::fs::metadata(dir)?;
    let is_own = [0, geteuid().as_raw()].contains(&found.uid());
    if is_own && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = "it belongs to another user, or others may write to it";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The lock behind a number; none when another process has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_number_and_gives_it_back() {
        let name = format!("taskmaster-peers-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let first = Peers::join(&dir).unwrap();
        let second = Peers::join(&dir).unwrap();
        assert_eq!((first.id(), second.id()), (1, 2));
        drop(first);
        assert_eq!(Peers::join(&dir).unwrap().id(), 1);
        assert!(second.others().all(|id| id != 2));
        std::fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        assert!(Peers::join(&dir).is_err(), "anybody may write there");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
