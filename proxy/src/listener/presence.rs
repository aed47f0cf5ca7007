//! Who is connected to any worker, from the accepted socket to its end, so that the process can wait until nobody is.
//! Operators do not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Presence {
    count: AtomicUsize,
    left: Notify,
}

/// One of them; gone when dropped.
#[derive(Debug)]
pub(super) struct Visit(Arc<Presence>);

impl Presence {
    /// Counts one in.
    pub(super) fn begin(self: &Arc<Self>) -> Visit {
        self.count.fetch_add(1, Ordering::AcqRel);
        Visit(Arc::clone(self))
    }

    /// How many there are now.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until nobody is left. One task may wait at a time.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn empty(&self) {
        while self.count() > 0 {
            self.left.notified().await;
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_empty_when_the_last_has_left() {
        let presence = Arc::<Presence>::default();
        presence.empty().await;
        let (first, second) = (presence.begin(), presence.begin());
        let waiting = tokio::spawn({
            let presence = Arc::clone(&presence);
            async move { presence.empty().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert_eq!((presence.count(), waiting.is_finished()), (1, false));
        drop(second);
        waiting.await.unwrap();
    }
}
