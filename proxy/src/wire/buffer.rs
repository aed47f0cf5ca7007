//! The read buffers of the relay: fixed size, kept in a free list per thread.
//!
//! A connection holds one only while it has bytes in it (I7), so thousands of idle clients cost none.
//! Must not know what the bytes mean.

use std::cell::RefCell;

/// Size of a buffer in bytes. A message that fits is looked at whole; a longer one streams through.
pub const BUFFER_LEN: usize = 16 * 1024;

/// Buffers that a thread keeps for reuse; beyond it they go back to the allocator.
const FREE_LEN_MAX: usize = 256;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes read from a socket and not yet consumed: `bytes[start..end]`. A buffer never grows to 4 GiB: it is grown for messages
/// alone, whose length has 31 bits.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: u32,
    end: u32,
}

impl Buffer {
    /// Takes an empty buffer of [`BUFFER_LEN`] bytes from this thread's free list, or makes one.
    pub fn take() -> Self {
        let bytes = FREE.with_borrow_mut(Vec::pop);
        Self { bytes: bytes.unwrap_or_else(|| empty(BUFFER_LEN)), start: 0, end: 0 }
    }

    /// The bytes that were read and not consumed.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    /// True when nothing is left to consume.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// True when neither end has room: only consuming or growing helps.
    pub fn is_full(&self) -> bool {
        self.start == 0 && self.end as usize == self.bytes.len()
    }

    /// The room behind the filled bytes, after moving them to the front when there is none left.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else if self.end as usize == self.bytes.len() {
            self.compact();
        }
        &mut self.bytes[self.end as usize..]
    }

    /// Marks `len` bytes of [`Self::spare`] as filled.
    pub fn advance(&mut self, len: usize) {
        debug_assert!(self.end as usize + len <= self.bytes.len());
        self.end += len as u32;
    }

    /// Drops the first `len` filled bytes.
    pub fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.filled().len());
        self.start += len as u32;
    }

    /// Makes room for a message of `len` bytes to stand in the buffer whole.
    pub fn grow(&mut self, len: usize) {
        if len <= self.bytes.len() {
            return self.compact();
        }
        let mut bytes = empty(len);
        let filled = self.filled().len();
        bytes[..filled].copy_from_slice(self.filled());
        *self = Self { bytes, start: 0, end: filled as u32 };
    }

    /// How many bytes the buffer can hold.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn compact(&mut self) {
        self.bytes.copy_within(self.start as usize..self.end as usize, 0);
        (self.start, self.end) = (0, self.end - self.start);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() != BUFFER_LEN {
            return;
        }
        // A buffer dropped while the thread ends finds no free list any more: then it is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < FREE_LEN_MAX {
                free.push(bytes);
            }
        });
    }
}

fn empty(len: usize) -> Box<[u8]> {
    vec![0; len].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.spare()[..bytes.len()].copy_from_slice(bytes);
        buffer.advance(bytes.len());
    }

    #[test]
    fn bytes_come_out_in_the_order_they_went_in() {
        let mut buffer = Buffer::take();
        put(&mut buffer, b"abc");
        buffer.consume(1);
        put(&mut buffer, b"de");
        assert_eq!(buffer.filled(), b"bcde");
    }

    #[test]
    fn a_full_buffer_makes_room_by_moving_to_the_front() {
        let mut buffer = Buffer::take();
        let len = buffer.spare().len();
        buffer.advance(len);
        assert!(buffer.is_full());
        buffer.consume(len - 2);
        assert_eq!(buffer.spare().len(), len - 2);
        assert_eq!(buffer.filled().len(), 2);
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let mut buffer = Buffer::take();
        put(&mut buffer, b"xyz");
        buffer.consume(1);
        buffer.grow(BUFFER_LEN * 3);
        assert_eq!(buffer.filled(), b"yz");
        assert_eq!(buffer.spare().len(), BUFFER_LEN * 3 - 2);
    }
}
