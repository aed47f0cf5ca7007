//! The client's half of a session: its socket, its settings, its statements, and what holds its server connection.
//!
//! Must not know server connections.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use crate::backend::settings::{SEARCH_PATH, Settings};
use crate::error::ClientFacing;
use crate::gate::Toll;
use crate::net::flow::Flow;
use crate::net::stream::ClientStream;
use crate::pool::counters::{Count, Counters};
use crate::pool::greeting::Greeting;
use crate::router::holds::Holds;
use crate::session::replay::Replay;
use crate::session::resetting::Resetting;
use crate::session::statements::Statements;
use crate::wire::buffer::Buffer;
use crate::wire::error_response::error_response;
use crate::wire::tag::TransactionStatus;

/// How long a last word to a client may take that does not read.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// One client past its login.
#[derive(Debug)]
pub struct Client {
    /// The socket.
    pub stream: ClientStream,
    /// Bytes read and not yet passed on.
    pub buffer: Option<Buffer>,
    /// Bytes on their way to it.
    pub down: Flow,
    /// The settings that follow it from server to server.
    pub settings: Rc<Settings>,
    /// The parameters it was told at login: those that servers report by themselves.
    pub reported: Rc<Vec<(String, String)>>,
    /// The settings it started with, to which `DISCARD ALL` returns.
    pub startup_settings: Rc<Settings>,
    /// Its prepared statements.
    pub statements: Statements,
    /// Why it keeps its server connection between transactions.
    pub holds: Holds,
    /// A RESET on its way, or one that was run and whose effect the server connection still has to be given.
    pub reset: Resetting,
    /// What is known of requests on their way, until no reply is owed any more. Most have nothing to be known.
    pub in_flight: Option<Box<InFlight>>,
    /// What is sent again should a statement's shape have changed.
    pub replay: Replay,
    /// What the proxy does with requests that it did not pass to a server.
    pub refusal: Refusal,
    /// Bytes of a message that are still to be dropped unread.
    pub discarding: usize,
    /// Where its work is counted.
    pub counters: Rc<Counters>,
    /// What its statements are paid with.
    pub toll: Toll,
}

/// What is known of requests on their way.
#[derive(Debug, Default)]
pub struct InFlight {
    /// What certain names in errors of the server mean.
    pub words: VecDeque<Word>,
    /// What statements give up that the server is to run.
    pub dropping: VecDeque<Dropping>,
}

impl InFlight {
    /// Forgets what concerns sequences that were answered: `answered_number` is that of the first that was not.
    pub fn forget_answered(&mut self, answered_number: u32) {
        let is_over = |number: u32| answered_number.wrapping_sub(number) as i32 > 0;
        while self.words.pop_front_if(|word| is_over(word.sequence_number)).is_some() {}
        while self.dropping.pop_front_if(|drop| is_over(drop.sequence_number)).is_some() {}
    }
}

/// A statement that gives names up and that the server is to run.
#[derive(Debug)]
pub struct Dropping {
    /// The number of the sequence that it belongs to.
    pub sequence_number: u32,
    /// What it gives up.
    pub what: Dropped,
}

/// What a statement gives up.
#[derive(Debug, PartialEq, Eq)]
pub enum Dropped {
    /// This name.
    Name(Box<[u8]>),
    /// All names, and the proxy knows only from the reply that it was run.
    All,
}

/// One name on servers that an error may contain.
#[derive(Debug)]
pub struct Word {
    /// The number of the sequence that the error can end.
    pub sequence_number: u32,
    /// The name on servers.
    pub on_server: Box<[u8]>,
    /// What to tell the client.
    pub meaning: Meaning,
}

/// What a name in an error means.
#[derive(Debug)]
pub enum Meaning {
    /// The statement that the client calls by this name.
    Name(Box<[u8]>),
    /// That the proxy refuses: the message for the client.
    Refused(Box<[u8]>),
}

/// Requests that the proxy refused itself are to be answered as a server would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was refused.
    #[default]
    None,
    /// An extended-query sequence was refused: what follows is ignored up to its Sync.
    UntilSync,
}

impl Client {
    /// A client that has just logged in and starts with these settings.
    pub fn new(stream: ClientStream, greeting: Greeting) -> Self {
        let Greeting { settings, parameters: reported } = greeting;
        Self {
            reported,
            stream,
            buffer: None,
            down: Flow::default(),
            startup_settings: Rc::clone(&settings),
            settings,
            statements: Statements::default(),
            holds: Holds::NONE,
            reset: Resetting::No,
            in_flight: None,
            replay: Replay::No,
            refusal: Refusal::None,
            discarding: 0,
            counters: Rc::default(),
            toll: Toll::default(),
        }
    }

    /// Where to note what is known of a request on its way.
    pub fn in_flight(&mut self) -> &mut InFlight {
        self.in_flight.get_or_insert_default()
    }

    /// True while a statement is on its way that drops all names.
    pub fn forgets(&self) -> bool {
        self.drops(|dropped| *dropped == Dropped::All)
    }

    /// True while a statement is on its way that drops this name.
    pub fn gives_up(&self, name: &[u8]) -> bool {
        self.drops(|dropped| matches!(dropped, Dropped::Name(dropped) if **dropped == *name))
    }

    fn drops(&self, is_it: impl Fn(&Dropped) -> bool) -> bool {
        let mut dropping = self.in_flight.iter().flat_map(|known| &known.dropping);
        dropping.any(|dropping| is_it(&dropping.what))
    }

    /// Counts a query that ended, and a transaction when it ended too.
    pub fn count_query(&self, status: TransactionStatus) {
        self.counters.add(Count::Queries, 1);
        if status == TransactionStatus::Idle {
            self.counters.add(Count::Transactions, 1);
        }
    }

    /// What the statements in `sql` leave behind in a session, apart from settings that its server reports.
    pub fn holds_of(&self, sql: &[u8]) -> Holds {
        let is_reported = |name: &[u8]| {
            self.reported.iter().any(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
        };
        Holds::of_sql(sql, &is_reported)
    }

    /// The search path that names in its statements are looked up by, as far as it is known.
    pub fn search_path(&self) -> &str {
        self.settings.get(SEARCH_PATH).unwrap_or_default()
    }

    /// Sends bytes of the proxy's own and waits until the socket has taken them.
    ///
    /// # Cancel safety
    /// Cancel safe: what was not sent stays queued.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.down.outbox.push(bytes);
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Sends what is queued.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.down.poll_write(&mut None, &mut self.stream, cx)
    }

    /// Tells the client why its connection ends, if it listens. One that is in the middle of sending is read from as long
    /// as it does: the kernel answers what is left unread with a reset, which may overtake the message.
    pub async fn farewell(&mut self, error: &dyn ClientFacing) {
        if self.down.is_inside_message() {
            return;
        }
        let told = async {
            self.send(&error_response(error)).await?;
            match self.buffer.is_some() || self.stream.has_unread() {
                true => self.stream.see_off(u64::MAX).await,
                false => Ok(()),
            }
        };
        let _ = timeout(FAREWELL_TIMEOUT, told).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_answered_sequences_is_forgotten() {
        let mut known = InFlight::default();
        // The numbers begin anew after the last one.
        for sequence_number in [u32::MAX - 1, u32::MAX, 0, 1] {
            known.dropping.push_back(Dropping { sequence_number, what: Dropped::All });
            let (on_server, meaning) = (Box::default(), Meaning::Name(Box::default()));
            known.words.push_back(Word { sequence_number, on_server, meaning });
        }
        for (answered_number, left) in [(u32::MAX - 1, 4), (0, 2), (1, 1), (2, 0)] {
            known.forget_answered(answered_number);
            assert_eq!((known.words.len(), known.dropping.len()), (left, left));
        }
    }
}
