//! Who may log in: passwords that are configured, and verifiers that PostgreSQL is asked for and that are kept a while.
//!
//! Must not know clients or their sockets.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lru::LruCache;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::backend::secret::{KEY_LEN, Password, ScramKeys, hmac_sha256};
use crate::backend::target::Target;
use crate::session::auth::lookup::{AuthQuery, LookupError};
use crate::session::auth::verifier::{ScramVerifier, Verifier, random};

/// Verifiers kept at most. One takes about 200 bytes.
const CACHE_LEN_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("10,000 is not zero");

/// For how long a verifier is taken for the latest without asking: a password that was changed before counts at the first
/// login. So PostgreSQL is asked ten times a second at most about one user, however many logins there are.
const FRESH_FOR: Duration = Duration::from_millis(100);

/// How long a login waits to hear of a changed password, when a verifier is known that may still be right.
const REFRESH_PATIENCE: Duration = Duration::from_secs(1);

/// Settings of authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who asks PostgreSQL for verifiers; also a login of its own when the password is given. None: nobody is asked.
    pub user: Option<String>,
    /// The password of that user; none for servers that trust it.
    pub password: Option<Password>,
    /// The query, with the user's name as `$1`, that gives at most one row of name and verifier. None: the default,
    /// which reads `pg_authid` and for that needs a superuser.
    pub query: Option<String>,
    /// The database that the query runs in.
    pub database: String,
    /// How long a verifier is trusted when PostgreSQL cannot be asked for the latest.
    pub cache_ttl: Duration,
    /// Logins that are given.
    pub users: Vec<User>,
}

/// A login whose password, or what PostgreSQL keeps of it, is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The role.
    pub name: String,
    /// What its proof is checked against.
    pub check: Check,
}

/// What is given to check a login against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Its password, also towards the server.
    Password(Password),
    /// `SCRAM-SHA-256$...` or `md5...`, as in `pg_authid`: the client's proof then logs in to a server that keeps the same.
    Verifier(Password),
}

impl Check {
    /// Takes a text for what PostgreSQL keeps of a password. None when it is not of that form.
    pub fn verifier(text: String) -> Option<Self> {
        Verifier::parse(&text).map(|_| Self::Verifier(Password::new(text)))
    }

    fn credential(&self) -> Option<Credential> {
        match self {
            Self::Password(password) => Some(Credential::of(password.clone())),
            Self::Verifier(text) => {
                let verifier = Verifier::parse(text.reveal())?;
                Some(Credential { verifier, password: None })
            }
        }
    }
}

impl Config {
    /// The passwords that are given, by user.
    pub fn passwords(&self) -> HashMap<String, Password> {
        let asker = self.user.clone().zip(self.password.clone());
        let others = self.users.iter().filter_map(|user| match &user.check {
            Check::Password(password) => Some((user.name.clone(), password.clone())),
            Check::Verifier(_) => None,
        });
        asker.into_iter().chain(others).collect()
    }

    fn given(&self) -> HashMap<String, Arc<Credential>> {
        let asker = self.user.clone().zip(self.password.clone());
        let asker = asker.map(|(name, password)| (name, Arc::new(Credential::of(password))));
        let others = self.users.iter().filter_map(|user| {
            user.check.credential().map(|known| (user.name.clone(), Arc::new(known)))
        });
        asker.into_iter().chain(others).collect()
    }
}

/// What a user's proof is checked against.
#[derive(Debug)]
pub struct Credential {
    pub(super) verifier: Verifier,
    pub(super) password: Option<Password>,
}

/// All that is known of users. Shared by all threads.
pub struct Credentials {
    given: HashMap<String, Arc<Credential>>,
    query: Option<AuthQuery>,
    cache: Mutex<LruCache<String, Cached>>,
    cache_ttl: Duration,
    mock_key: [u8; KEY_LEN],
    /// The keys of passwords that were right. To derive them is slow by design, and a client of HTTP proves itself with
    /// each request. By a digest of user, password and verifier, so that a changed password is another.
    proven: Mutex<LruCache<[u8; KEY_LEN], ScramKeys>>,
}

struct Cached {
    read_at: Instant,
    asked_at: Instant,
    credential: Arc<Credential>,
}

/// What the cache has of a user.
enum Known {
    /// Nothing that may be relied on.
    Nothing,
    /// What was right until a while ago.
    Aged(Arc<Credential>),
    /// What is right, or is being asked for by somebody else.
    Fresh(Arc<Credential>),
}

impl Credentials {
    /// Derives the verifiers of the given passwords. The server is asked for others when the first of them is needed.
    pub fn new(config: Config, target: Target) -> Self {
        Self {
            given: config.given(),
            cache: Mutex::new(LruCache::new(CACHE_LEN_MAX)),
            cache_ttl: config.cache_ttl,
            query: AuthQuery::new(&config, target),
            mock_key: random(),
            proven: Mutex::new(LruCache::new(CACHE_LEN_MAX)),
        }
    }

    /// What is known of a user, from the first source that knows it. None: no such user, or none with a password that
    /// is still valid.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn find(&self, user: &str) -> Result<Option<Arc<Credential>>, LookupError> {
        if let Some(credential) = self.given.get(user).cloned() {
            return Ok(Some(credential));
        }
        let Some(query) = &self.query else { return Ok(None) };
        match self.known(user) {
            Known::Fresh(credential) => Ok(Some(credential)),
            Known::Nothing => self.read(query, user).await,
            // SCRAM cannot begin again with another salt, so a changed password must be known before it begins.
            Known::Aged(credential) => {
                match timeout(REFRESH_PATIENCE, self.read(query, user)).await {
                    Ok(Ok(latest)) => Ok(latest),
                    Ok(Err(_)) | Err(_) => Ok(Some(credential)),
                }
            }
        }
    }

    async fn read(
        &self,
        query: &AuthQuery,
        user: &str,
    ) -> Result<Option<Arc<Credential>>, LookupError> {
        let Some(text) = query.verifier(user).await? else {
            self.lock().pop(user);
            return Ok(None);
        };
        let Some(verifier) = Verifier::parse(&text) else {
            tracing::warn!(
                user,
                "the verifier of this user is neither SCRAM-SHA-256 nor md5: set its password anew"
            );
            return Ok(None);
        };
        let credential = Arc::new(Credential { verifier, password: None });
        let now = Instant::now();
        let cached = Cached { read_at: now, asked_at: now, credential: Arc::clone(&credential) };
        self.lock().put(user.to_owned(), cached);
        Ok(Some(credential))
    }

    /// Forgets a verifier that a proof did not fit: the password may have been changed, so the next login reads anew.
    pub fn forget(&self, user: &str, credential: &Arc<Credential>) {
        let mut cache = self.lock();
        if cache.peek(user).is_some_and(|cached| Arc::ptr_eq(&cached.credential, credential)) {
            cache.pop(user);
        }
    }

    /// The keys of a password, and whether they are those of the verifier.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn keys_of(
        &self,
        user: &str,
        password: Password,
        verifier: &ScramVerifier,
    ) -> Option<ScramKeys> {
        let parts =
            [user.as_bytes(), &[0], password.reveal().as_bytes(), &[0], &verifier.stored_key];
        let digest = hmac_sha256(&self.mock_key, &Zeroizing::new(parts.concat()));
        let proven = || self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = proven().get(&digest) {
            return Some(keys.clone());
        }
        let (salt, iterations) = (verifier.salt.clone(), verifier.iterations);
        // About a millisecond, which is not for a thread that serves clients.
        let derived = spawn_blocking(move || password.derive_keys(&salt, iterations)).await;
        let keys = derived.ok()?;
        verify_slices_are_equal(&keys.stored_key(), &verifier.stored_key).ok()?;
        proven().put(digest, keys.clone());
        Some(keys)
    }

    /// A verifier for a user who is not there.
    pub(super) fn mock(&self, user: &str) -> ScramVerifier {
        ScramVerifier::mock(user, &self.mock_key)
    }

    /// Whoever finds a verifier that is not fresh asks for all.
    fn known(&self, user: &str) -> Known {
        let mut cache = self.lock();
        let Some(cached) = cache.get_mut(user) else { return Known::Nothing };
        let credential = Arc::clone(&cached.credential);
        if cached.read_at.elapsed() >= self.cache_ttl {
            return Known::Nothing;
        }
        if cached.asked_at.elapsed() < FRESH_FOR {
            return Known::Fresh(credential);
        }
        cached.asked_at = Instant::now();
        Known::Aged(credential)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Credential {
    fn of(password: Password) -> Self {
        let verifier = Verifier::Scram(ScramVerifier::of(&password));
        Self { verifier, password: Some(password) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} given)", self.given.len())
    }
}
