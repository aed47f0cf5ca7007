//! A variable of the backend. Must not know what it holds.

use std::cell::Cell;

/// A cell in a static, read with one instruction: a thread-local variable of a library that is loaded at run time costs
/// a call each time (`__tls_get_addr`), which is too much at each transaction.
pub(super) struct BackendCell<T>(Cell<T>);

// SAFETY: only hooks and callbacks of PostgreSQL use these cells, and it calls them in the one thread that a backend has;
// this library starts no other.
unsafe impl<T> Sync for BackendCell<T> {}

impl<T: Copy> BackendCell<T> {
    /// With its first value.
    pub(super) const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    /// What it holds.
    pub(super) fn get(&self) -> T {
        self.0.get()
    }

    /// Holds this from now on.
    pub(super) fn set(&self, value: T) {
        self.0.set(value);
    }

    /// Holds this from now on, and held what is returned.
    pub(super) fn replace(&self, value: T) -> T {
        self.0.replace(value)
    }
}
