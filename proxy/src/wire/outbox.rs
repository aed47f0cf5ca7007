//! Bytes made or rewritten by the proxy that wait to be written to one socket.
//!
//! The vector comes from a free list per thread and goes back as soon as everything is sent (I7).

use std::cell::RefCell;

const FREE_LEN_MAX: usize = 64;
/// A vector that grew beyond this is given back to the allocator instead of being kept.
const KEEP_LEN_MAX: usize = 64 * 1024;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A queue of bytes: appended at the end, sent from the front.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Appends bytes, borrowing a vector from the free list when this outbox has none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.writer().extend_from_slice(bytes);
    }

    /// The vector to append to.
    pub fn writer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        // One that is filled while it is being sent may never become empty.
        if self.sent > KEEP_LEN_MAX && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.bytes
    }

    /// What is still to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// True when everything was sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Marks the first `len` unsent bytes as sent; gives the vector back when that was all.
    pub fn consume(&mut self, len: usize) {
        self.sent += len;
        if self.is_empty() {
            self.recycle();
        }
    }

    fn recycle(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.sent = 0;
        if bytes.capacity() > KEEP_LEN_MAX {
            return;
        }
        bytes.clear();
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < FREE_LEN_MAX {
                free.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_takes_no_room_for_ever() {
        let mut outbox = Outbox::default();
        outbox.push(b"first");
        for _ in 0..100 {
            outbox.push(&[7; KEEP_LEN_MAX]);
            outbox.consume(KEEP_LEN_MAX);
        }
        assert_eq!(outbox.unsent(), [7; 5]);
        assert!(outbox.bytes.capacity() < 8 * KEEP_LEN_MAX);
    }

    #[test]
    fn sends_from_the_front_and_is_empty_at_the_end() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        outbox.consume(2);
        outbox.push(b"d");
        assert_eq!(outbox.unsent(), b"cd");
        outbox.consume(2);
        assert!(outbox.is_empty());
        assert_eq!(outbox.unsent(), b"");
    }
}
