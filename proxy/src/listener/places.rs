//! The places that clients take: so many in total, for one user and from one address, over all workers.
//!
//! Touched at login and at the end of a session. Must not know sessions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{ClientFacing, Severity, SqlState};
use crate::listener::presence::Visit;

/// How many clients there may be of one kind; none is as many as there may be at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Logged in as one user.
    pub user: Option<usize>,
    /// From one address.
    pub address: Option<usize>,
    /// Of one database, by the name that clients use.
    pub database: Option<usize>,
    /// Logged in as single users, in place of `user`.
    pub users: HashMap<String, Option<usize>>,
    /// Of single databases, in place of `database`.
    pub databases: HashMap<String, Option<usize>>,
}

impl ClientLimits {
    fn max_of(&self, kind: &Kind) -> Option<usize> {
        match kind {
            Kind::User(name) => self.users.get(name).copied().unwrap_or(self.user),
            Kind::Database(name) => self.databases.get(name).copied().unwrap_or(self.database),
            Kind::Address(_) => self.address,
        }
    }
}

/// One of the places; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    total: Arc<AtomicUsize>,
    spots: Option<Box<Spots>>,
    visit: Option<Visit>,
}

/// How many clients there are of each kind that is limited.
#[derive(Debug)]
pub(super) struct Crowd {
    limits: Mutex<ClientLimits>,
    counts: Mutex<HashMap<Kind, usize>>,
}

/// What clients have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The user they are logged in as.
    User(String),
    /// The database that they have named.
    Database(String),
    /// Where they come from.
    Address(IpAddr),
}

/// Those among the clients of a kind. Most have none: few kinds are limited.
#[derive(Debug, Default)]
struct Spots(Vec<Spot>);

/// A place among the clients of one kind.
#[derive(Debug)]
struct Spot {
    kind: Kind,
    crowd: Arc<Crowd>,
}

/// There are as many clients as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    /// Of all kinds.
    Clients,
    /// Of this one.
    Of(Kind),
}

impl Place {
    /// One of `max` places.
    pub(super) fn take(total: &Arc<AtomicUsize>, max: usize) -> Result<Self, TooMany> {
        let place = Self { total: Arc::clone(total), spots: None, visit: None };
        let taken = total.fetch_add(1, Ordering::Relaxed);
        if taken < max { Ok(place) } else { Err(TooMany::Clients) }
    }

    /// Keeps the visit for as long as the place.
    pub(super) fn with(mut self, visit: Visit) -> Self {
        self.visit = Some(visit);
        self
    }

    /// Takes a place among the clients of one kind in addition, if that kind is limited.
    pub(super) fn join(&mut self, crowd: &Arc<Crowd>, kind: Kind) -> Result<(), TooMany> {
        let Some(max) = crowd.max_of(&kind) else { return Ok(()) };
        let mut counts = crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind.clone()).or_default();
        if *count >= max {
            return Err(TooMany::Of(kind));
        }
        *count += 1;
        drop(counts);
        self.spots.get_or_insert_default().0.push(Spot { kind, crowd: Arc::clone(crowd) });
        Ok(())
    }
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(limits: ClientLimits) -> Arc<Self> {
        Arc::new(Self { limits: Mutex::new(limits), counts: Mutex::default() })
    }

    /// Changes the limits for newcomers. Clients are counted from the moment on that their kind is limited.
    pub(super) fn set_limits(&self, limits: ClientLimits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn max_of(&self, kind: &Kind) -> Option<usize> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).max_of(kind)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.total.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.kind) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.kind);
            }
        }
    }
}

impl ClientFacing for TooMany {
    fn sqlstate(&self) -> SqlState {
        SqlState::TOO_MANY_CONNECTIONS
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        match self {
            Self::Clients => "sorry, too many clients already".into(),
            Self::Of(Kind::User(user)) => format!("too many connections for role \"{user}\""),
            Self::Of(Kind::Database(name)) => {
                format!("too many connections for database \"{name}\"")
            }
            Self::Of(Kind::Address(_)) => "too many connections from your address".into(),
        }
    }

    fn hint(&self) -> Option<String> {
        let setting = match self {
            Self::Clients => "listen.client_max",
            Self::Of(Kind::User(_)) => "limits.user_clients_max",
            Self::Of(Kind::Database(_)) => "limits.database_clients_max",
            Self::Of(Kind::Address(_)) => "limits.address_clients_max",
        };
        Some(format!("Try again later, or raise {setting}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_kind_and_free_again_when_dropped() {
        let total = Arc::default();
        let crowd = Crowd::new(ClientLimits { user: Some(1), ..Default::default() });
        let user = |name: &str| Kind::User(name.into());
        let mut first = Place::take(&total, 3).unwrap();
        first.join(&crowd, user("a")).unwrap();
        let mut second = Place::take(&total, 3).unwrap();
        assert_eq!(second.join(&crowd, user("a")), Err(TooMany::Of(user("a"))));
        second.join(&crowd, user("b")).unwrap();
        second.join(&crowd, Kind::Address([127, 0, 0, 1].into())).unwrap();
        drop(first);
        let mut third = Place::take(&total, 2).unwrap();
        third.join(&crowd, user("a")).unwrap();
        assert_eq!(Place::take(&total, 2).unwrap_err(), TooMany::Clients);
        drop((second, third));
        let databases = [("busy".to_owned(), Some(1)), ("free".to_owned(), None)].into();
        let database = |name: &str| Kind::Database(name.into());
        crowd.set_limits(ClientLimits { database: Some(1), databases, ..Default::default() });
        let mut fourth = Place::take(&total, 3).unwrap();
        for name in ["busy", "free", "free", "other"] {
            fourth.join(&crowd, database(name)).unwrap();
        }
        for name in ["busy", "other"] {
            let refused = fourth.join(&crowd, database(name));
            assert_eq!(refused, Err(TooMany::Of(database(name))));
        }
        drop(fourth);
        assert_eq!(total.load(Ordering::Relaxed), 0);
        assert!(crowd.counts.lock().unwrap().is_empty());
    }
}
