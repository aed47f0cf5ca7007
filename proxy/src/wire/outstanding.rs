//! What a server still owes: one entry for each request sent and not yet answered.
//!
//! This queue alone decides whether a server connection may change hands (I1), which replies are swallowed because the
//! proxy sent the request (I3), and where a reply that the proxy makes itself belongs in the order. Knows no sockets.
//!
//! Source: PostgreSQL documentation, "Message Flow" (protocol-flow.html), and `tcop/postgres.c` for what is ignored when.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::wire::tag::BackendTag;

/// Names one statement within a worker for as long as the process lives.
pub type StatementId = NonZeroU64;

/// A request and therefore the reply it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// ParseComplete, for this statement of the cache or for an unnamed one.
    Parse(Option<StatementId>),
    /// BindComplete.
    Bind,
    /// RowDescription or NoData.
    Describe,
    /// CloseComplete, for a statement of the cache when the proxy itself evicts it.
    Close(Option<StatementId>),
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// ReadyForQuery.
    Sync,
    /// ReadyForQuery, after any number of results.
    Query,
    /// ReadyForQuery, after FunctionCallResponse.
    FunctionCall,
    /// Nothing: CopyDone or CopyFail was sent before the server said that it wants data.
    CopyEnd,
    /// Nothing from the server: the proxy answers when the turn comes.
    Local(LocalReply),
}

/// A reply that the proxy makes in the server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalReply {
    /// ParseComplete for a statement that the server has already.
    ParseComplete,
    /// CloseComplete for a statement that only the client forgets.
    CloseComplete,
    /// CommandComplete and ReadyForQuery for a DEALLOCATE of a statement that only the client forgets.
    Deallocated,
    /// None: it marks where, among the replies, something becomes of the client's statements.
    Nothing,
}

/// Whether the client gets to see a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The client asked: it gets the reply.
    Forward,
    /// The proxy asked: the reply ends here.
    Swallow,
}

/// One entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// What was asked.
    pub expect: Expect,
    /// Who gets the reply.
    pub disposition: Disposition,
}

impl Owed {
    /// A request of the client.
    pub fn forward(expect: Expect) -> Self {
        Self { expect, disposition: Disposition::Forward }
    }

    /// A request of the proxy.
    pub fn swallow(expect: Expect) -> Self {
        Self { expect, disposition: Disposition::Swallow }
    }
}

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who gets it.
    pub disposition: Disposition,
    /// The request that it completes, if it is the last reply to one.
    pub completed: Option<Expect>,
}

impl Answer {
    const FORWARD: Self = Self { disposition: Disposition::Forward, completed: None };

    fn completing(owed: Owed) -> Self {
        Self { disposition: owed.disposition, completed: Some(owed.expect) }
    }
}

/// Whether the server reads COPY data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CopyIn {
    #[default]
    No,
    /// Until CopyDone or CopyFail, Sync and Flush are ignored by the server.
    Reading,
}

/// What becomes of requests sent now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pipeline {
    #[default]
    Running,
    /// An error came with no Sync behind it: the server ignores everything up to the next Sync.
    SkippingToSync,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Outstanding {
    queue: VecDeque<Owed>,
    /// Those in the queue that a ReadyForQuery ends.
    ready_len: usize,
    copy_in: CopyIn,
    pipeline: Pipeline,
    sequence: Sequence,
    sequence_number: u32,
}

/// Whether the server is inside a sequence of the extended protocol. Its transaction is open, with its portals and
/// whatever was run in it, until a Sync or a Query comes, although all replies to it may have been given (after a Flush).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    Ended,
    Open,
}

impl Outstanding {
    /// Records a request just before its first byte is written. Returns false when the server will ignore it,
    /// so that it must not be counted on (a statement in such a Parse does not come to be).
    pub fn push(&mut self, owed: Owed) -> bool {
        match owed.expect {
            Expect::Sync if self.copy_in == CopyIn::Reading => return false,
            Expect::Sync => self.pipeline = Pipeline::Running,
            _ if self.pipeline == Pipeline::SkippingToSync => return false,
            _ => {}
        }
        self.sequence = match owed.expect {
            Expect::Local(_) => self.sequence,
            expect if expect.ends_with_ready() => Sequence::Ended,
            _ => Sequence::Open,
        };
        let ends = u32::from(owed.expect.ends_with_ready());
        self.sequence_number = self.sequence_number.wrapping_add(ends);
        self.ready_len += ends as usize;
        self.queue.push_back(owed);
        true
    }

    /// Tells what is sent up to one ReadyForQuery from what is sent before and after it: an error makes void what follows
    /// it there, and nothing else.
    pub fn sequence_number(&self) -> u32 {
        self.sequence_number
    }

    /// The number of the sequence that is being answered.
    pub fn answered_number(&self) -> u32 {
        self.sequence_number.wrapping_sub(self.ready_len as u32)
    }

    /// True when a Sync has to come before anything else can.
    pub fn is_in_sequence(&self) -> bool {
        self.sequence == Sequence::Open
    }

    /// Records a CopyDone or CopyFail. Before the server asked for data, where it stands in the pipeline matters.
    pub fn push_copy_end(&mut self) {
        if self.copy_in == CopyIn::Reading {
            self.copy_in = CopyIn::No;
        } else if !self.queue.is_empty() && self.pipeline == Pipeline::Running {
            self.queue.push_back(Owed::forward(Expect::CopyEnd));
        }
    }

    /// Takes note of a reply and says who gets it. Entries that an error makes void are handed to `on_void`.
    pub fn reply(&mut self, tag: BackendTag, on_void: &mut dyn FnMut(Owed)) -> Answer {
        match tag {
            BackendTag::Other | BackendTag::ParameterStatus | BackendTag::ParameterDescription => {
                Answer::FORWARD
            }
            BackendTag::ReadyForQuery => self.ready(on_void),
            BackendTag::ErrorResponse => self.fail(on_void),
            BackendTag::CopyInResponse | BackendTag::CopyBothResponse => self.begin_copy_in(),
            _ => self.complete(tag),
        }
    }

    /// The reply that the proxy owes now, taken from the head of the queue.
    pub fn next_local(&mut self) -> Option<LocalReply> {
        loop {
            match self.queue.front()?.expect {
                Expect::Local(reply) => {
                    self.queue.pop_front();
                    return Some(reply);
                }
                Expect::CopyEnd => self.queue.pop_front(),
                _ => return None,
            };
        }
    }

    /// True when [`Self::next_local`] has something to do.
    pub fn is_local_due(&self) -> bool {
        let head = self.queue.front();
        head.is_some_and(|owed| matches!(owed.expect, Expect::Local(_) | Expect::CopyEnd))
    }

    /// True when the server owes nothing, will not ignore what comes next and reads no COPY data.
    pub fn is_settled(&self) -> bool {
        let is_running = self.pipeline == Pipeline::Running && self.copy_in == CopyIn::No;
        self.queue.is_empty() && is_running && !self.is_in_sequence()
    }

    /// How many replies are still to come.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when no reply is still to come.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when a reply of any kind is still to come.
    pub fn is_owed(&self) -> bool {
        !self.queue.is_empty()
    }

    /// True when the server ignores everything up to the next Sync.
    pub fn is_skipping(&self) -> bool {
        self.pipeline == Pipeline::SkippingToSync
    }

    /// True while the server reads COPY data.
    pub fn is_copying_in(&self) -> bool {
        self.copy_in == CopyIn::Reading
    }

    /// True when a ReadyForQuery is on its way: a Sync, Query or FunctionCall is unanswered.
    pub fn is_ready_owed(&self) -> bool {
        self.ready_len > 0
    }

    /// True when what is answered next was asked by the proxy itself.
    pub fn is_swallowing(&self) -> bool {
        self.queue.front().is_some_and(|owed| owed.disposition == Disposition::Swallow)
    }

    /// True when only the proxy's own replies stand before what is asked next.
    pub fn is_next(&self) -> bool {
        let is_local = |owed: &Owed| matches!(owed.expect, Expect::Local(_));
        !self.is_in_sequence() && self.queue.iter().all(is_local)
    }

    fn ready(&mut self, on_void: &mut dyn FnMut(Owed)) -> Answer {
        self.copy_in = CopyIn::No;
        self.pipeline = Pipeline::Running;
        while let Some(owed) = self.queue.pop_front() {
            if owed.expect.ends_with_ready() {
                self.ready_len -= 1;
                return Answer::completing(owed);
            }
            on_void(owed);
        }
        Answer::FORWARD
    }

    /// In a simple query ReadyForQuery follows by itself. In an extended one the server throws away everything
    /// up to the next Sync, simple queries and function calls included (`ignore_till_sync`). The error is for who sent
    /// the Sync: what the proxy asks for by itself may fail.
    fn fail(&mut self, on_void: &mut dyn FnMut(Owed)) -> Answer {
        self.copy_in = CopyIn::No;
        let Some(head) = self.queue.front() else { return Answer::FORWARD };
        if head.expect.ends_with_ready() {
            return Answer { disposition: head.disposition, completed: None };
        }
        while let Some(owed) = self.queue.front() {
            if owed.expect == Expect::Sync {
                return Answer { disposition: owed.disposition, completed: None };
            }
            self.ready_len -= usize::from(owed.expect.ends_with_ready());
            on_void(*owed);
            self.queue.pop_front();
        }
        self.pipeline = Pipeline::SkippingToSync;
        Answer::FORWARD
    }

    /// The server now reads data and ignores Sync until the data ends. Syncs that a client had already sent blindly
    /// are therefore never answered; those behind a CopyDone sent as blindly are.
    fn begin_copy_in(&mut self) -> Answer {
        let end = self.queue.iter().position(|owed| owed.expect == Expect::CopyEnd);
        let blind = end.unwrap_or(self.queue.len());
        let mut index = 0;
        self.queue.retain(|owed| {
            index += 1;
            index > blind || owed.expect != Expect::Sync
        });
        self.ready_len = self.queue.iter().filter(|owed| owed.expect.ends_with_ready()).count();
        self.copy_in = if end.is_some() { CopyIn::No } else { CopyIn::Reading };
        Answer::FORWARD
    }

    fn complete(&mut self, tag: BackendTag) -> Answer {
        match self.queue.front() {
            Some(&owed) if owed.expect.is_answered_by(tag) => {
                self.queue.pop_front();
                Answer::completing(owed)
            }
            _ => Answer::FORWARD,
        }
    }
}

impl Expect {
    fn ends_with_ready(self) -> bool {
        matches!(self, Self::Sync | Self::Query | Self::FunctionCall)
    }

    fn is_answered_by(self, tag: BackendTag) -> bool {
        use BackendTag::{
            BindComplete, CloseComplete, CommandComplete, EmptyQueryResponse, NoData,
            ParseComplete, PortalSuspended, RowDescription,
        };
        match self {
            Self::Parse(_) => tag == ParseComplete,
            Self::Bind => tag == BindComplete,
            Self::Describe => matches!(tag, RowDescription | NoData),
            Self::Close(_) => tag == CloseComplete,
            Self::Execute => matches!(tag, CommandComplete | EmptyQueryResponse | PortalSuspended),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackendTag as B;
    use Disposition::{Forward, Swallow};

    fn sent(requests: &[Expect]) -> Outstanding {
        let mut outstanding = Outstanding::default();
        for &expect in requests {
            outstanding.push(Owed::forward(expect));
        }
        outstanding
    }

    fn reply(outstanding: &mut Outstanding, tags: &[BackendTag]) -> Vec<Expect> {
        let mut void = Vec::new();
        for &tag in tags {
            outstanding.reply(tag, &mut |owed| void.push(owed.expect));
        }
        void
    }

    const EXTENDED: [Expect; 4] =
        [Expect::Parse(None), Expect::Bind, Expect::Execute, Expect::Sync];

    #[test]
    fn i1_nothing_is_owed_only_after_the_last_ready_for_query() {
        let mut outstanding = sent(&EXTENDED);
        for tag in [B::ParseComplete, B::BindComplete, B::Other, B::CommandComplete] {
            reply(&mut outstanding, &[tag]);
            assert!(!outstanding.is_settled());
        }
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn an_error_voids_the_rest_up_to_the_sync() {
        let mut outstanding = sent(&EXTENDED);
        outstanding.push(Owed::forward(Expect::Query));
        let void = reply(&mut outstanding, &[B::ParseComplete, B::ErrorResponse]);
        assert_eq!(void, [Expect::Bind, Expect::Execute]);
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_owed(), "the query behind the Sync is still owed");
        reply(&mut outstanding, &[B::CommandComplete, B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn i1_a_sequence_that_was_flushed_is_not_over_before_its_sync() {
        let mut outstanding = sent(&EXTENDED[..3]);
        reply(&mut outstanding, &[B::ParseComplete, B::BindComplete, B::PortalSuspended]);
        assert!(!outstanding.is_owed() && !outstanding.is_settled());
        outstanding.push(Owed::forward(Expect::Sync));
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn after_an_error_without_sync_everything_is_ignored_until_it_comes() {
        let mut outstanding = sent(&EXTENDED[..2]);
        reply(&mut outstanding, &[B::ErrorResponse]);
        assert!(!outstanding.is_settled());
        assert!(!outstanding.push(Owed::forward(Expect::Query)));
        assert!(outstanding.push(Owed::forward(Expect::Sync)));
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn i3_replies_to_injected_messages_are_swallowed() {
        let mut outstanding = Outstanding::default();
        outstanding.push(Owed::swallow(Expect::Parse(None)));
        outstanding.push(Owed::forward(Expect::Bind));
        assert_eq!(outstanding.reply(B::ParseComplete, &mut |_| ()).disposition, Swallow);
        assert_eq!(outstanding.reply(B::BindComplete, &mut |_| ()).disposition, Forward);
    }

    #[test]
    fn a_local_reply_waits_for_its_turn() {
        let mut outstanding =
            sent(&[Expect::Bind, Expect::Local(LocalReply::ParseComplete), Expect::Sync]);
        assert_eq!(outstanding.next_local(), None);
        reply(&mut outstanding, &[B::BindComplete]);
        assert_eq!(outstanding.next_local(), Some(LocalReply::ParseComplete));
        assert_eq!(outstanding.next_local(), None);
    }

    #[test]
    fn row_description_ends_a_describe_but_not_a_query() {
        let mut outstanding = sent(&[Expect::Describe, Expect::Query]);
        reply(&mut outstanding, &[B::RowDescription]);
        reply(&mut outstanding, &[B::RowDescription, B::CommandComplete]);
        assert!(outstanding.is_owed());
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn syncs_sent_before_the_server_asked_for_data_are_not_answered() {
        let mut outstanding = sent(&[Expect::Execute, Expect::Sync]);
        reply(&mut outstanding, &[B::CopyInResponse]);
        assert!(outstanding.is_copying_in());
        assert!(!outstanding.push(Owed::forward(Expect::Sync)));
        outstanding.push_copy_end();
        assert!(outstanding.push(Owed::forward(Expect::Sync)));
        reply(&mut outstanding, &[B::CommandComplete, B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn data_sent_blindly_ends_where_its_copy_done_stands() {
        let mut outstanding = sent(&[Expect::Execute, Expect::Sync]);
        outstanding.push_copy_end();
        outstanding.push(Owed::forward(Expect::Sync));
        reply(&mut outstanding, &[B::CopyInResponse]);
        assert!(!outstanding.is_copying_in());
        reply(&mut outstanding, &[B::CommandComplete]);
        assert_eq!(outstanding.next_local(), None);
        reply(&mut outstanding, &[B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }

    #[test]
    fn a_failed_copy_ends_with_the_error() {
        let mut outstanding = sent(&[Expect::Query]);
        reply(&mut outstanding, &[B::CopyInResponse, B::ErrorResponse, B::ReadyForQuery]);
        assert!(outstanding.is_settled());
    }
}
