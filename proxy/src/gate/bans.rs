//! Who may not come in for a time: networks that an operator named, and clients whose logins failed too often.

use std::time::Duration;

use crate::gate::bounded::{Bounded, Entry};
use crate::gate::network::Network;
use crate::gate::refusal::Refusal;
use crate::gate::visitor::Visitor;

/// Networks that operators may ban; each newcomer is compared with all of them.
pub(super) const NAMED_LEN_MAX: usize = 1_000;

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Banned {
    /// Where from.
    pub network: Network,
    /// As whom; none is as anybody.
    pub user: Option<String>,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Why.
    pub reason: String,
    /// When it began, in milliseconds of the gate's time.
    pub since_ms: u64,
    /// When it ends; none is when it is taken back.
    pub until_ms: Option<u64>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Bans {
    named: Vec<(Network, Ban)>,
    earned: Bounded<Banned, Ban>,
}

/// There are as many bans by operators as there may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {NAMED_LEN_MAX} bans already")]
pub struct TooManyBans;

impl Ban {
    fn left(&self, now_ms: u64) -> Option<Duration> {
        self.until_ms.map(|until_ms| Duration::from_millis(until_ms.saturating_sub(now_ms)))
    }

    fn refusal(&self, now_ms: u64) -> Refusal {
        Refusal::Banned { left: self.left(now_ms), reason: self.reason.clone() }
    }
}

impl Entry for Ban {
    fn used_at_ms(&self) -> u64 {
        self.since_ms
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| until_ms <= now_ms)
    }
}

impl Bans {
    /// None yet, and of those that clients earn so many at most.
    pub(super) fn new(earned_len_max: usize) -> Self {
        Self { named: Vec::new(), earned: Bounded::new(earned_len_max) }
    }

    /// Changes how many bans clients may earn.
    pub(super) fn set_len_max(&mut self, len_max: usize) {
        self.earned.set_len_max(len_max);
    }

    /// Whether the visitor may try.
    ///
    /// # Errors
    /// [`Refusal::Banned`].
    pub(super) fn judge(&self, visitor: &Visitor, now_ms: u64) -> Result<(), Refusal> {
        let (Some(address), Some(network)) = (visitor.address, visitor.network()) else {
            return Ok(());
        };
        let named = self.named.iter().filter(|(network, _)| network.contains(address));
        let earned = || {
            let user = Some(visitor.user.clone());
            self.earned.get(&Banned { network, user })
        };
        let mut named = named.map(|(_, ban)| ban).filter(|ban| !ban.is_over(now_ms));
        let found = named.next().or_else(|| earned().filter(|ban| !ban.is_over(now_ms)));
        found.map_or(Ok(()), |ban| Err(ban.refusal(now_ms)))
    }

    /// Bans a network, in place of the ban that there may be.
    ///
    /// # Errors
    /// [`TooManyBans`].
    pub(super) fn name(&mut self, network: Network, ban: Ban) -> Result<(), TooManyBans> {
        let now_ms = ban.since_ms;
        self.named.retain(|(known, ban)| *known != network && !ban.is_over(now_ms));
        if self.named.len() >= NAMED_LEN_MAX {
            return Err(TooManyBans);
        }
        self.named.push((network, ban));
        Ok(())
    }

    /// Bans a client that has earned it.
    pub(super) fn earn(&mut self, banned: Banned, ban: Ban) {
        let (now_ms, new) = (ban.since_ms, ban.clone());
        *self.earned.get_or_insert_with(banned, now_ms, || new) = ban;
    }

    /// Takes back what keeps clients of this network out. Gives how many bans that were.
    pub(super) fn take_back(&mut self, network: Network) -> usize {
        let before = self.named.len() + self.earned.len();
        self.named.retain(|(known, _)| *known != network);
        self.earned.retain(|banned, _| !network.encloses(&banned.network));
        before - self.named.len() - self.earned.len()
    }

    /// Those that are in force, the newest first.
    pub(super) fn list(&self, now_ms: u64) -> Vec<(Banned, Ban)> {
        let named = self
            .named
            .iter()
            .map(|(network, ban)| (Banned { network: *network, user: None }, ban.clone()));
        let earned = self.earned.iter().map(|(banned, ban)| (banned.clone(), ban.clone()));
        let mut all: Vec<_> = named.chain(earned).filter(|(_, ban)| !ban.is_over(now_ms)).collect();
        all.sort_by_key(|(_, ban)| std::cmp::Reverse(ban.since_ms));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(address: &str, user: &str) -> Visitor {
        Visitor { address: address.parse().ok(), user: user.to_owned(), ..Visitor::default() }
    }

    fn ban(since_ms: u64, until_ms: Option<u64>) -> Ban {
        Ban { reason: "test".to_owned(), since_ms, until_ms }
    }

    #[test]
    fn bans_end_and_are_taken_back() {
        let mut bans = Bans::new(100);
        let network: Network = "203.0.113.0/24".parse().unwrap();
        bans.name(network, ban(0, None)).unwrap();
        bans.name(network, ban(5, Some(1_000))).unwrap();
        let (inside, outside) = (visitor("203.0.113.9", "a"), visitor("203.0.114.9", "a"));
        let left = Some(Duration::from_millis(400));
        let refusal = Refusal::Banned { left, reason: "test".to_owned() };
        assert_eq!(bans.judge(&inside, 600), Err(refusal));
        assert_eq!(bans.judge(&outside, 600), Ok(()));
        assert_eq!(bans.judge(&visitor("", "a"), 600), Ok(()), "the unix socket");
        assert_eq!(bans.judge(&inside, 1_000), Ok(()));

        let one =
            Banned { network: Network::of_client([203, 0, 113, 9].into()), user: Some("a".into()) };
        bans.earn(one, ban(2_000, Some(9_000)));
        assert!(bans.judge(&inside, 3_000).is_err());
        assert_eq!(bans.judge(&visitor("203.0.113.9", "b"), 3_000), Ok(()), "another user");
        assert_eq!(bans.list(3_000).len(), 1);
        assert_eq!(bans.take_back(network), 2, "the one that is over, too");
        assert_eq!(bans.judge(&inside, 3_000), Ok(()));
        assert_eq!(bans.take_back(network), 0);
    }

    #[test]
    fn operators_may_name_so_many() {
        let mut bans = Bans::new(1);
        for n in 0..NAMED_LEN_MAX as u32 {
            bans.name(Network::of_client(std::net::Ipv4Addr::from(n).into()), ban(0, None))
                .unwrap();
        }
        let one_more = "203.0.113.0/24".parse().unwrap();
        assert_eq!(bans.name(one_more, ban(0, None)), Err(TooManyBans));
    }
}
