//! Everything `taskmaster up` needs on the disk, made or found: tree, cluster, secrets, certificates.
//!
//! What is new is made aside and moved into place when it is whole; what cannot be finished is
//! removed again. Must not know roles, migrations or the proxy.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cluster::STOP_WITHIN;
use super::files::make_dir;
use super::state::Mark;
use super::{
    Account, Certificates, Cleared, Cluster, ClusterSettings, Durability, EmbeddedError,
    ExtensionArtefacts, Installation, Place, PrivateTree, Secrets, StateDir, Steps, UpOptions,
    ports, postmaster,
};

/// Where the private server and the proxy listen.
pub(super) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The parts of a state directory.
#[derive(Debug)]
pub(super) struct Home {
    place: Place,
    state: StateDir,
    tree: PrivateTree,
    account: Account,
    major: u32,
    /// The private server's port.
    pub(super) port: u16,
    /// The passwords of the two roles.
    pub(super) secrets: Secrets,
    /// The proxy's certificate and its authority.
    pub(super) certificates: Certificates,
    finish: Finish,
}

/// Whether the directory has been brought to the point where its data are worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// Made in this run, without a schema yet.
    Unfinished,
    /// It has a schema.
    Finished,
}

/// What is on the machine before anything is made.
struct Sources {
    installation: Installation,
    extension: ExtensionArtefacts,
}

impl Home {
    /// Opens the state directory of `options`, or makes it.
    ///
    /// # Errors
    /// Every refusal of [`EmbeddedError`] that comes before the server starts; nothing half-made
    /// is left behind.
    pub(super) fn prepare(options: &UpOptions, steps: &Steps) -> Result<Self, EmbeddedError> {
        let account = Account::for_new_cluster()?;
        let place = Place::resolve(&options.data_dir, account)?;
        let found = StateDir::open(&place)?;
        ports::require_free(HOST, options.port)?;
        match found {
            Some((state, mark)) => Self::reopen(options, steps, (place, account), (state, mark)),
            None => Self::make(options, steps, place, account),
        }
    }

    /// The directory of the state as the user named it.
    pub(super) fn shown(&self, file: &Path) -> PathBuf {
        match file.strip_prefix(self.place.real()) {
            Ok(inside) => self.place.shown().join(inside),
            Err(_) => file.to_owned(),
        }
    }

    /// libpq's password file for the application.
    pub(super) fn passfile(&self) -> PathBuf {
        self.state.passfile()
    }

    /// The configuration the proxy is started with.
    pub(super) fn config_file(&self) -> PathBuf {
        self.state.config_file()
    }

    /// The file with the superuser's password.
    pub(super) fn superuser_file(&self) -> PathBuf {
        self.state.secrets().join("superuser")
    }

    /// The cluster, not started, with a socket directory that exists.
    pub(super) fn cluster(&self) -> Result<Cluster, EmbeddedError> {
        let socket_dir = self.state.socket_dir(self.port, self.account)?;
        let settings = settings(&self.state, (self.major, self.port), socket_dir);
        Ok(Cluster::new(self.tree.clone(), self.account, settings))
    }

    /// From now on the directory stays, whatever happens.
    pub(super) fn keep(&mut self) {
        self.finish = Finish::Finished;
    }

    /// Removes a directory that this run made and could not finish.
    ///
    /// # Errors
    /// What the system answers.
    pub(super) fn discard_unfinished(&self) -> Result<(), EmbeddedError> {
        match self.finish {
            Finish::Unfinished => self.state.remove(&self.place),
            Finish::Finished => Ok(()),
        }
    }

    fn make(
        options: &UpOptions,
        steps: &Steps,
        place: Place,
        account: Account,
    ) -> Result<Self, EmbeddedError> {
        let sources = Sources::find(options, None)?;
        place.prepare()?;
        if place.is_elsewhere() {
            steps.say(&format!(
                "  {} cannot be reached by the user postgres: it becomes a link to {}",
                place.shown().display(),
                place.real().display()
            ));
        }
        let mut state = StateDir::begin(&place)?;
        let filled = fill(&state, steps, &sources, account)
            .and_then(|filled| state.settle(&place, filled.2).map(|()| filled));
        match filled {
            Ok((secrets, _, port)) => Ok(Self {
                tree: PrivateTree::at(&state.tree(), &sources.installation),
                certificates: Certificates::open(&state.tls(), SystemTime::now())?,
                major: sources.installation.major,
                finish: Finish::Unfinished,
                place,
                state,
                account,
                port,
                secrets,
            }),
            Err(error) => {
                state.remove(&place)?;
                Err(error)
            }
        }
    }

    fn reopen(
        options: &UpOptions,
        steps: &Steps,
        (place, account): (Place, Account),
        (state, mark): (StateDir, Mark),
    ) -> Result<Self, EmbeddedError> {
        let made_by = cluster_major(&state.data())?;
        let sources = Sources::find(options, Some(made_by))?;
        sources.require_major(&state.data(), made_by)?;
        place.link()?;
        clear_earlier(&state, steps)?;
        let tree = steps.run("private tree", || sources.tree(&state.tree()))?;
        let port = ports::choose(HOST, Some(mark.port))?;
        state.remember(port)?;
        Ok(Self {
            secrets: Secrets::open(&state.secrets())?,
            certificates: Certificates::open(&state.tls(), SystemTime::now())?,
            finish: Finish::Finished,
            major: made_by,
            place,
            state,
            tree,
            account,
            port,
        })
    }
}

impl Sources {
    fn find(options: &UpOptions, wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        let installation = Installation::find(options.pg_bindir.as_deref(), wanted)?;
        let named = options.extension_dir.as_deref();
        let extension = ExtensionArtefacts::find(named, &installation)?;
        Ok(Self { installation, extension })
    }

    fn require_major(&self, data: &Path, made_by: u32) -> Result<(), EmbeddedError> {
        let found = self.installation.major;
        if found == made_by {
            return Ok(());
        }
        Err(EmbeddedError::OtherMajor { path: data.to_owned(), made_by, found })
    }

    fn tree(&self, root: &Path) -> Result<PrivateTree, EmbeddedError> {
        PrivateTree::make(root, &self.installation, &self.extension)
    }
}

fn fill(
    state: &StateDir,
    steps: &Steps,
    sources: &Sources,
    account: Account,
) -> Result<(Secrets, Certificates, u16), EmbeddedError> {
    let tree = steps.run("private tree", || sources.tree(&state.tree()))?;
    let port = ports::choose(HOST, None)?;
    make_dir(&state.log(), 0o755)?;
    let secrets = Secrets::create(&state.secrets())?;
    let settings = settings(state, (sources.installation.major, port), PathBuf::new());
    let cluster = Cluster::new(tree, account, settings);
    steps.run("initdb", || cluster.init(&secrets.superuser, Durability::Synced))?;
    let made = || Certificates::create(&state.tls(), SystemTime::now());
    let certificates = steps.run("certificates", made)?;
    Ok((secrets, certificates, port))
}

fn settings(state: &StateDir, (major, port): (u32, u16), socket_dir: PathBuf) -> ClusterSettings {
    ClusterSettings {
        data_dir: state.data(),
        log_file: state.log().join("postgresql.log"),
        listen_addresses: HOST.to_string(),
        further: vec![("log_line_prefix".to_owned(), "%m [%p] %q%u@%d ".to_owned())],
        socket_dir,
        port,
        major,
    }
}

fn clear_earlier(state: &StateDir, steps: &Steps) -> Result<(), EmbeddedError> {
    let data = state.data();
    let cleared = postmaster::clear(&data, STOP_WITHIN)?;
    if cleared == Cleared::Server {
        steps.say("  stopped the PostgreSQL that an earlier run had left");
    }
    Ok(())
}

fn cluster_major(data: &Path) -> Result<u32, EmbeddedError> {
    let path = data.join("PG_VERSION");
    let text = fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))?;
    text.trim().parse().map_err(|_| EmbeddedError::NotOurs(data.to_owned()))
}
