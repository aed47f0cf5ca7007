//! Statements that a client prepared by protocol, given to its server connection under the client's own names: for SQL that
//! uses those names (EXECUTE, PREPARE, DEALLOCATE, `pg_prepared_statements`).
//!
//! The connection is cleaned by `DISCARD ALL` before the next client, as long as such a name is on it (I6).

use std::rc::Rc;

use crate::backend::settings::SEARCH_PATH;
use crate::backend::statement::Statement;
use crate::router::holds::Holds;
use crate::router::names::{NameUse, drops_all, name_uses};
use crate::session::client::{Dropped, Dropping};
use crate::session::upstream::Upstream;
use crate::wire::buffer::Buffer;
use crate::wire::frontend::{SYNC, write_parse, write_subject};
use crate::wire::outstanding::{Expect, Owed};
use crate::wire::tag::TransactionStatus;

/// How what is injected here ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By a Sync of its own, so that an error in it is not the client's.
    Sync,
    /// With the client's sequence: an error in it is the client's error, as it would be in PostgreSQL.
    Client,
}

impl Upstream<'_> {
    /// What a text does with names of statements, when there are any that it could mean.
    pub(super) fn name_uses(&self, sql: &[u8]) -> Vec<NameUse> {
        let is_none = self.client.statements.is_empty() && self.server.prepared.is_empty();
        if is_none && !drops_all(sql) { Vec::new() } else { name_uses(sql) }
    }

    /// Gives the server what a text uses that is sent next.
    pub(super) fn give(&mut self, buffer: &mut Buffer, uses: &[NameUse]) {
        if uses.contains(&NameUse::DropAll) {
            self.note_dropped(Dropped::All);
        }
        let failed = self.server.status() == TransactionStatus::Failed;
        if failed || self.server.outstanding.is_skipping() {
            return;
        }
        let is_answered = self.server.outstanding.is_settled();
        let ending = if is_answered { Ending::Sync } else { Ending::Client };
        for name_use in uses {
            match name_use {
                NameUse::Look(name) => self.give_named(buffer, name, ending),
                NameUse::Drop(name) => {
                    self.give_named(buffer, name, ending);
                    self.note_dropped(Dropped::Name(name.clone()));
                }
                NameUse::List => self.give_all(buffer, ending),
                NameUse::DropAll => {}
            }
        }
    }

    fn note_dropped(&mut self, what: Dropped) {
        let sequence_number = self.server.outstanding.sequence_number();
        self.client.in_flight().dropping.push_back(Dropping { sequence_number, what });
    }

    fn give_named(&mut self, buffer: &mut Buffer, name: &[u8], ending: Ending) {
        let Some(named) = self.client.statements.get(name) else { return };
        let statement = Rc::clone(&named.statement);
        self.give_one(buffer, name, &statement, ending);
    }

    /// The client's statements in place of the shared ones. Inside a transaction block an error would not be the client's,
    /// so only those are given that the server is known to accept.
    fn give_all(&mut self, buffer: &mut Buffer, ending: Ending) {
        while let Some(shared) = self.server.prepared.begin_closing() {
            self.server.outstanding.push(Owed::swallow(Expect::Close(Some(shared.id))));
            write_subject(self.server.up.insert(buffer), b'C', &shared.name);
        }
        let is_alone = ending == Ending::Sync && self.server.status() == TransactionStatus::Idle;
        for (name, statement) in self.client.statements.all() {
            if is_alone || self.is_accepted(&statement) {
                self.give_one(buffer, &name, &statement, ending);
            }
        }
        if ending == Ending::Sync {
            self.sync(buffer);
        }
    }

    /// True when a server has accepted the statement, and this one looks its names up in the same way.
    fn is_accepted(&self, statement: &Rc<Statement>) -> bool {
        let path = self.server.settings.get(SEARCH_PATH).unwrap_or_default();
        let proven = self.interner.proven(&statement.body, path);
        proven.is_some_and(|proven| Rc::ptr_eq(&proven, statement)) && !self.holds(Holds::ROLE)
    }

    /// Whatever had the name before gives way: an earlier text of the client's.
    fn give_one(&mut self, buffer: &mut Buffer, name: &[u8], given: &Statement, ending: Ending) {
        self.close_own(buffer, name);
        self.give_new(buffer, name, &given.body);
        if ending == Ending::Sync {
            self.sync(buffer);
        }
    }

    /// Prepares the text under this name, unless the name is taken.
    pub(super) fn give_new(&mut self, buffer: &mut Buffer, name: &[u8], body: &[u8]) {
        self.server.outstanding.push(Owed::swallow(Expect::Parse(None)));
        write_parse(self.server.up.insert(buffer), name, body);
        self.server.prepared.give_own();
    }

    /// Takes a name back that the client gives up.
    pub(super) fn take_back(&mut self, buffer: &mut Buffer, name: &[u8]) {
        if self.server.prepared.has_own() {
            self.close_own(buffer, name);
        }
    }

    fn close_own(&mut self, buffer: &mut Buffer, name: &[u8]) {
        self.server.outstanding.push(Owed::swallow(Expect::Close(None)));
        write_subject(self.server.up.insert(buffer), b'C', name);
    }

    /// A Sync of the proxy's own.
    pub(super) fn sync(&mut self, buffer: &mut Buffer) {
        self.server.outstanding.push(Owed::swallow(Expect::Sync));
        self.server.up.insert(buffer).extend_from_slice(&SYNC);
    }

    /// What the statement of this name does with names of statements.
    pub(super) fn bound_uses(&self, name: &[u8]) -> Option<Rc<[NameUse]>> {
        let statements = &self.client.statements;
        if !name.is_empty() {
            return statements.get(name)?.uses.clone();
        }
        let uses = self.name_uses(statements.unnamed()?.query());
        (!uses.is_empty()).then(|| uses.into())
    }

    /// True when SQL has given names to statements on this server connection: one of them may be taken.
    pub(super) fn holds_names(&self) -> bool {
        self.holds(Holds::PREPARE)
    }

    /// True when this is what keeps the server connection for the client, or among it.
    fn holds(&self, reason: Holds) -> bool {
        let reported = self.server.reasons();
        self.client.holds.includes(reason)
            || !reported.is_empty() && Holds::named(reported).includes(reason)
    }
}
