//! The answer to a request for SQL while it is written: JSON that is kept until it is whole, or passed on in parts once it is
//! long.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

/// Bytes that are kept before the answer begins: up to there an error is an error's answer.
const KEPT_LEN_MAX: usize = 1024 * 1024;
/// Bytes of one part of a long answer.
const PART_LEN: usize = 64 * 1024;
/// Parts that wait for a client that does not read.
const PARTS_MAX: usize = 4;

/// The end of an answer that cannot be finished.
#[derive(Debug, thiserror::Error)]
#[error("the answer ends here: {0}")]
pub(crate) struct Broken(String);

/// What the client gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// All of it.
    Whole(Option<Bytes>),
    /// In parts, as they come.
    Parts(mpsc::Receiver<Result<Bytes, Broken>>),
}

/// The first that is known of an answer.
#[derive(Debug)]
pub(super) enum First {
    /// It is whole.
    Whole(Vec<u8>),
    /// It is long, and well so far.
    Long(mpsc::Receiver<Result<Bytes, Broken>>),
    /// An error came before it was long.
    Failed(Vec<u8>),
}

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Vec<u8>,
    first: Option<oneshot::Sender<First>>,
    parts: Option<mpsc::Sender<Result<Bytes, Broken>>>,
}

/// Nobody waits for the answer any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl From<Vec<u8>> for Answer {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Parts(parts) => {
                parts.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

impl Page {
    /// An empty one, and where its beginning is told.
    pub(super) fn new() -> (Self, oneshot::Receiver<First>) {
        let (first, told) = oneshot::channel();
        (Self { bytes: Vec::new(), first: Some(first), parts: None }, told)
    }

    /// Where to write. [`Page::pass_on`] is due from time to time.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Passes on what is there, if it is enough.
    ///
    /// # Errors
    /// [`Gone`].
    ///
    /// # Cancel safety
    /// Not cancel safe: a part may be lost.
    pub(super) async fn pass_on(&mut self) -> Result<(), Gone> {
        if self.bytes.len() >= KEPT_LEN_MAX
            && let Some(first) = self.first.take()
        {
            let (sender, parts) = mpsc::channel(PARTS_MAX);
            first.send(First::Long(parts)).map_err(|_| Gone)?;
            self.parts = Some(sender);
        }
        match &self.parts {
            Some(parts) if self.bytes.len() >= PART_LEN => {
                let part = std::mem::take(&mut self.bytes).into();
                parts.send(Ok(part)).await.map_err(|_| Gone)
            }
            _ => Ok(()),
        }
    }

    /// Waits until nobody waits for the answer any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn gone(&mut self) {
        match (&mut self.first, &self.parts) {
            (Some(first), _) => first.closed().await,
            (None, Some(parts)) => parts.closed().await,
            (None, None) => {}
        }
    }

    /// The answer is whole.
    ///
    /// # Cancel safety
    /// Not cancel safe: the last part may be lost.
    pub(super) async fn finish(mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(first) = self.first.take() {
            let _ = first.send(First::Whole(bytes));
        } else if let Some(parts) = &self.parts {
            let _ = parts.send(Ok(bytes.into())).await;
        }
    }

    /// The answer is an error. One that has begun breaks off, so that nobody takes it for whole.
    ///
    /// # Cancel safety
    /// Cancel safe: the answer breaks off all the same.
    pub(super) async fn fail(mut self, error: Vec<u8>) {
        if let Some(first) = self.first.take() {
            let _ = first.send(First::Failed(error));
        } else if let Some(parts) = &self.parts {
            let text = String::from_utf8_lossy(&error).into_owned();
            let _ = parts.send(Err(Broken(text))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_answers_are_whole_or_errors_and_long_ones_come_in_parts() {
        let (mut page, told) = Page::new();
        page.bytes().extend(b"short");
        page.pass_on().await.unwrap();
        page.finish().await;
        assert!(matches!(told.await.unwrap(), First::Whole(bytes) if bytes == b"short"));

        let (mut page, told) = Page::new();
        page.bytes().extend(b"half of it");
        page.fail(b"error".to_vec()).await;
        assert!(matches!(told.await.unwrap(), First::Failed(bytes) if bytes == b"error"));

        let (mut page, told) = Page::new();
        let writing = tokio::spawn(async move {
            for _ in 0..100 {
                page.bytes().extend(vec![b'x'; 50_000]);
                page.pass_on().await.unwrap();
            }
            page.fail(b"late".to_vec()).await;
        });
        let First::Long(mut parts) = told.await.unwrap() else { panic!("not long") };
        let mut len = 0;
        let broken = loop {
            match parts.recv().await.unwrap() {
                Ok(part) => len += part.len(),
                Err(broken) => break broken.to_string(),
            }
        };
        writing.await.unwrap();
        assert!(len > 4_900_000 && broken.contains("late"), "{len} {broken}");
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (mut page, told) = Page::new();
        drop(told);
        page.gone().await;
        page.bytes().extend(vec![b'x'; KEPT_LEN_MAX]);
        assert_eq!(page.pass_on().await, Err(Gone));
    }
}
