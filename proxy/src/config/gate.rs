//! `[gate]`, `[[gate.rules]]` and `[[gate.rates]]`, checked.
//!
//! Must not know where a value comes from; see `reader`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::reader::{Reader, TIME_MAX_MS};
use super::sections::missing;
use super::{ConfigError, raw};
use crate::gate::{About, Config, Counted, Each, Entrance, Patience, Rate, Rule, Verdict};

const VERDICTS: [(&str, Verdict); 2] = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];
const ENTRANCES: [(&str, Entrance); 2] =
    [("direct", Entrance::Direct), ("tunnel", Entrance::Tunnel)];
const COUNTED: [(&str, Counted); 2] =
    [("statements", Counted::Statements), ("logins", Counted::Logins)];
const EACH: [(&str, Each); 5] = [
    ("identity", Each::Identity),
    ("address", Each::Address),
    ("user", Each::User),
    ("database", Each::Database),
    ("all", Each::All),
];
/// What one rate may allow in its period.
const RATE_MAX: i64 = 1_000_000_000;

/// The lists that say which clients a rule or a rate is about.
struct Lists<'a> {
    addresses: &'a [String],
    countries: &'a [String],
    entrance: Option<&'a String>,
    identities: &'a [String],
    users: &'a [String],
    databases: &'a [String],
}

macro_rules! lists {
    ($raw:expr) => {
        Lists {
            addresses: &$raw.addresses,
            countries: &$raw.countries,
            entrance: $raw.entrance.as_ref(),
            identities: &$raw.identities,
            users: &$raw.users,
            databases: &$raw.databases,
        }
    };
}

/// What each address may ask through the tunnel, where nothing else is said: the document of the original project has
/// 100 requests a minute.
const TUNNEL_STATEMENTS_PER_MINUTE: i64 = 100;
const TUNNEL_RATE: &str = "tunnel.address_statements_per_minute";

pub(super) fn gate(
    read: &Reader<'_>,
    raw: &raw::Gate,
    tunnel: &raw::Tunnel,
) -> Result<Config, ConfigError> {
    let usual = Config::default();
    let rules = raw.rules.iter().enumerate();
    let rules = rules.map(|(at, one)| rule(read, &format!("gate.rules[{at}]"), one));
    let rates = raw.rates.iter().enumerate();
    let rates = rates.map(|(at, one)| rate(read, &format!("gate.rates[{at}]"), one));
    let mut rates = rates.collect::<Result<Vec<_>, _>>()?;
    rates.extend(tunnel_rate(read, tunnel)?);
    let mut seen = BTreeSet::new();
    if let Some(twice) = rates.iter().find(|rate| !seen.insert(&rate.name)) {
        return Err(read.refuse("gate.rates.name", &twice.name, "give each name once"));
    }
    let otherwise = read.word("gate.otherwise", raw.otherwise.as_ref(), &VERDICTS)?;
    Ok(Config {
        rules: rules.collect::<Result<_, _>>()?,
        otherwise: otherwise.unwrap_or_default(),
        patience: patience(read, raw, usual.patience)?,
        tracked_max: read.count(
            "gate.tracked_max",
            raw.tracked_max,
            usual.tracked_max,
            1_000..=10_000_000,
        )?,
        rates,
    })
}

/// The rate of the tunnel's door; none where it is closed or the rate is 0.
fn tunnel_rate(read: &Reader<'_>, raw: &raw::Tunnel) -> Result<Option<Rate>, ConfigError> {
    let given = raw.address_statements_per_minute;
    let max = read.number(TUNNEL_RATE, given, TUNNEL_STATEMENTS_PER_MINUTE, 0..=RATE_MAX)?;
    let max = u32::try_from(max).ok().and_then(NonZeroU32::new);
    let Some(max) = max.filter(|_| raw.port.is_some()) else { return Ok(None) };
    Ok(Some(Rate {
        name: TUNNEL_RATE.to_owned(),
        counted: Counted::Statements,
        each: Each::Address,
        max,
        period: Duration::from_secs(60),
        burst: max,
        about: About { entrance: Some(Entrance::Tunnel), ..About::default() },
    }))
}

fn patience(read: &Reader<'_>, raw: &raw::Gate, usual: Patience) -> Result<Patience, ConfigError> {
    let default = usual.failures_max.map_or(0, i64::from);
    let failures = raw.login_failures_max;
    let failures = read.number("gate.login_failures_max", failures, default, 0..=1_000_000)?;
    let time = |key: &str, given, default| read.time(key, given, default, 1_000);
    Ok(Patience {
        failures_max: u32::try_from(failures).ok().filter(|max| *max > 0),
        window: time("gate.login_failures_window_ms", raw.login_failures_window_ms, usual.window)?,
        ban: time("gate.login_ban_ms", raw.login_ban_ms, usual.ban)?,
        exempt: match &raw.login_ban_exempt {
            Some(given) => all(read, "gate.login_ban_exempt", given)?,
            None => usual.exempt,
        },
    })
}

fn rule(read: &Reader<'_>, at: &str, raw: &raw::Rule) -> Result<Rule, ConfigError> {
    let key = |name: &str| format!("{at}.{name}");
    let verdict = read.word(&key("verdict"), raw.verdict.as_ref(), &VERDICTS)?;
    Ok(Rule {
        name: name(read, at, raw.name.as_ref())?,
        verdict: verdict.ok_or_else(|| missing(&key("verdict")))?,
        about: about(read, at, &lists!(raw))?,
    })
}

fn rate(read: &Reader<'_>, at: &str, raw: &raw::Rate) -> Result<Rate, ConfigError> {
    let key = |name: &str| format!("{at}.{name}");
    let number = |name: &str, given: Option<i64>| {
        let value = read.number(&key(name), given, 1, 1..=RATE_MAX)?;
        Ok::<_, ConfigError>(
            u32::try_from(value).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
        )
    };
    let max = number("max", Some(raw.max.ok_or_else(|| missing(&key("max")))?))?;
    let burst = raw.burst.map(|burst| number("burst", Some(burst))).transpose()?;
    let period_ms = read.number(&key("period_ms"), raw.period_ms, 60_000, 100..=TIME_MAX_MS)?;
    let counted = read.word(&key("counted"), raw.counted.as_ref(), &COUNTED)?;
    let each = read.word(&key("each"), raw.each.as_ref(), &EACH)?;
    Ok(Rate {
        name: name(read, at, raw.name.as_ref())?,
        counted: counted.unwrap_or(Counted::Statements),
        each: each.unwrap_or(Each::Address),
        max,
        period: Duration::from_millis(period_ms.unsigned_abs()),
        burst: burst.unwrap_or(max),
        about: about(read, at, &lists!(raw))?,
    })
}

fn name(read: &Reader<'_>, at: &str, given: Option<&String>) -> Result<String, ConfigError> {
    let key = format!("{at}.name");
    read.text(&key, given)?.ok_or_else(|| missing(&key))
}

fn about(read: &Reader<'_>, at: &str, lists: &Lists<'_>) -> Result<About, ConfigError> {
    Ok(About {
        networks: all(read, &format!("{at}.addresses"), lists.addresses)?,
        countries: all(read, &format!("{at}.countries"), lists.countries)?,
        entrance: read.word(&format!("{at}.entrance"), lists.entrance, &ENTRANCES)?,
        identities: lists.identities.to_vec(),
        users: lists.users.to_vec(),
        databases: lists.databases.to_vec(),
    })
}

/// Each text of a list, read.
pub(super) fn all<T>(read: &Reader<'_>, key: &str, given: &[String]) -> Result<Vec<T>, ConfigError>
where
    T: FromStr<Err: Display>,
{
    let parse = |text: &String| {
        text.parse().map_err(|error: T::Err| read.refuse(key, text, &error.to_string()))
    };
    given.iter().map(parse).collect()
}
