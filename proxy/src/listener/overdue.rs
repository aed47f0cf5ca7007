//! Ends what takes too long: cancels queries and ends sessions that the pools find overdue.
//!
//! Must not know the limits.

use std::rc::Rc;

use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::listener::worker::Worker;
use crate::pool::overdue::Verdict;

/// Looks for the overdue of one worker until the task is aborted. As long as no time is limited it only waits for new
/// settings.
pub(super) async fn enforce(worker: Rc<Worker>) {
    loop {
        let Some(every) = worker.registry.sweep_interval() else {
            worker.adopted.notified().await;
            continue;
        };
        tokio::select! {
            () = sleep(every) => {}
            () = worker.adopted.notified() => continue,
        }
        for (client, overdue) in worker.registry.overdue() {
            match overdue.verdict {
                Verdict::Cancel => cancel(&worker, client),
                Verdict::End => drop(worker.slots.kill(client)),
            }
        }
    }
}

fn cancel(worker: &Rc<Worker>, client: u32) {
    tracing::info!(client, "a query ran into limits.query_timeout_ms and is cancelled");
    let slots = Rc::clone(&worker.slots);
    spawn_local(async move { slots.cancel_session(client).await });
}
