//! The extension that the steps install, brought to the version whose files the server has.
//!
//! Must not know what is in it.

use tokio_postgres::{Client, Transaction};

use crate::apply::begin;
use crate::reply::reply;
use crate::{MigrateError, Settings};

const DOING: &str = "updating the extension";

/// The installed version, when the server's files are of another one.
const STANDING: &str = "SELECT installed_version, default_version FROM pg_available_extensions \
     WHERE name = 'taskmaster' AND installed_version <> default_version";

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The version that was installed.
    pub(crate) from: String,
    /// The version that is installed now.
    pub(crate) to: String,
}

/// Runs ALTER EXTENSION UPDATE where it has something to do. PostgreSQL refuses it when the server's files are the older ones.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`]: then nothing was changed.
///
/// # Cancel safety
/// A cancelled call rolls the transaction back.
pub(crate) async fn update(
    client: &mut Client,
    settings: &Settings,
) -> Result<Option<Update>, MigrateError> {
    let transaction = begin(client, settings).await?;
    let Some(update) = due(&transaction, settings).await? else { return Ok(None) };
    let altered = transaction.batch_execute("ALTER EXTENSION taskmaster UPDATE");
    reply(DOING, settings.reply_timeout(), altered).await?;
    reply(DOING, settings.reply_timeout(), transaction.commit()).await?;
    Ok(Some(update))
}

async fn due(
    transaction: &Transaction<'_>,
    settings: &Settings,
) -> Result<Option<Update>, MigrateError> {
    let row = reply(DOING, settings.reply_timeout(), transaction.query_opt(STANDING, &[])).await?;
    Ok(row.map(|row| Update { from: row.get(0), to: row.get(1) }))
}
