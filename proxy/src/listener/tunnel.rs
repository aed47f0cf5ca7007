//! The door for the edge: HTTP requests that open a WebSocket, and then a client like any other, with the address and the
//! country that the edge says it has.
//!
//! Must not know what a session does.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::gate::Entrance;
use crate::http::{Received, receive};
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
    let received = timeout(config.login_timeout, receive(socket, config.login_timeout)).await;
    let Received { socket, edge } = match received {
        Ok(Ok(Some(received))) => received,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "a request led nowhere"),
    };
    // An edge that does not tell the address has all its clients share that of its own.
    let edge = match edge {
        Ok(edge) => edge,
        Err(error) => {
            tracing::warn!(%address, %error, "a client was refused");
            return refuse(&worker, socket, Peer::Tcp(address.into()), &error).await;
        }
    };
    let ip = edge.address.unwrap_or(address.ip());
    let peer = Peer::Tcp(SocketAddr::new(ip, 0).into());
    tracing::debug!(%peer, country = ?edge.country, ray = edge.ray, "a client of the edge");
    let arrival = Arrival { socket, peer, entrance: Entrance::Tunnel, country: edge.country };
    serve(worker, arrival, visit).await;
}
