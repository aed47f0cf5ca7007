//! The door for the edge: HTTP requests that open a WebSocket, and then a client like any other, with the address and the
//! country that the edge says it has.
//!
//! Must not know what a session does.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::{TcpListener, UnixStream};

use crate::gate::Entrance;
use crate::http::{Edge, Received, receive};
use crate::listener::presence::Visit;
use crate::listener::serve::{Arrival, Trouble, refuse, serve};
use crate::listener::worker::Worker;
use crate::net::socket::{Peer, Socket};

/// Accepts connections of the edge until the task is aborted.
pub(super) async fn accept_tunnel(worker: Rc<Worker>, listener: TcpListener) {
    let mut trouble = Trouble::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => match Socket::tcp(stream) {
                Ok(socket) => {
                    let visit = worker.common.presence.begin();
                    worker.spawn(open(Rc::clone(&worker), socket, address, visit));
                }
                Err(error) => tracing::debug!(%address, %error, "the edge was gone at once"),
            },
            Err(error) => trouble.sit_out(&error).await,
        }
    }
}

async fn open(worker: Rc<Worker>, socket: Socket, address: SocketAddr, visit: Visit) {
    let config = worker.config();
    let access = config.tunnel.as_ref().and_then(|tunnel| tunnel.access.as_deref());
    let door = |edge: Edge| {
        let (near, far) = UnixStream::pair()?;
        let visit = worker.common.presence.begin();
        let arrival = arrival(Socket::unix(near), address, &edge);
        worker.spawn(serve(Rc::clone(&worker), arrival, visit));
        Ok(far)
    };
    let Received { socket, edge } = match receive(socket, config.login_timeout, access, door).await
    {
        Ok(Some(received)) => received,
        Ok(None) => return,
        Err(error) => return tracing::debug!(%address, %error, "a request led nowhere"),
    };
    match edge {
        Ok(edge) => {
            let arrival = arrival(socket, address, &edge);
            let (peer, country, ray) = (&arrival.peer, edge.country, edge.ray);
            let identity = edge.identity.map(|identity| identity.name);
            tracing::info!(%peer, ?country, ray, identity, "a client of the edge");
            serve(worker, arrival, visit).await;
        }
        Err(error) => {
            tracing::warn!(%address, %error, "a client was refused");
            refuse(&worker, socket, Peer::Tcp(address.into()), &error).await;
        }
    }
}

/// A client that the edge tells of. Where it does not tell the address, all its clients share that of its own.
fn arrival(socket: Socket, address: SocketAddr, edge: &Edge) -> Arrival {
    let ip = edge.address.unwrap_or(address.ip());
    let peer = Peer::Tcp(SocketAddr::new(ip, 0).into());
    let identity = edge.identity.clone();
    Arrival { socket, peer, entrance: Entrance::Tunnel, country: edge.country, identity }
}
