//! From the checked settings to what the listener is started with: certificates are read here.
//!
//! Must not know how a setting was given.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Config, ConfigError, Database, shown};
use crate::admin;
use crate::backend::target::Target;
use crate::listener;
use crate::net::tls::{TlsConfigError, TlsPolicy};
use crate::pool::ticket::Budget;
use crate::pool::{self, registry};
use crate::session::auth::Credentials;

impl Config {
    /// What the listener is started with.
    ///
    /// # Errors
    /// A certificate or key cannot be read or used.
    pub fn listener(&self) -> Result<listener::Config, ConfigError> {
        let target = Target::new(&self.server).map_err(unusable)?;
        let credentials = Credentials::new(self.auth.clone(), target.clone());
        let listen = self.listen.clone();
        Ok(listener::Config {
            host: listen.host,
            port: listen.port,
            unix_socket_dir: listen.unix_socket_dir,
            workers: listen.workers,
            client_max: listen.client_max,
            clients: self.clients,
            login_timeout: listen.login_timeout,
            drain_timeout: listen.drain_timeout,
            tls: TlsPolicy::load(&self.tls).map_err(unusable)?,
            credentials: Arc::new(credentials),
            blueprint: self.blueprint(Arc::new(target)),
            admin: Arc::new(self.console()),
        })
    }

    fn console(&self) -> admin::Config {
        let console = self.admin.clone();
        admin::Config {
            databases: console.databases,
            users: console.users,
            stats_users: console.stats_users,
            wait_timeout: console.wait_timeout,
            settings: shown::settings(self),
        }
    }

    fn blueprint(&self, target: Arc<Target>) -> registry::Blueprint {
        let own = |database: &Database| (database.name.clone(), database.own(&self.pool, &target));
        let databases: HashMap<_, _> = self.databases.iter().map(own).collect();
        let stats_period = self.admin.stats_period;
        let budget = Budget::new(self.budget);
        registry::Blueprint { config: self.pool.clone(), target, databases, budget, stats_period }
    }
}

impl Database {
    fn own(&self, all: &pool::Config, target: &Arc<Target>) -> registry::Override {
        let max = self.pool_max.unwrap_or(all.max);
        let mode = self.pool_mode.unwrap_or(all.mode);
        let (min, timeouts) = (all.min.min(max), self.timeouts.clone());
        registry::Override {
            config: pool::Config { mode, max, min, timeouts, ..all.clone() },
            target: Arc::clone(target),
            database_on_server: self.dbname.clone().unwrap_or_else(|| self.name.clone()),
        }
    }
}

fn unusable(error: TlsConfigError) -> ConfigError {
    let what = error.to_string().replace('\n', ", ");
    ConfigError::Conflict { what, remedy: "name usable PEM files".to_owned() }
}
