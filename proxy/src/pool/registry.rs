//! The pools of one worker, made as clients ask for them, and the janitor that does their chores.
//!
//! Must not know clients or their sockets.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::backend::reset::reset;
use crate::backend::secret::{Password, Secret};
use crate::backend::statement::SchemaEpoch;
use crate::backend::target::Target;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::apart::{ApartError, Loan};
use crate::pool::check::{test_and_give_back, test_and_put_back};
use crate::pool::config::{Config, Overrides, PoolMode};
use crate::pool::connect::connect;
use crate::pool::control::Gates;
use crate::pool::counters::{Counters, Totals};
use crate::pool::pooled_server::PooledServer;
use crate::pool::shell::{Chore, Pool, PoolKey, PoolSpec, Terms};
use crate::pool::ticket::{Budget, Letter};

/// How pools are made: the settings for all, and what pools of single databases are like instead.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Settings of a pool.
    pub config: Config,
    /// The server behind.
    pub target: Arc<Target>,
    /// Databases with settings of their own, by the name that clients use.
    pub databases: HashMap<String, Terms>,
    /// Users with settings of their own, which go before those of databases.
    pub users: HashMap<String, Overrides>,
    /// Databases whose server connections all log in as one user, whoever the client is.
    pub logins: HashMap<String, ServerLogin>,
    /// Which databases clients may name.
    pub admits: Admits,
    /// Passwords that are configured, by user.
    pub passwords: HashMap<String, Password>,
    /// How many server connections all pools of all workers may have.
    pub budget: Arc<Budget>,
    /// How long a period is over which averages are taken.
    pub stats_period: Duration,
}

/// Which databases clients may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admits {
    /// Any; the server knows which there are.
    #[default]
    Any,
    /// Those of [`Blueprint::databases`].
    Listed,
}

/// As whom all server connections of a database log in.
#[derive(Clone, Debug)]
pub struct ServerLogin {
    /// The role.
    pub user: String,
    /// Its proof.
    pub secret: Secret,
}

impl Blueprint {
    /// What a pool is like.
    pub fn terms(&self, key: &PoolKey) -> Terms {
        let terms = self.terms_of(&key.database);
        match self.users.get(&key.user) {
            Some(own) => Terms { config: terms.config.with(own), ..terms },
            None => terms,
        }
    }

    /// The password that is configured for a pool's server connections.
    pub(super) fn password(&self, key: &PoolKey) -> Option<&Password> {
        match self.logins.get(&key.database).filter(|login| login.user == key.user) {
            Some(ServerLogin { secret: Secret::Password(password), .. }) => Some(password),
            Some(_) => None,
            None => self.passwords.get(&key.user),
        }
    }

    /// What the pools of this database are like, unless their user's differ.
    pub fn terms_of(&self, database: &str) -> Terms {
        self.databases.get(database).cloned().unwrap_or_else(|| Terms {
            config: self.config.clone(),
            target: Arc::clone(&self.target),
            database_on_server: database.to_owned(),
        })
    }
}

/// The pools of one worker.
#[derive(Debug)]
pub struct Registry {
    pub(super) blueprint: RefCell<Rc<Blueprint>>,
    pub(super) pools: RefCell<HashMap<PoolKey, Rc<Pool>>>,
    schemas: RefCell<HashMap<String, SchemaEpoch>>,
    /// What is counted for each database; outlives its pools.
    pub(super) counters: RefCell<HashMap<String, Rc<Counters>>>,
    pub(super) gates: RefCell<Gates>,
    chores: mpsc::UnboundedSender<Chore>,
}

/// Why a client gets no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolRefused {
    /// The worker has as many pools as it may have.
    #[error("too many pairs of database and user are in use (limit {0})")]
    TooMany(usize),
    /// The database is not among those that clients may name.
    #[error("database \"{0}\" does not exist")]
    Unlisted(String),
    /// An operator has closed the database to newcomers.
    #[error("database \"{0}\" does not accept connections at the moment")]
    Disabled(String),
}

impl Registry {
    /// A registry whose janitor runs on the current `LocalSet`.
    pub fn new(blueprint: Blueprint) -> Rc<Self> {
        let (chores, orders) = mpsc::unbounded_channel();
        let letters = blueprint.budget.letter_box();
        let registry = Rc::new(Self {
            blueprint: RefCell::new(Rc::new(blueprint)),
            pools: RefCell::default(),
            schemas: RefCell::default(),
            counters: RefCell::default(),
            gates: RefCell::default(),
            chores,
        });
        spawn_local(read_letters(Rc::downgrade(&registry), letters));
        spawn_local(do_chores(orders));
        spawn_local(reap(Rc::downgrade(&registry)));
        registry
    }

    /// The pool for a client that has logged in with this secret.
    pub fn pool(&self, key: &PoolKey, secret: Secret) -> Result<Rc<Pool>, PoolRefused> {
        if self.gates.borrow().is_disabled(&key.database) {
            return Err(PoolRefused::Disabled(key.database.clone()));
        }
        let blueprint = self.blueprint();
        if blueprint.admits == Admits::Listed && !blueprint.databases.contains_key(&key.database) {
            return Err(PoolRefused::Unlisted(key.database.clone()));
        }
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(key) {
            pool.renew_secret(secret);
            return Ok(Rc::clone(pool));
        }
        let pools_max = blueprint.config.pools_max;
        if pools.len() >= pools_max {
            pools.retain(|_, pool| !pool.is_unused());
        }
        if pools.len() >= pools_max {
            return Err(PoolRefused::TooMany(pools_max));
        }
        let pool = Pool::new(key.clone(), self.spec(key), secret, self.chores.clone());
        if self.gates.borrow().is_paused(&key.database) {
            pool.pause();
        }
        pools.insert(key.clone(), Rc::clone(&pool));
        Ok(pool)
    }

    /// A pool of one connection that is one client's alone, in session mode. It counts in the pool that all share.
    pub fn apart(&self, key: &PoolKey, secret: Secret) -> Result<Rc<Pool>, ApartError> {
        let shared = self.pool(key, secret.clone())?;
        let spec = self.spec(key);
        let config = Config { mode: PoolMode::Session, min: 0, max: 1, ..spec.terms.config };
        let (terms, loan) = (Terms { config, ..spec.terms }, Some(Loan::of(&shared)?));
        let spec = PoolSpec { terms, loan, ticket: None, ..spec };
        Ok(Pool::new(key.clone(), spec, secret, self.chores.clone()))
    }

    /// How pools are made now.
    pub(super) fn blueprint(&self) -> Rc<Blueprint> {
        Rc::clone(&self.blueprint.borrow())
    }

    /// Closes all idle connections, for the end of the worker.
    pub fn close_idle(&self) {
        self.pools.borrow().values().for_each(|pool| pool.close_idle());
    }

    fn spec(&self, key: &PoolKey) -> PoolSpec {
        let schema = self.schemas.borrow_mut().entry(key.database.clone()).or_default().clone();
        let mut counters = self.counters.borrow_mut();
        let counters = Rc::clone(counters.entry(key.database.clone()).or_default());
        let blueprint = self.blueprint();
        let terms = blueprint.terms(key);
        let ticket = blueprint.budget.join(key, &terms.target.to_string(), terms.config.min);
        PoolSpec { terms, schema, counters, loan: None, ticket: Some(ticket) }
    }

    fn reap(&self) {
        let pools: Vec<_> = self.pools.borrow().values().map(Rc::clone).collect();
        pools.iter().for_each(Pool::reap);
        drop(pools);
        self.pools
            .borrow_mut()
            .retain(|_, pool| !(pool.is_unused() && Rc::strong_count(pool) == 1));
        self.schemas.borrow_mut().retain(|_, schema| schema.is_shared());
        self.tick();
    }
}

impl Registry {
    /// Moves the periods of the averages on, and forgets what was counted of databases that never did anything.
    fn tick(&self) {
        let now = Instant::now();
        let mut counters = self.counters.borrow_mut();
        counters.retain(|_, counters| {
            Rc::strong_count(counters) > 1 || counters.totals() != Totals::default()
        });
        counters.values().for_each(|counters| counters.tick(now, self.blueprint().stats_period));
    }
}

async fn read_letters(
    registry: std::rc::Weak<Registry>,
    mut letters: mpsc::UnboundedReceiver<Letter>,
) {
    while let Some(letter) = letters.recv().await {
        let Some(registry) = registry.upgrade() else { return };
        registry.read(letter);
    }
}

async fn do_chores(mut orders: mpsc::UnboundedReceiver<Chore>) {
    while let Some(chore) = orders.recv().await {
        match chore {
            Chore::Connect(pool, permit) => drop(spawn_local(connect(pool, permit))),
            Chore::CleanUp(server) => drop(spawn_local(clean_up(server))),
            Chore::Test(server) => drop(spawn_local(test_and_put_back(server))),
        }
    }
}

async fn clean_up(mut server: PooledServer) {
    let pool = Rc::clone(server.pool());
    match reset(&mut server, pool.terms().config.destroy_timeout).await {
        Ok(()) if server.is_at_rest() => test_and_give_back(server).await,
        Ok(()) => server.close(),
        Err(error) => {
            tracing::debug!(pool = %pool.key, %error, "a server connection is closed instead of reused");
            server.close();
        }
    }
}

async fn reap(registry: std::rc::Weak<Registry>) {
    loop {
        let Some(alive) = registry.upgrade() else { return };
        alive.reap();
        let pause = alive.blueprint().config.reap_interval;
        drop(alive);
        sleep(pause).await;
    }
}

impl ClientFacing for PoolRefused {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::TooMany(_) => SqlState::TOO_MANY_CONNECTIONS,
            Self::Unlisted(_) => SqlState::INVALID_CATALOG_NAME,
            // With several hosts in its connection string libpq then tries the next one.
            Self::Disabled(_) => SqlState::CANNOT_CONNECT_NOW,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unlisted(_) => {
                "An operator adds it to [[databases]], or sets auth.databases to any.".into()
            }
            Self::TooMany(_) => "Raise pool.pools_max, or use fewer databases and roles.".into(),
            Self::Disabled(name) => {
                format!("An operator disabled it; ENABLE {name} in the console takes that back.")
            }
        })
    }
}
