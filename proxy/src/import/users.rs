//! `[users]`: what differs for one user.

use super::convert::{CONNECTIONS, LIMIT, POOL_SIZE, TIMEOUT, Unit, WAIT, convert};
use super::numbers::milliseconds;
use super::source::Item;
use super::{Carrier, ImportError};

const KNOWN: [(&str, &str, Unit); 10] = [
    ("pool_mode", "pool_mode", Unit::Mode),
    ("pool_size", "pool_max", POOL_SIZE),
    ("reserve_pool_size", "pool_reserve", CONNECTIONS),
    ("query_wait_timeout", "acquire_timeout_ms", WAIT),
    ("query_timeout", "query_timeout_ms", TIMEOUT),
    ("transaction_timeout", "transaction_timeout_ms", TIMEOUT),
    ("idle_transaction_timeout", "idle_in_transaction_timeout_ms", TIMEOUT),
    ("client_idle_timeout", "client_idle_timeout_ms", TIMEOUT),
    ("max_user_connections", "connections_max", LIMIT),
    ("max_user_client_connections", "clients_max", LIMIT),
];

pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let source = carrier.source;
    source.users.iter().try_for_each(|user| carry_one(carrier, user))
}

fn carry_one(carrier: &mut Carrier<'_>, user: &Item) -> Result<(), ImportError> {
    let mut lines = Vec::new();
    // A reserve that is never opened is none.
    let reserve = milliseconds(&carrier.setting("reserve_pool_timeout"))?;
    for (theirs, ours, unit) in KNOWN {
        if reserve == 0 && ours == "pool_reserve" {
            continue;
        }
        let Some(given) = user.get("users", theirs) else { continue };
        if let Some(value) = convert(carrier, &given, unit)? {
            lines.push((ours, value, theirs));
        }
    }
    for name in user.names().filter(|name| !KNOWN.iter().any(|(known, ..)| known == name)) {
        let Some(given) = user.get("users", name) else { continue };
        carrier.leave(&given, "users have no such setting", "correct it if it is mistyped");
    }
    if lines.is_empty() {
        return Ok(());
    }
    let table = carrier.document.push("users");
    table.set("name", user.name.as_str(), "");
    lines.into_iter().for_each(|(key, value, from)| table.set(key, value, from));
    Ok(())
}
