//! Waiting for a condition: polled, bounded, and with a message that says what did not happen.
//!
//! The bound is generous because it only decides how long a broken test takes to fail; no test
//! asserts a duration.

use std::future::Future;
use std::time::{Duration, Instant};

/// The longest any single wait of a test may take before the test fails.
pub const LIMIT: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Polls `condition` until it is true.
///
/// # Panics
/// When it is still false after [`LIMIT`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The blocking twin of [`until`], for code that runs before there is a runtime.
///
/// # Panics
/// When the condition is still false after [`LIMIT`].
pub fn until_blocking(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Awaits `future`, at most [`LIMIT`].
///
/// # Panics
/// When it is not ready by then.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(output) => output,
        Err(_) => panic!("gave up waiting for {what}"),
    }
}
