//! How many server connections all pools of all workers may have together, and who makes room for whom: plain data.
//!
//! Who wants one more than there is room for puts in a claim; claims are granted first come, first served, as far as room
//! allows. Knows neither threads nor sockets nor time.

use std::collections::{HashMap, VecDeque};

use crate::pool::shell::PoolKey;

/// Names one pool.
pub type MemberId = u64;

/// How many server connections there may be; none is any number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// To one server.
    pub server: Option<usize>,
    /// Of one user.
    pub user: Option<usize>,
    /// To one database, by the name that clients use.
    pub database: Option<usize>,
    /// Of single users, in place of `user`.
    pub users: HashMap<String, Option<usize>>,
    /// To single databases, in place of `database`.
    pub databases: HashMap<String, Option<usize>>,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// [`Limits::server`]
    Server,
    /// [`Limits::user`]
    User,
    /// [`Limits::database`]
    Database,
}

/// What the connection is that a pool might give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spare {
    /// Nobody of the pool wants it.
    Idle,
    /// A client of the pool waits for it.
    Wanted,
}

/// The pools and what they have.
#[derive(Debug)]
pub struct BudgetState {
    limits: Limits,
    members: HashMap<MemberId, Member>,
    used: HashMap<(Scope, String), usize>,
    claims: VecDeque<Claim>,
    next_member: MemberId,
}

#[derive(Debug)]
struct Member {
    names: [(Scope, String); 3],
    min: usize,
    held: usize,
    /// Granted and not yet taken up; part of `held`.
    granted: usize,
}

#[derive(Debug)]
struct Claim {
    member: MemberId,
    /// Somebody is giving up a connection for it.
    promised: bool,
}

impl Limits {
    /// The limit of what has this name.
    pub fn max(&self, scope: Scope, name: &str) -> Option<usize> {
        match scope {
            Scope::Server => self.server,
            Scope::User => self.users.get(name).copied().unwrap_or(self.user),
            Scope::Database => self.databases.get(name).copied().unwrap_or(self.database),
        }
    }
}

impl Scope {
    /// The setting behind it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Server => "limits.server_connections_max",
            Self::User => "limits.user_connections_max",
            Self::Database => "limits.database_connections_max",
        }
    }
}

impl BudgetState {
    /// Nobody has anything.
    pub fn new(limits: Limits) -> Self {
        let (members, used, claims) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { limits, members, used, claims, next_member: 0 }
    }

    /// Counts a pool in.
    pub fn join(&mut self, key: &PoolKey, server: &str, min: usize) -> MemberId {
        let names = [
            (Scope::Server, server.to_owned()),
            (Scope::User, key.user.clone()),
            (Scope::Database, key.database.clone()),
        ];
        self.next_member += 1;
        self.members.insert(self.next_member, Member { names, min, held: 0, granted: 0 });
        self.next_member
    }

    /// Changes the limits. Nobody loses a connection by that. Returns whose claims it grants.
    pub fn set_limits(&mut self, limits: Limits) -> Vec<MemberId> {
        self.limits = limits;
        self.grant()
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limit of this scope that holds for a pool; 0 for none.
    pub fn max(&self, id: MemberId, scope: Scope) -> usize {
        let names = self.members.get(&id).map(|member| &member.names);
        let name = names.and_then(|names| names.iter().find(|(of, _)| *of == scope));
        name.and_then(|(_, name)| self.limits.max(scope, name)).unwrap_or_default()
    }

    /// Counts a pool's connections at another server from now on, and gives it another minimum. Returns whose claims that
    /// grants.
    pub fn amend(&mut self, id: MemberId, server: &str, min: usize) -> Vec<MemberId> {
        let held = self.held(id);
        self.count(id, 0);
        if let Some(member) = self.members.get_mut(&id) {
            member.min = min;
            server.clone_into(&mut member.names[0].1);
        }
        self.count(id, held);
        self.grant()
    }

    /// Takes a pool out with all it has. Returns whose claims that grants.
    pub fn leave(&mut self, id: MemberId) -> Vec<MemberId> {
        self.withdraw(id);
        self.count(id, 0);
        self.members.remove(&id);
        self.grant()
    }

    /// One connection more, or the limit in the way.
    pub fn take(&mut self, id: MemberId) -> Result<(), Scope> {
        self.obstacle(id).map_or(Ok(()), Err)?;
        self.count(id, self.held(id) + 1);
        Ok(())
    }

    /// The same; without room a claim is put in, if there is none yet.
    pub fn claim(&mut self, id: MemberId) -> Result<(), Scope> {
        if let Some(scope) = self.short_of(id) {
            return Err(scope);
        }
        self.take(id).inspect_err(|_| self.claims.push_back(Claim { member: id, promised: false }))
    }

    /// Takes a claim back.
    pub fn withdraw(&mut self, id: MemberId) {
        self.claims.retain(|claim| claim.member != id);
    }

    /// The limit in the way of a pool that has put in a claim.
    pub fn short_of(&self, id: MemberId) -> Option<Scope> {
        let claimed = self.claims.iter().any(|claim| claim.member == id);
        claimed.then(|| self.obstacle(id).unwrap_or(Scope::Server))
    }

    /// Notes how many connections a pool has, granted ones that it has not taken up aside. Returns whose claims that grants.
    pub fn settle(&mut self, id: MemberId, total: usize) -> Vec<MemberId> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let held = total + member.granted;
        if held == member.held {
            return Vec::new();
        }
        self.count(id, held);
        self.grant()
    }

    /// The pool has heard of one grant, and counts it itself from now on.
    pub fn take_up(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.granted = member.granted.saturating_sub(1);
        }
    }

    /// Whether a pool is to close a connection for another one's claim; it then has to.
    ///
    /// Nobody goes below its minimum, but for a pool that has nothing. Above that, what is idle goes to whoever waits, and
    /// what is wanted goes to who has less, so that the shares become equal.
    pub fn yields(&mut self, id: MemberId, spare: Spare) -> bool {
        let Some(holder) = self.members.get(&id).filter(|holder| holder.held > 0) else {
            return false;
        };
        let gives_to = |claimant: &Member| {
            let above = holder.held > holder.min;
            let fair = match spare {
                Spare::Idle => true,
                Spare::Wanted => claimant.held < claimant.min || holder.held > claimant.held + 1,
            };
            claimant.held == 0 || (above && fair)
        };
        let helped = self.claims.iter().position(|claim| {
            let other = claim.member != id && !claim.promised;
            other && self.helps(holder, claim.member) && gives_to(&self.members[&claim.member])
        });
        helped.map(|index| self.claims[index].promised = true).is_some()
    }

    /// How many claims there are.
    pub fn claims_len(&self) -> usize {
        self.claims.len()
    }

    fn held(&self, id: MemberId) -> usize {
        self.members.get(&id).map_or(0, |member| member.held)
    }

    /// True when a connection less of `holder` is a connection less where the claimant has none to spare.
    fn helps(&self, holder: &Member, claimant: MemberId) -> bool {
        let full = |name: &&(Scope, String)| self.is_full(name);
        self.members[&claimant].names.iter().filter(full).any(|name| holder.names.contains(name))
    }

    fn obstacle(&self, id: MemberId) -> Option<Scope> {
        let names = &self.members.get(&id)?.names;
        names.iter().find(|name| self.is_full(name)).map(|(scope, _)| *scope)
    }

    fn is_full(&self, name: &(Scope, String)) -> bool {
        let used = self.used.get(name).copied().unwrap_or_default();
        self.limits.max(name.0, &name.1).is_some_and(|limit| used >= limit)
    }

    fn count(&mut self, id: MemberId, held: usize) {
        let Some(member) = self.members.get_mut(&id) else { return };
        for name in &member.names {
            let used = self.used.entry(name.clone()).or_default();
            *used = (*used + held).saturating_sub(member.held);
            if *used == 0 {
                self.used.remove(name);
            }
        }
        member.held = held;
    }

    /// Grants what there is room for. What was promised has come by now, or has gone to somebody earlier.
    fn grant(&mut self) -> Vec<MemberId> {
        let mut granted = Vec::new();
        for mut claim in std::mem::take(&mut self.claims) {
            if self.take(claim.member).is_ok() {
                self.members.get_mut(&claim.member).expect("it was just counted").granted += 1;
                granted.push(claim.member);
            } else {
                claim.promised = false;
                self.claims.push_back(claim);
            }
        }
        granted
    }
}

#[cfg(test)]
mod tests;
