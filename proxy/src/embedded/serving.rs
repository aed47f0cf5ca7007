//! The proxy of `taskmaster up`, in this process, in front of the private server.
//!
//! Its configuration is written into the state directory, where it can be read and copied from.

use std::fmt::Write as _;
use std::path::Path;

use super::files::write_file;
use super::home::{HOST, Home};
use super::up::{Stops, stopped};
use super::{ClusterSettings, EmbeddedError, UpOptions, roles};
use crate::config::Config;
use crate::listener;

/// The configuration for the server that `cluster` describes.
///
/// # Errors
/// It cannot be written, or a variable that overrides it is refused.
pub(super) fn config(
    options: &UpOptions,
    home: &Home,
    cluster: &ClusterSettings,
) -> Result<listener::Config, EmbeddedError> {
    let path = home.config_file();
    write_file(&path, &render(options, home, cluster), 0o644)?;
    let refused = |error: crate::config::ConfigError| EmbeddedError::Proxy(error.to_string());
    Config::load(Some(&path), &options.environment)
        .and_then(|config| config.listener())
        .map_err(refused)
}

/// Serves until `stops` counts one, then drains; at two it ends at once.
///
/// # Errors
/// The listener's own words.
pub(super) async fn serve(
    config: listener::Config,
    stops: Stops,
    ready: impl FnOnce(),
    draining: impl FnOnce(),
) -> Result<(), EmbeddedError> {
    let (mut first, mut second) = (stops.clone(), stops);
    let drain = async move {
        stopped(&mut first, 1).await;
        draining();
    };
    tokio::select! {
        served = listener::run(config, drain, |_| ready()) => {
            served.map_err(|error| EmbeddedError::Proxy(error.to_string()))
        }
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
