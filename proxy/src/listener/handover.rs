//! Listening sockets change hands: a process that starts takes those of one that runs, serves, and then lets it drain.
//! The sockets stay open all the while, so no client is refused and none is lost in their queues.
//!
//! Descriptors travel by SCM_RIGHTS (unix(7)). Must not know what is served.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::admin::{Ask, Shutdown};
use crate::listener::ListenerError;
use crate::listener::bind::Share;
use crate::listener::peers::{Peers, Purpose, Service};

/// Descriptors that travel at once.
const SOCKETS_MAX: usize = 64;
/// How long the process that starts may take until it serves.
const SUCCESSOR_PATIENCE: Duration = Duration::from_secs(60);
/// How long the process that runs may take to hand its sockets over.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(5);
/// What comes with the descriptors, because something has to.
const HANDED_OVER: u8 = b'H';
/// What the process that starts says when it serves.
const SERVING: u8 = b'S';

/// Listening sockets of another process.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
    predecessor: Option<UnixStream>,
}

impl Inheritance {
    /// The sockets of the first other process that has some which are `wanted`; nothing when there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, the other process goes on as it was.
    pub(super) async fn take(peers: &Peers, wanted: impl Fn(&TcpListener) -> bool) -> Self {
        for id in peers.others() {
            let Ok(stream) = peers.connect(id, Purpose::HandOver).await else { continue };
            match timeout(PREDECESSOR_PATIENCE, receive(stream)).await {
                Ok(Ok(found)) if found.tcp.iter().any(&wanted) => {
                    tracing::info!(
                        peer = id,
                        "the listening sockets of another process are taken over"
                    );
                    return found;
                }
                Ok(Ok(_)) => tracing::debug!(peer = id, "another process listens elsewhere"),
                Ok(Err(error)) => tracing::warn!(peer = id, %error, "a process hands nothing over"),
                Err(_) => tracing::warn!(peer = id, "a process does not answer"),
            }
        }
        tracing::info!("no other process has sockets to take over");
        Self::default()
    }

    /// Tells the other process that its sockets are served, so that it may drain.
    ///
    /// # Cancel safety
    /// Dropped midway, the other process goes on accepting clients, too.
    pub(super) async fn serving(self) {
        let Some(mut predecessor) = self.predecessor else { return };
        if let Err(error) = predecessor.write_all(&[SERVING]).await {
            tracing::warn!(%error, "the process before this one was gone before it could drain");
        }
    }
}

/// Offers `share` to processes that start, one after the other, until one of them serves: then this process is asked to
/// wait for its clients, and `is_handed_over` is set.
pub(super) fn offer(
    peers: &Peers,
    share: Share,
    is_handed_over: Arc<AtomicBool>,
    asker: mpsc::Sender<Ask>,
) -> Result<Service, ListenerError> {
    let listener = peers.listen(Purpose::HandOver)?;
    Ok(Service::spawn(async move {
        loop {
            let served = match listener.accept().await {
                Ok((stream, _)) => timeout(SUCCESSOR_PATIENCE, hand_over(stream, &share)).await,
                Err(error) => Ok(Err(error)),
            };
            match served {
                Ok(Ok(())) => break,
                Ok(Err(error)) => tracing::info!(%error, "nobody took the listening sockets over"),
                Err(_) => tracing::info!("the process that took the sockets over does not serve"),
            }
            // An accept that fails goes on failing for a while.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tracing::info!("another process serves newcomers now");
        is_handed_over.store(true, Ordering::Release);
        // When nobody hears it, the process ends already.
        let _ = asker.send(Ask::Shutdown(Shutdown::WaitForClients)).await;
    }))
}

async fn hand_over(mut stream: UnixStream, share: &Share) -> io::Result<()> {
    stream.async_io(Interest::WRITABLE, || send(&stream, share)).await?;
    match stream.read_u8().await? {
        SERVING => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn send(stream: &UnixStream, share: &Share) -> io::Result<()> {
    let tcp = share.tcp.iter().chain(&share.tunnel).map(AsFd::as_fd);
    let all: Vec<_> = tcp.chain(share.unix.iter().map(AsFd::as_fd)).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&all)) {
        return Err(io::Error::other("there are too many listening sockets"));
    }
    sendmsg(stream, &[IoSlice::new(&[HANDED_OVER])], &mut control, SendFlags::empty())?;
    Ok(())
}

async fn receive(stream: UnixStream) -> io::Result<Inheritance> {
    let descriptors = stream.async_io(Interest::READABLE, || receive_descriptors(&stream)).await?;
    let mut found = Inheritance { predecessor: Some(stream), ..Inheritance::default() };
    for socket in descriptors.into_iter().map(Socket::from) {
        socket.set_nonblocking(true)?;
        match socket.domain()? {
            Domain::UNIX => found.unix.push(socket.into()),
            _ => found.tcp.push(socket.into()),
        }
    }
    Ok(found)
}

fn receive_descriptors(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(stream, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(found) = message {
            descriptors.extend(found);
        }
    }
    Ok(descriptors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_arrive_as_they_were_and_stay_open() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let (old, new) = UnixStream::pair().unwrap();
        let share = Share { tcp: vec![tcp], tunnel: Vec::new(), unix: None };
        let offered = tokio::spawn(async move { hand_over(old, &share).await });
        let found = receive(new).await.unwrap();
        assert_eq!((found.tcp[0].local_addr().unwrap(), found.unix.len()), (address, 0));
        let listener = found.tcp[0].try_clone().unwrap();
        found.serving().await;
        offered.await.unwrap().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let (_, peer) = loop {
            match listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => break accepted.unwrap(),
            }
        };
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_process_that_dies_before_it_serves_has_taken_nothing() {
        let (old, new) = UnixStream::pair().unwrap();
        let share = Share { tcp: Vec::new(), tunnel: Vec::new(), unix: None };
        let offered = tokio::spawn(async move { hand_over(old, &share).await });
        drop(receive(new).await.unwrap());
        assert!(offered.await.unwrap().is_err());
    }
}
