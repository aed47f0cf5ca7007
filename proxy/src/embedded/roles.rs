//! The application's role and database in the private cluster, and its rights on the schema.
//!
//! Every statement may be run again. Must not know how the server was started.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use super::{EmbeddedError, Secrets};

/// The application's role.
pub(super) const APPLICATION: &str = "software_developer";
/// The application's database.
pub(super) const DATABASE: &str = "codegen-taskmaster-db";
/// The superuser `initdb` makes.
pub(super) const SUPERUSER: &str = "postgres";

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The superuser's way into the private server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrance<'a> {
    /// The directory of the unix socket.
    pub(super) socket_dir: &'a Path,
    /// The server's port.
    pub(super) port: u16,
    /// The passwords.
    pub(super) secrets: &'a Secrets,
}

/// Makes the role and its database if they are not there.
///
/// # Errors
/// What the server answers.
pub(super) async fn ensure_database(entrance: Entrance<'_>) -> Result<(), EmbeddedError> {
    let client = connect(entrance, "postgres").await?;
    if !exists(&client, "select 1 from pg_roles where rolname = $1", APPLICATION).await? {
        // The password has no character that would need quoting; see `Secrets`.
        let password = &entrance.secrets.application;
        run(&client, &format!("create role {APPLICATION} login password '{password}'")).await?;
    }
    if !exists(&client, "select 1 from pg_database where datname = $1", DATABASE).await? {
        run(&client, &format!("create database \"{DATABASE}\" owner {APPLICATION}")).await?;
    }
    Ok(())
}

/// Lets the application use what the migrations made, now and later.
///
/// It is a member of `taskmaster_admin`, which has the rights. Earlier versions gave it rights of its own on all tables,
/// which would let it past row-level security and into the audit.
///
/// # Errors
/// What the server answers.
pub(super) async fn grant(entrance: Entrance<'_>) -> Result<(), EmbeddedError> {
    let client = connect(entrance, DATABASE).await?;
    let rights = format!(
        "grant usage, create on schema taskmaster to {APPLICATION};
         grant taskmaster_admin to {APPLICATION};
         revoke all on all tables in schema taskmaster from {APPLICATION};
         revoke all on all sequences in schema taskmaster from {APPLICATION};
         revoke all on all routines in schema taskmaster from {APPLICATION};
         alter default privileges in schema taskmaster revoke all on tables from {APPLICATION};
         alter default privileges in schema taskmaster revoke all on sequences from {APPLICATION}"
    );
    run(&client, &rights).await
}

/// # Cancel safety
/// The connection is closed when the future is dropped.
async fn connect(entrance: Entrance<'_>, database: &str) -> Result<Client, EmbeddedError> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(entrance.socket_dir).port(entrance.port).connect_timeout(CONNECT_WITHIN);
    config.user(SUPERUSER).password(&entrance.secrets.superuser).dbname(database);
    config.application_name("taskmaster up");
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(EmbeddedError::sql("log in"))?;
    // It ends with its client; what goes wrong on it reaches the client's caller.
    tokio::spawn(connection);
    Ok(client)
}

async fn exists(client: &Client, query: &str, name: &str) -> Result<bool, EmbeddedError> {
    let found = client.query_opt(query, &[&name]).await;
    Ok(found.map_err(EmbeddedError::sql("read the catalog"))?.is_some())
}

async fn run(client: &Client, statements: &str) -> Result<(), EmbeddedError> {
    client.batch_execute(statements).await.map_err(EmbeddedError::sql("make the role and database"))
}
