//! Which unnamed statement a server connection has: one of any client's, or none that is known.
//!
//! Must not know the statements' texts.

use std::collections::VecDeque;

use crate::backend::server::Server;
use crate::backend::statement::UnnamedId;
use crate::wire::outstanding::LocalReply;

/// What the server has, and what it was sent. Each change that is sent is reported back once, in the same order.
#[derive(Debug, Default)]
pub struct Unnamed {
    has: Option<UnnamedId>,
    /// Statements, and simple queries, which drop it: None.
    sent: VecDeque<Option<UnnamedId>>,
}

impl Unnamed {
    /// The statement that a Bind meets which is sent now, unless an error makes void what was sent before it.
    pub fn expected(&self) -> Option<UnnamedId> {
        self.sent.back().copied().unwrap_or(self.has)
    }

    /// Another one is on its way, or what drops it.
    pub fn send(&mut self, id: Option<UnnamedId>) {
        self.sent.push_back(id);
    }

    /// The oldest change on its way has happened.
    pub fn settle(&mut self) {
        if let Some(id) = self.sent.pop_front() {
            self.has = id;
        }
    }

    /// The oldest change on its way was refused. The server drops its unnamed statement before it finds the new one wanting
    /// (tcop/postgres.c, `exec_parse_message`).
    pub fn refuse(&mut self) {
        self.sent.pop_front();
        self.has = None;
    }

    /// The oldest change on its way was ignored.
    pub fn revert(&mut self) {
        self.sent.pop_front();
    }

    /// A simple query that nothing can make void has dropped it.
    pub fn clear(&mut self) {
        self.has = None;
    }
}

impl Server {
    /// The reply that the proxy owes now, whoever is there to get it.
    pub fn next_local(&mut self) -> Option<LocalReply> {
        let reply = self.outstanding.next_local();
        if reply == Some(LocalReply::Nothing) {
            self.unnamed.settle();
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_change_leaves_what_was_there() {
        let mut unnamed = Unnamed::default();
        unnamed.send(Some(1));
        assert_eq!(unnamed.expected(), Some(1));
        unnamed.settle();
        unnamed.send(Some(2));
        unnamed.send(None);
        assert_eq!(unnamed.expected(), None);
        unnamed.revert();
        unnamed.revert();
        assert_eq!(unnamed.expected(), Some(1));
    }

    #[test]
    fn a_refused_one_leaves_none_and_what_follows_it_counts() {
        let mut unnamed = Unnamed::default();
        unnamed.send(Some(1));
        unnamed.settle();
        unnamed.send(Some(2));
        unnamed.send(Some(3));
        unnamed.refuse();
        assert_eq!(unnamed.expected(), Some(3), "it belongs to another sequence");
        unnamed.revert();
        assert_eq!(unnamed.expected(), None);
    }
}
