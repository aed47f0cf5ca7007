//! One runner at a time on a database.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::mend::{Unlock, Unlocked};
use crate::reply::reply;
use crate::retry::Backoff;
use crate::{Connection, Event, MigrateError, Settings};

/// The key of the advisory lock, "taskmigr" in ASCII. Advisory locks are per database.
const KEY: i64 = i64::from_be_bytes(*b"taskmigr");

/// Who holds the lock: a bigint key is split over `classid` and `objid`, with `objsubid` 1
/// (PostgreSQL documentation, 54.12 pg_locks).
const HOLDER: &str = "
    SELECT format('%s, process %s of %s', coalesce(nullif(a.application_name, ''), 'unnamed'), l.pid, a.usename)
      FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (l.classid::bigint << 32) | l.objid::bigint = $1";

/// Takes the lock of this session, or waits for it, bounded by `runner_wait`.
///
/// Asks again and again instead of waiting inside the server: a session that waits in
/// `pg_advisory_lock` holds a snapshot, and an index that is built concurrently waits for that in
/// turn.
///
/// # Errors
/// [`MigrateError::RunnerBusy`] with the holder; [`MigrateError::Server`] and
/// [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// A lock that was taken when the call is cancelled is freed with the connection.
pub(crate) async fn acquire(
    connection: &Connection,
    settings: &Settings,
    observe: &mut (dyn FnMut(&Event) + Send),
) -> Result<(), MigrateError> {
    let started = Instant::now();
    let mut backoff = Backoff::new(settings.backoff_min, settings.backoff_max);
    let mut told = false;
    while !try_acquire(&connection.client, settings).await? {
        let holder = holder(&connection.client, settings).await?;
        let waited = started.elapsed();
        if waited >= settings.runner_wait {
            return Err(MigrateError::RunnerBusy { holder, waited });
        }
        if !std::mem::replace(&mut told, true) {
            observe(&Event::WaitingForRunner { holder });
        }
        tokio::time::sleep(backoff.next_wait().min(settings.runner_wait - waited)).await;
    }
    Ok(())
}

/// Frees the lock. A failure is not one of the run: the lock goes with the connection at the latest.
pub(crate) async fn release(client: &Client, settings: &Settings) {
    let freed = client.query_one("SELECT pg_advisory_unlock($1)", &[&KEY]);
    if let Err(error) = reply("freeing the lock", settings.reply_timeout(), freed).await {
        tracing::debug!(%error, "the migration lock is left to the end of the connection");
    }
}

/// Ends the session that holds the lock, if it may be ended.
///
/// # Errors
/// [`MigrateError::RunnerBusy`] when it is at work; [`MigrateError::Server`] and
/// [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// The session is ended or it is not.
pub(crate) async fn end_holder(
    client: &Client,
    when: Unlock,
    settings: &Settings,
) -> Result<Option<Unlocked>, MigrateError> {
    const DOING: &str = "ending the session that holds the migration lock";
    let held = format!(
        "SELECT a.pid, extract(epoch FROM clock_timestamp() - a.state_change)::float8, a.state = 'idle', ({HOLDER}) \
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND (l.classid::bigint << 32) | l.objid::bigint = $1"
    );
    let limit = settings.reply_timeout();
    let Some(row) = reply(DOING, limit, client.query_opt(&held, &[&KEY])).await? else {
        return Ok(None);
    };
    let (pid, since, idle, holder): (i32, f64, bool, String) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let waited = Duration::from_secs_f64(since.max(0.0));
    if let Unlock::IdleFor(least) = when
        && (!idle || waited < least)
    {
        return Err(MigrateError::AtWork { holder });
    }
    reply(DOING, limit, client.query_one("SELECT pg_terminate_backend($1, 5000)", &[&pid])).await?;
    Ok(Some(Unlocked { holder }))
}

async fn try_acquire(client: &Client, settings: &Settings) -> Result<bool, MigrateError> {
    let asked = client.query_one("SELECT pg_try_advisory_lock($1)", &[&KEY]);
    let row = reply("asking for the migration lock", settings.reply_timeout(), asked).await?;
    Ok(row.get(0))
}

async fn holder(client: &Client, settings: &Settings) -> Result<String, MigrateError> {
    let asked = client.query_opt(HOLDER, &[&KEY]);
    let row = reply("asking who migrates", settings.reply_timeout(), asked).await?;
    Ok(row.map_or_else(|| "just ended".to_owned(), |row| row.get(0)))
}
