//! What a client is told at login: the parameters its session starts with, as the server itself spells them.
//!
//! A client that names settings at startup gets them checked and spelled by a server once; clients with the same
//! startup parameters then share the result. Must not know clients' sockets.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use lru::LruCache;
use tokio::time::timeout;

use crate::backend::server::Server;
use crate::backend::settings::Settings;
use crate::pool::refusal::AcquireError;
use crate::pool::shell::Pool;

/// Sets of startup parameters remembered for a pool.
const GREETINGS_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// `NAMEDATALEN - 1`, to which PostgreSQL cuts an application name.
const APPLICATION_NAME_LEN_MAX: usize = 63;

/// How long a login waits for a busy server to say how it spells what the client is told.
const SPELLING_PATIENCE: Duration = Duration::from_secs(1);

const APPLICATION_NAME: &str = "application_name";

/// Settings named in a startup packet, without `user`, `database` and protocol options.
pub type StartupSettings = Vec<(String, String)>;

/// What a session starts with.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The settings that follow the client from server to server.
    pub settings: Rc<Settings>,
    /// All parameters to report.
    pub parameters: Rc<Vec<(String, String)>>,
}

/// Greetings by startup settings, and the one for a client that names none.
#[derive(Debug)]
pub struct Greetings {
    base: Option<Greeting>,
    known: LruCache<StartupSettings, Greeting>,
}

impl Default for Greetings {
    fn default() -> Self {
        Self { base: None, known: LruCache::new(GREETINGS_MAX) }
    }
}

impl Greetings {
    /// Takes note of what a server said to a login that named no settings.
    pub fn learn(&mut self, server: &Server) {
        let mut settings = (*server.defaults).clone();
        settings.set(APPLICATION_NAME, "");
        let parameters = parameters(&server.greeting, &settings);
        self.base = Some(Greeting { settings: Rc::new(settings), parameters });
    }

    /// The greeting for these settings, as far as it is known without asking a server.
    fn get(&mut self, startup: &mut StartupSettings) -> Option<Greeting> {
        let base = self.base.as_ref()?;
        startup.retain(|(name, value)| !says_the_same(&base.settings, name, value));
        match startup.is_empty() {
            true => Some(base.clone()),
            false => self.known.get(startup).cloned(),
        }
    }
}

/// True when the server's own value is what is asked for. `UTF8` has spellings that nearly every driver uses.
fn says_the_same(base: &Settings, name: &str, value: &str) -> bool {
    let same = |(known, present): (&str, &str)| {
        let utf8 = |text: &str| {
            let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
            plain.eq_ignore_ascii_case("utf8") || plain.eq_ignore_ascii_case("unicode")
        };
        let is_encoding = known == "client_encoding";
        known.eq_ignore_ascii_case(name)
            && (present == value || (is_encoding && utf8(present) && utf8(value)))
    };
    base.iter().any(same)
}

/// The greeting for a client with these startup settings. Asks a server when it is the first of its kind.
///
/// # Cancel safety
/// Cancel safe: a server connection in use is cleaned up by its guard.
pub async fn greet(
    pool: &Rc<Pool>,
    mut startup: StartupSettings,
) -> Result<Greeting, AcquireError> {
    let name = take_application_name(&mut startup);
    keep_last(&mut startup);
    let known = pool.greetings.borrow_mut().get(&mut startup);
    let greeting = match known {
        Some(greeting) => greeting,
        None => match assume(pool, &startup) {
            None => ask(pool, startup).await?,
            Some(assumed) if !assumed.tells_any_of(&startup) => assumed,
            Some(assumed) => match timeout(SPELLING_PATIENCE, ask(pool, startup)).await {
                Ok(Ok(greeting)) => greeting,
                Ok(Err(AcquireError::Server(fault))) => return Err(fault.into()),
                Ok(Err(_)) | Err(_) => assumed,
            },
        },
    };
    Ok(named(pool, greeting, name))
}

impl Greeting {
    /// True when the client is told one of these settings, which a server may spell otherwise.
    fn tells_any_of(&self, startup: &StartupSettings) -> bool {
        let is_told =
            |name: &str| self.parameters.iter().any(|(told, _)| told.eq_ignore_ascii_case(name));
        startup.iter().any(|(name, _)| is_told(name))
    }
}

/// While all server connections are busy a login does not wait for one, or not for long: the settings are taken as they
/// were asked for, and a server judges them when the first request gets it.
fn assume(pool: &Rc<Pool>, startup: &StartupSettings) -> Option<Greeting> {
    if !pool.is_saturated() {
        return None;
    }
    let base = pool.greetings.borrow().base.clone()?;
    let mut settings = (*base.settings).clone();
    for (name, value) in startup {
        settings.set(name, value);
    }
    let parameters = parameters(&base.parameters, &settings);
    Some(Greeting { settings: Rc::new(settings), parameters })
}

async fn ask(pool: &Rc<Pool>, startup: StartupSettings) -> Result<Greeting, AcquireError> {
    let server = pool.acquire().await?;
    let mut wanted = (*server.defaults).clone();
    for (name, value) in &startup {
        wanted.set(name, value);
    }
    wanted.set(APPLICATION_NAME, "");
    let wanted = Rc::new(wanted);
    let server = pool.bring_into_line(server, &wanted, &wanted).await?;
    let greeting = Greeting {
        parameters: parameters(&server.greeting, &server.settings),
        settings: Rc::clone(&server.settings),
    };
    pool.greetings.borrow_mut().known.put(startup, greeting.clone());
    Ok(greeting)
}

/// The same greeting for a client with this application name; shared with others of that name.
fn named(pool: &Rc<Pool>, base: Greeting, name: String) -> Greeting {
    if name.is_empty() {
        return base;
    }
    let mut settings = (*base.settings).clone();
    settings.set(APPLICATION_NAME, &name);
    let key = settings.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut greetings = pool.greetings.borrow_mut();
    let make = || Greeting {
        parameters: parameters(&base.parameters, &settings),
        settings: Rc::new(settings.clone()),
    };
    greetings.known.get_or_insert(key, make).clone()
}

fn parameters(reported: &[(String, String)], settings: &Settings) -> Rc<Vec<(String, String)>> {
    let respell = |(name, value): &(String, String)| {
        (name.clone(), settings.get(name).unwrap_or(value).to_owned())
    };
    Rc::new(reported.iter().map(respell).collect())
}

/// Of settings named more than once the last one counts; sorted, so that equal sets are found equal.
fn keep_last(startup: &mut StartupSettings) {
    let mut last = std::collections::BTreeMap::new();
    for (name, value) in startup.drain(..) {
        last.insert(name.to_ascii_lowercase(), value);
    }
    startup.extend(last);
}

/// As `pg_clean_ascii` (common/string.c) and the cut to an identifier's length have it.
fn take_application_name(startup: &mut StartupSettings) -> String {
    let mut taken = String::new();
    startup.retain(|(name, value)| {
        let is_name = name.eq_ignore_ascii_case(APPLICATION_NAME);
        if is_name {
            taken.clone_from(value);
        }
        !is_name
    });
    let clean = |byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '?' };
    taken.bytes().take(APPLICATION_NAME_LEN_MAX).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_name_is_cut_and_cleaned_as_postgresql_does() {
        let long = "x".repeat(100);
        for (given, expected) in [("psql", "psql"), ("a\u{e9}\n", "a???"), (&long, &long[..63])] {
            let mut startup = vec![("Application_Name".into(), given.into())];
            assert_eq!(take_application_name(&mut startup), expected);
            assert!(startup.is_empty());
        }
    }

    #[test]
    fn reported_parameters_carry_the_clients_values() {
        let reported = [("TimeZone", "UTC"), ("server_version", "15.1")];
        let reported = reported.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut settings = Settings::from_reported(&reported);
        settings.set("timezone", "CET");
        assert_eq!(parameters(&reported, &settings)[0], ("TimeZone".into(), "CET".into()));
    }
}
