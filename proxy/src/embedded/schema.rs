//! The migrations, applied to the private cluster.
//!
//! Must not know what is in them.

use taskmaster_migrations::{MigrateError, Runner, Target, TlsMode, UpTo, connect};
use tokio_postgres::NoTls;

use super::EmbeddedError;
use super::roles::{DATABASE, Entrance, SUPERUSER};

/// Brings the application's database to the newest step and returns how many were applied.
///
/// # Errors
/// The runner's own words.
pub(super) async fn migrate(entrance: Entrance<'_>) -> Result<usize, EmbeddedError> {
    let mut runner = runner(entrance).await?;
    let report = runner.up(UpTo::Latest, &mut |_| {}).await.map_err(failed)?;
    Ok(report.steps.len())
}

/// Tells the runner that what was granted since is ours.
///
/// # Errors
/// The runner's own words.
pub(super) async fn settle(entrance: Entrance<'_>) -> Result<(), EmbeddedError> {
    let mut runner = runner(entrance).await?;
    let settled = runner.accept_drift("granted by taskmaster up", &mut |_| {}).await;
    settled.map(|_objects| ()).map_err(failed)
}

async fn runner(entrance: Entrance<'_>) -> Result<Runner, EmbeddedError> {
    let host = entrance.socket_dir.to_string_lossy();
    let mut target = Target::new(host.as_ref(), entrance.port, SUPERUSER, DATABASE);
    target.password = Some(entrance.secrets.superuser.clone());
    target.tls = TlsMode::Disable;
    let connection = connect(&target, NoTls).await.map_err(failed)?;
    Ok(Runner::new(connection))
}

fn failed(error: MigrateError) -> EmbeddedError {
    let hint = error.hint().unwrap_or_else(|| "correct that and run it again".to_owned());
    EmbeddedError::Migrations(format!("the migrations failed: {error}: {hint}"))
}
