//! The configuration file of a proxy under test: every setting by its dotted name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::{Cluster, run_dir};

/// A configuration being put together. Starts with a free port, the given cluster as the server,
/// its superuser for `[auth]`, and a log in JSON.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    root: Table,
    /// Environment variables of the proxy process.
    pub environment: Vec<(String, String)>,
    /// Further arguments of `taskmaster serve`.
    pub arguments: Vec<String>,
    /// Where the file and its secrets are, and the working directory of the proxy.
    pub dir: PathBuf,
    /// A file that is there already, in place of one of these settings.
    written: Option<PathBuf>,
}

impl ProxyConfig {
    /// The defaults for `cluster`.
    pub fn new(cluster: &Cluster) -> Self {
        let dir = run_dir::fresh_dir("proxy");
        let (environment, arguments) = (Vec::new(), Vec::new());
        let mut config = Self { root: Table::new(), environment, arguments, dir, written: None };
        let password_file = config.write_secret("password", cluster.password);
        config
            .set("listen.host", "127.0.0.1")
            .set("listen.port", 0)
            .set("server.host", "127.0.0.1")
            .set("server.port", i64::from(cluster.port))
            .set("server.ssl_mode", "disable")
            .set("auth.user", cluster.superuser)
            .set("auth.password_file", path_text(&password_file))
            .set("log.format", "json")
            // On a busy machine a login may take long.
            .set("listen.login_timeout_ms", 120_000);
        config
    }

    /// The file at `path` as it is.
    ///
    /// # Panics
    /// When the path names no file in a directory.
    pub fn of_file(path: &Path) -> Self {
        let dir = path.parent().expect("a file in a directory").to_owned();
        let (environment, arguments) = (Vec::new(), Vec::new());
        let written = Some(path.to_owned());
        Self { root: Table::new(), environment, arguments, dir, written }
    }

    /// Sets `table.key` (any depth) to `value`.
    ///
    /// # Panics
    /// When a part of the path is not a table.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> &mut Self {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.root;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().unwrap_or_else(|| panic!("{name} is not a table"));
        }
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Takes a setting out again.
    pub fn unset(&mut self, path: &str) -> &mut Self {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.root;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            let Some(Value::Table(inner)) = table.get_mut(name) else { return self };
            table = inner;
        }
        table.remove(key);
        self
    }

    /// Appends a table to an array of tables, such as `databases` or `auth.users`.
    ///
    /// # Panics
    /// When the path holds something else.
    pub fn push(&mut self, path: &str, entry: Table) -> &mut Self {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.root;
        if !parent.is_empty() {
            let inner = table.entry(parent).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().unwrap_or_else(|| panic!("{parent} is not a table"));
        }
        let array = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        let array = array.as_array_mut().unwrap_or_else(|| panic!("{path} is not an array"));
        array.push(Value::Table(entry));
        self
    }

    /// Sets an environment variable of the proxy process.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file only its owner can read into the proxy's directory.
    pub fn write_secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("a file in a fresh directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
        path
    }

    /// Writes the file and returns where it is.
    pub fn write(&self) -> PathBuf {
        if let Some(path) = &self.written {
            return path.clone();
        }
        let text = toml::to_string(&self.root).expect("a table of plain values");
        self.write_secret("taskmaster.toml", &text)
    }
}

/// A path as TOML text.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("the harness makes paths in UTF-8")
}
