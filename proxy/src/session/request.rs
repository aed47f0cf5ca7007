//! Waiting for the next request of a client that has no server connection.
//!
//! What needs no server is dealt with here. Must not know servers, and of pools only what counts the bytes.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use crate::net::flow::poll_fill;
use crate::pool::counters::Count;
use crate::session::client::{Client, Refusal};
use crate::session::slot::Slot;
use crate::wire::frontend::TERMINATE;
use crate::wire::greeting::ready_for_query;
use crate::wire::header::{FrameError, Header};
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// What an idle client does next.
#[derive(Debug)]
pub enum Request {
    /// It has sent a request that a server has to answer.
    Ready,
    /// It said goodbye.
    Left,
    /// It is gone.
    Lost,
    /// It sent something that is no message.
    Malformed(FrameError),
    /// The session was told to end.
    Ending,
}

/// What to do with the bytes that are there.
enum Step {
    Fill,
    Drop(usize),
    Resume(usize),
    Done(Request),
}

/// Waits for the next request. It is whole in the buffer, or longer than the buffer.
///
/// # Cancel safety
/// Cancel safe: what was read stays in the client's buffer.
pub async fn next(client: &mut Client, slot: &Slot) -> Request {
    poll_fn(|cx| poll_next(client, slot, cx)).await
}

/// INVARIANT I7: an idle client waits in here. It costs what the future around this is large, so there is none inside.
fn poll_next(client: &mut Client, slot: &Slot, cx: &mut Context<'_>) -> Poll<Request> {
    loop {
        slot.watch(cx);
        if slot.is_ending() {
            return Poll::Ready(Request::Ending);
        }
        if !client.down.is_clear() && ready!(client.poll_send(cx)).is_err() {
            return Poll::Ready(Request::Lost);
        }
        match step(client) {
            Step::Fill => match ready!(poll_fill(&mut client.stream, &mut client.buffer, cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Request::Lost),
                Ok(len) => client.counters.add(Count::ReceivedBytes, len as u64),
            },
            Step::Drop(total) => drop_message(client, total),
            Step::Resume(total) => {
                drop_message(client, total);
                client.refusal = Refusal::None;
                client.down.outbox.push(&ready_for_query(TransactionStatus::Idle));
            }
            Step::Done(request) => return Poll::Ready(request),
        }
    }
}

/// Waits until a client is gone that waits for something else, and reads what it sends meanwhile as far as there is room.
/// One that said goodbye first is not gone: what it asked for before is done, as PostgreSQL does it.
///
/// # Cancel safety
/// Cancel safe: what was read stays in the client's buffer.
pub async fn gone(client: &mut Client) {
    poll_fn(|cx| poll_gone(client, cx)).await;
}

fn poll_gone(client: &mut Client, cx: &mut Context<'_>) -> Poll<()> {
    let has_room = |client: &Client| {
        client.buffer.as_ref().is_none_or(|buffer| buffer.filled().len() < buffer.capacity())
    };
    while has_room(client) {
        match ready!(poll_fill(&mut client.stream, &mut client.buffer, cx)) {
            Ok(len) if len > 0 => client.counters.add(Count::ReceivedBytes, len as u64),
            _ if said_goodbye(client) => return Poll::Pending,
            _ => return Poll::Ready(()),
        }
    }
    Poll::Pending
}

fn said_goodbye(client: &Client) -> bool {
    client.buffer.as_ref().is_some_and(|buffer| buffer.filled().ends_with(&TERMINATE))
}

/// Drops the message of `total` bytes at the front of the buffer, now and as the rest of it comes in.
pub fn drop_message(client: &mut Client, total: usize) {
    client.discarding = total;
    discard(client);
}

/// Bytes and type of the message at the front of the buffer.
pub fn front(client: &Client) -> Option<(FrontendTag, usize)> {
    let header = Header::read(client.buffer.as_ref()?.filled())?;
    Some((header.frontend().ok()?, header.message_len()))
}

fn step(client: &mut Client) -> Step {
    discard(client);
    let Some(buffer) = client.buffer.as_ref().filter(|_| client.discarding == 0) else {
        return Step::Fill;
    };
    let Some(header) = Header::read(buffer.filled()) else { return Step::Fill };
    let tag = match header.frontend() {
        Ok(tag) => tag,
        Err(error) => return Step::Done(Request::Malformed(error)),
    };
    let total = header.message_len();
    match (tag, client.refusal) {
        (FrontendTag::Terminate, _) => Step::Done(Request::Left),
        (FrontendTag::Sync, Refusal::UntilSync) => Step::Resume(total),
        (_, Refusal::UntilSync) => Step::Drop(total),
        // Data of a COPY that failed meanwhile, and a Flush with nothing to flush.
        (FrontendTag::CopyData | FrontendTag::CopyDone | FrontendTag::CopyFail, _)
        | (FrontendTag::Flush, _) => Step::Drop(total),
        _ if buffer.filled().len() >= total || total > buffer.capacity() => {
            Step::Done(Request::Ready)
        }
        _ => Step::Fill,
    }
}

fn discard(client: &mut Client) {
    let Some(buffer) = &mut client.buffer else { return };
    let len = client.discarding.min(buffer.filled().len());
    buffer.consume(len);
    client.discarding -= len;
    if buffer.is_empty() {
        client.buffer = None;
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use tokio::net::UnixStream;

    use super::*;
    use crate::backend::settings::Settings;
    use crate::net::socket::{Peer, Socket};
    use crate::net::stream::ClientStream;
    use crate::pool::greeting::Greeting;
    use crate::session::slot::Slots;
    use crate::session::startup::Protocol;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_still_ended() {
        let (near, _far) = UnixStream::pair().unwrap();
        let stream = ClientStream::plain(Socket::unix(near), Peer::Unix);
        let settings = Rc::new(Settings::from_reported(&[]));
        let mut client = Client::new(stream, Greeting { settings, parameters: Rc::default() });
        client.down.outbox.push(&vec![0; 16 * 1024 * 1024]);
        let open = Slots::new(0, 0).open(Protocol::V3_0);
        let woken = Arc::<Woken>::default();
        let waker = Arc::clone(&woken).into();
        let mut cx = Context::from_waker(&waker);
        assert!(poll_next(&mut client, &open.slot, &mut cx).is_pending());
        open.slot.kill();
        assert!(woken.0.load(Ordering::Relaxed));
        let ended = poll_next(&mut client, &open.slot, &mut cx);
        assert!(matches!(ended, Poll::Ready(Request::Ending)), "{ended:?}");
    }
}
