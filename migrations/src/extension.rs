//! The extension that the steps install, brought to the version whose files the server has.
//!
//! Must not know what is in it.

use tokio_postgres::{Client, GenericClient};

use crate::apply::begin;
use crate::catalog::Catalog;
use crate::change::Frame;
use crate::history::{self, Action, Entry};
use crate::reply::reply;
use crate::{ExtensionStatus, MigrateError, Settings};

const DOING: &str = "updating the extension";

/// The installed version, and that of the server's files.
const STANDING: &str = "SELECT e.extversion, a.default_version FROM pg_catalog.pg_extension AS e \
     LEFT JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.extname WHERE e.extname = 'taskmaster'";

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The version that was installed.
    pub(crate) from: String,
    /// The version that is installed now.
    pub(crate) to: String,
    /// The catalog after it.
    pub(crate) catalog: Catalog,
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
    before: &Catalog,
    frame: Frame<'_>,
) -> Result<Option<Update>, MigrateError> {
    let settings = frame.settings;
    let transaction = begin(client, settings, "pg_catalog").await?;
    let standing = read(&transaction, DOING, settings).await?.filter(ExtensionStatus::is_due);
    let Some(ExtensionStatus { installed: from, available: Some(to) }) = standing else {
        return Ok(None);
    };
    let altered = transaction.batch_execute("ALTER EXTENSION taskmaster UPDATE");
    reply(DOING, settings.reply_timeout(), altered).await?;
    let catalog = Catalog::read(&transaction, settings).await?;
    let description = format!("from {from} to {to}");
    let entry = Entry {
        description: Some(&description),
        fingerprint: Some(catalog.fingerprint()),
        ..Entry::new(&frame.ledger.schema, Action::Extension)
    };
    history::record(&transaction, &entry, &before.differences(&catalog), settings).await?;
    reply(DOING, settings.reply_timeout(), transaction.commit()).await?;
    Ok(Some(Update { from, to, catalog }))
}

/// How the extension stands; none when it is not installed.
///
/// # Errors
/// As [`update`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn read(
    client: &impl GenericClient,
    doing: &'static str,
    settings: &Settings,
) -> Result<Option<ExtensionStatus>, MigrateError> {
    let row = reply(doing, settings.reply_timeout(), client.query_opt(STANDING, &[])).await?;
    Ok(row.map(|row| ExtensionStatus { installed: row.get(0), available: row.get(1) }))
}
