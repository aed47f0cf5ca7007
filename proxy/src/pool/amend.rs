//! Changing how pools are while their clients go on: new settings hold from the next step on, and connections that do not
//! fit any more are replaced as they become free.
//!
//! Must not know where the settings come from.

use std::rc::Rc;

use crate::backend::secret::Secret;
use crate::pool::Pool;
use crate::pool::registry::{Blueprint, Registry};
use crate::pool::shell::Terms;

impl Registry {
    /// Makes pools as this blueprint says from now on, and changes those that there are. The budget stays what it is:
    /// whoever shares it between the workers changes its limits.
    pub fn amend(&self, blueprint: Blueprint) {
        let blueprint = Rc::new(blueprint);
        let old = self.blueprint.replace(Rc::clone(&blueprint));
        let pools: Vec<_> = self.pools.borrow().values().map(Rc::clone).collect();
        for pool in pools {
            let (had, has) = (old.password(&pool.key), blueprint.password(&pool.key));
            let changed = has.filter(|password| had != Some(*password)).cloned();
            pool.amend(blueprint.terms(&pool.key), changed.map(Secret::Password));
        }
    }
}

impl Pool {
    /// Goes on like this. Transactions that are under way end where they are.
    fn amend(self: &Rc<Self>, terms: Terms, secret: Option<Secret>) {
        let config = &terms.config;
        let old = self.terms();
        let outdated = secret.is_some() || !old.connects_as(&terms);
        if let Some(ticket) = &self.ticket {
            ticket.amend(&terms.target.to_string(), config.min);
        }
        self.state.borrow_mut().set_sizes(config.max, config.reserve, config.queue_len_max);
        self.interner.borrow_mut().limits = config.statements;
        *self.terms.borrow_mut() = Rc::new(terms);
        if let Some(secret) = secret {
            self.renew_secret(secret);
        }
        if outdated {
            self.move_on();
        }
        self.trim();
        self.open_for_waiters();
    }

    /// Replaces all connections, and forgets what the server said.
    fn move_on(self: &Rc<Self>) {
        self.era.set(self.era.get() + 1);
        self.greetings.take();
        self.outage.borrow_mut().forget();
        self.reconnect();
    }

    /// Closes idle connections above the maximum, least recently used first.
    fn trim(&self) {
        let max = self.terms().config.max;
        let reaped = {
            let mut state = self.state.borrow_mut();
            let surplus = state.total().saturating_sub(max);
            state.reap(surplus, |_| true)
        };
        reaped.into_iter().for_each(|mut server| server.say_goodbye());
        self.account();
    }
}

impl Terms {
    /// True when connections made by these terms serve as well as those made by `other`.
    fn connects_as(&self, other: &Self) -> bool {
        self.target.is_same_server(&other.target)
            && self.database_on_server == other.database_on_server
            && self.config.statements == other.config.statements
            && self.config.max_lifetime == other.config.max_lifetime
    }
}
