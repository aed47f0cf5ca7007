//! From the checked settings to what the listener is started with: certificates are read here.
//!
//! Must not know how a setting was given.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Config, ConfigError, Database, Login, OwnLimits, Tunnel, shown};
use crate::admin::{self, UserTerms};
use crate::backend::secret::{Password, Secret};
use crate::backend::target::Target;
use crate::http::Access;
use crate::listener::{self, ClientLimits};
use crate::net::tls::{ServerTls, SslMode, TlsConfigError, TlsPolicy};
use crate::pool::registry::ServerLogin;
use crate::pool::shell::Terms;
use crate::pool::ticket::Budget;
use crate::pool::{self, budget, registry};
use crate::session::auth::Credentials;

impl Config {
    /// What the listener is started with.
    ///
    /// # Errors
    /// A certificate or key cannot be read or used.
    pub fn listener(&self) -> Result<listener::Config, ConfigError> {
        let target = Target::new(&self.server).map_err(unusable)?;
        let credentials = Arc::new(Credentials::new(self.auth.clone(), target.clone()));
        let access = self.access()?;
        self.listener_with(target, credentials, access)
    }

    /// The same after the settings have changed: what is known of users stays known when it is still true. The roots of a
    /// file may be others under the same name.
    ///
    /// # Errors
    /// As [`Config::listener`].
    pub(super) fn listener_after(
        &self,
        old: &Self,
        before: &listener::Config,
    ) -> Result<listener::Config, ConfigError> {
        let known = before.tunnel.as_ref().and_then(|tunnel| tunnel.access.clone());
        let is_same =
            |tunnel: &Self| tunnel.tunnel.as_ref().and_then(|tunnel| tunnel.access.clone());
        // The keys that are known stay known.
        let access = if is_same(self) == is_same(old) { known } else { self.access()? };
        let credentials = &before.credentials;
        let has_roots = self.server.ssl_root_cert_file.is_some();
        if has_roots || self.auth != old.auth || self.server != old.server {
            let target = Target::new(&self.server).map_err(unusable)?;
            let credentials = Arc::new(Credentials::new(self.auth.clone(), target.clone()));
            return self.listener_with(target, credentials, access);
        }
        let target = Target::new(&self.server).map_err(unusable)?;
        self.listener_with(target, Arc::clone(credentials), access)
    }

    /// What checks the tokens of Cloudflare Access, if that is asked for.
    fn access(&self) -> Result<Option<Arc<Access>>, ConfigError> {
        let Some(access) = self.tunnel.as_ref().and_then(|tunnel| tunnel.access.as_ref()) else {
            return Ok(None);
        };
        let tls = ServerTls::load(SslMode::VerifyFull, access.keys_root_cert_file.as_deref());
        let tls = tls.map_err(unusable)?.client_config();
        Ok(Some(Arc::new(Access::new(access.tokens.clone(), tls))))
    }

    fn listener_with(
        &self,
        target: Target,
        credentials: Arc<Credentials>,
        access: Option<Arc<Access>>,
    ) -> Result<listener::Config, ConfigError> {
        let tunnel = self.tunnel.clone().map(|Tunnel { host, port, .. }| listener::Tunnel {
            host,
            port,
            access,
        });
        let listen = self.listen.clone();
        Ok(listener::Config {
            host: listen.host,
            port: listen.port,
            unix_socket_dir: listen.unix_socket_dir,
            peer_dir: listen.peer_dir,
            workers: listen.workers,
            scheduling: listen.scheduling,
            client_max: listen.client_max,
            proxy_networks: listen.proxy_networks,
            tunnel,
            gate: self.gate.clone(),
            clients: self.client_limits(),
            login_timeout: listen.login_timeout,
            leave_timeout: listen.leave_timeout,
            drain_timeout: listen.drain_timeout,
            tls: TlsPolicy::load(&self.tls).map_err(unusable)?,
            credentials,
            blueprint: self.blueprint(&Arc::new(target))?,
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
            user: self.user_terms(&pool::Overrides::default(), OwnLimits::default()),
            single_users: self
                .users
                .iter()
                .map(|user| (user.name.clone(), self.user_terms(&user.own, user.limits)))
                .collect(),
            database_clients_max: self.clients.database,
            single_database_clients_max: self.client_limits().databases,
        }
    }

    fn user_terms(&self, own: &pool::Overrides, limits: OwnLimits) -> UserTerms {
        let most = |own: Option<usize>, all| own.map_or(all, |most| Some(most).filter(|m| *m > 0));
        UserTerms {
            pool_max: own.max,
            reserve: own.reserve,
            mode: own.mode,
            connections_max: most(limits.connections, self.budget.user),
            clients_max: most(limits.clients, self.clients.user),
        }
    }

    fn blueprint(&self, target: &Arc<Target>) -> Result<registry::Blueprint, ConfigError> {
        let own = |database: &Database| {
            let target = self.target_of(database, target)?;
            Ok::<_, ConfigError>((database.name.clone(), database.terms(&self.pool, &target)))
        };
        let databases = self.databases.iter().map(own).collect::<Result<_, _>>()?;
        let passwords = self.auth.passwords();
        Ok(registry::Blueprint {
            config: self.pool.clone(),
            target: Arc::clone(target),
            databases,
            users: self.users.iter().map(|user| (user.name.clone(), user.own.clone())).collect(),
            logins: self.logins(&passwords),
            admits: self.admits,
            passwords,
            budget: Budget::new(self.connection_limits()),
            stats_period: self.admin.stats_period,
        })
    }

    /// The server of a database: that of all, unless it has one of its own.
    fn target_of(
        &self,
        database: &Database,
        all: &Arc<Target>,
    ) -> Result<Arc<Target>, ConfigError> {
        if database.host.is_none() && database.port.is_none() {
            return Ok(Arc::clone(all));
        }
        let mut server = self.server.clone();
        server.host = database.host.clone().unwrap_or(server.host);
        server.port = database.port.unwrap_or(server.port);
        Target::new(&server).map(Arc::new).map_err(unusable)
    }

    /// A password that is not given beside the user may be among those of clients.
    fn logins(&self, passwords: &HashMap<String, Password>) -> HashMap<String, ServerLogin> {
        let login = |database: &Database| {
            let Login { user, password } = database.login.clone()?;
            let password = password.or_else(|| passwords.get(&user).cloned());
            let secret = password.map_or(Secret::None, Secret::Password);
            Some((database.name.clone(), ServerLogin { user, secret }))
        };
        self.databases.iter().filter_map(login).collect()
    }

    fn connection_limits(&self) -> budget::Limits {
        budget::Limits {
            users: own_limits(self.users_limits(), |limits| limits.connections),
            databases: own_limits(self.databases_limits(), |limits| limits.connections),
            ..self.budget.clone()
        }
    }

    fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            users: own_limits(self.users_limits(), |limits| limits.clients),
            databases: own_limits(self.databases_limits(), |limits| limits.clients),
            ..self.clients.clone()
        }
    }

    fn users_limits(&self) -> impl Iterator<Item = (&String, OwnLimits)> {
        self.users.iter().map(|user| (&user.name, user.limits))
    }

    fn databases_limits(&self) -> impl Iterator<Item = (&String, OwnLimits)> {
        self.databases.iter().map(|database| (&database.name, database.limits))
    }
}

/// By name; none is no limit.
fn own_limits<'a>(
    all: impl Iterator<Item = (&'a String, OwnLimits)>,
    limit: impl Fn(OwnLimits) -> Option<usize>,
) -> HashMap<String, Option<usize>> {
    let given = all.filter_map(|(name, limits)| Some((name.clone(), limit(limits)?)));
    given.map(|(name, most)| (name, Some(most).filter(|most| *most > 0))).collect()
}

impl Database {
    fn terms(&self, all: &pool::Config, target: &Arc<Target>) -> Terms {
        Terms {
            config: all.with(&self.own),
            target: Arc::clone(target),
            database_on_server: self.dbname.clone().unwrap_or_else(|| self.name.clone()),
        }
    }
}

fn unusable(error: TlsConfigError) -> ConfigError {
    let what = error.to_string().replace('\n', ", ");
    ConfigError::Conflict { what, remedy: "name usable PEM files".to_owned() }
}
