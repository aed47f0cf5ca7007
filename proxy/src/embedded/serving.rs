//! The proxy of `taskmaster up`, in this process, in front of the private server.
//!
//! Its configuration is written into the state directory, where it can be read and copied from.

use std::fmt::Write as _;
use std::future::pending;
use std::path::Path;

use super::files::write_file;
use super::home::{HOST, Home};
use super::up::{Stops, stopped};
use super::{ClusterSettings, EmbeddedError, UpOptions, roles};
use crate::admin::{Ask, Shutdown};
use crate::config::Keeper;
use crate::listener::{self, Operation};

/// The settings for the server that `cluster` describes.
///
/// # Errors
/// It cannot be written, or a variable that overrides it is refused.
pub(super) fn config(
    options: &UpOptions,
    home: &Home,
    cluster: &ClusterSettings,
) -> Result<Keeper, EmbeddedError> {
    let path = home.config_file();
    write_file(&path, &render(options, home, cluster), 0o644)?;
    let environment = options.environment.clone();
    let keeper = Keeper::load(Some(path), move || Ok(environment.clone()));
    keeper.map_err(|error| EmbeddedError::Proxy(error.to_string()))
}

/// Serves until `stops` counts one, then drains; at two it ends at once.
///
/// # Errors
/// The listener's own words.
pub(super) async fn serve(
    keeper: Keeper,
    stops: Stops,
    ready: impl FnOnce(),
    draining: impl FnOnce(),
) -> Result<(), EmbeddedError> {
    let (mut first, mut second) = (stops.clone(), stops);
    let config = keeper.listener();
    let (operation, asker) = Operation::new(Box::new(keeper));
    let drain = async {
        stopped(&mut first, 1).await;
        draining();
        // Should nobody hear it, the listener has ended.
        let _ = asker.send(Ask::Shutdown(Shutdown::WaitForServers)).await;
        pending::<()>().await;
    };
    tokio::select! {
        served = listener::run(config, operation, |_| ready()) => {
            served.map_err(|error| EmbeddedError::Proxy(error.to_string()))
        }
        () = drain => Ok(()),
        () = stopped(&mut second, 2) => Ok(()),
    }
}

fn render(options: &UpOptions, home: &Home, cluster: &ClusterSettings) -> String {
    let mut text = String::from("# Written at every start of taskmaster up.\n");
    let certificates = &home.certificates;
    let host = HOST.to_string();
    let _ = write!(
        text,
        "[listen]\nhost = {}\nport = {}\n[listen.tls]\ncert_file = {}\nkey_file = {}\n\
         [server]\nhost = {}\nport = {}\nssl_mode = \"disable\"\ndbname = {}\n\
         [auth]\nuser = {}\npassword_file = {}\n",
        quoted(&host),
        options.port,
        path(&certificates.certificate_file()),
        path(&certificates.key_file()),
        path(&cluster.socket_dir),
        cluster.port,
        quoted(roles::DATABASE),
        quoted(roles::SUPERUSER),
        path(&home.superuser_file()),
    );
    text
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
