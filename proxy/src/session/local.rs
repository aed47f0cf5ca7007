//! Requests of an idle client that need no server: preparing what is known to be valid, and forgetting.
//!
//! A client that only prepares must not wait while all server connections are busy: pgbench, for one, prepares while
//! its other connections hold them, and would wait for itself. Must not know servers.

use crate::backend::statement::Interner;
use crate::pool::counters::Count;
use crate::router::command::deallocated;
use crate::router::names::name_uses;
use crate::session::client::Client;
use crate::session::downstream::{CLOSE_COMPLETE, DEALLOCATE_COMPLETE, PARSE_COMPLETE};
use crate::session::request::drop_message;
use crate::session::statements::Named;
use crate::wire::frontend::{Parse, Subject, read_subject};
use crate::wire::greeting::ready_for_query;
use crate::wire::header::{HEADER_LEN, Header};
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// The sequence that a change belongs to which is settled at once: any number does.
const SETTLED: u32 = 0;

/// What one message changes.
enum Change {
    Parse(Box<[u8]>, Named),
    Close(Box<[u8]>),
    CloseNothing,
    Deallocate(Box<[u8]>),
}

/// Replies to the sequence at the front of the client's buffer, when it is whole and needs no server. The messages are
/// then consumed and their effect on the client's statements has happened.
pub fn answer(client: &mut Client, interner: &Interner) -> Option<Vec<u8>> {
    let (changes, len) = read(client, interner)?;
    let mut reply = Vec::new();
    for change in changes {
        reply.extend_from_slice(apply(client, change));
    }
    drop_message(client, len);
    reply.extend(ready_for_query(TransactionStatus::Idle));
    Some(reply)
}

/// The changes of a sequence up to its Sync, or of one DEALLOCATE, and how long it is.
fn read(client: &Client, interner: &Interner) -> Option<(Vec<Change>, usize)> {
    let bytes = client.buffer.as_ref()?.filled();
    let (mut changes, mut len) = (Vec::new(), 0);
    loop {
        let header = Header::read(&bytes[len..])?;
        let message = bytes[len..].get(..header.message_len())?;
        len += message.len();
        changes.push(match header.frontend().ok()? {
            FrontendTag::Sync if !changes.is_empty() => return Some((changes, len)),
            // A second statement may depend on the first: its name taken, or closed. A server sorts that out.
            FrontendTag::Parse if changes.is_empty() => read_parse(client, interner, message)?,
            FrontendTag::Close if !matches!(changes.first(), Some(Change::Parse(..))) => {
                read_close(client, message)?
            }
            FrontendTag::Query if changes.is_empty() => {
                return Some((vec![read_deallocate(client, message)?], len));
            }
            _ => return None,
        });
    }
}

fn read_parse(client: &Client, interner: &Interner, message: &[u8]) -> Option<Change> {
    let parse = Parse::read(message).ok()?;
    let is_free = !parse.name.is_empty()
        && client.statements.get(parse.name).is_none()
        && client.statements.is_below(&interner.limits, parse.body);
    let statement = interner.proven(parse.body, client.search_path()).filter(|_| is_free)?;
    let holds = client.holds_of(parse.query());
    let named = Named::new(statement, holds, name_uses(parse.query()));
    Some(Change::Parse(parse.name.into(), named))
}

fn read_close(client: &Client, message: &[u8]) -> Option<Change> {
    let (subject, name) = read_subject(message).ok()?;
    let is_known = subject == Subject::Statement && client.statements.get(name).is_some();
    Some(match is_known {
        true => Change::Close(name.into()),
        // A portal does not outlive its transaction, and closing what does not exist is no error.
        false if name.is_empty() => return None,
        false => Change::CloseNothing,
    })
}

fn read_deallocate(client: &Client, message: &[u8]) -> Option<Change> {
    let sql = message[HEADER_LEN..].strip_suffix(b"\0")?;
    let name = deallocated(sql).filter(|name| client.statements.get(name).is_some())?;
    Some(Change::Deallocate(name.into()))
}

fn apply(client: &mut Client, change: Change) -> &'static [u8] {
    let statements = &mut client.statements;
    match change {
        Change::Parse(name, named) => {
            statements.parse(&name, named, SETTLED);
            statements.settle();
            client.counters.add(Count::ClientParses, 1);
            &PARSE_COMPLETE
        }
        Change::Close(name) => {
            if statements.close(&name, SETTLED) {
                statements.settle();
            }
            &CLOSE_COMPLETE
        }
        Change::CloseNothing => &CLOSE_COMPLETE,
        Change::Deallocate(name) => {
            // As any simple query does (tcop/postgres.c, `exec_simple_query`).
            statements.drop_unnamed();
            if statements.close(&name, SETTLED) {
                statements.settle();
            }
            DEALLOCATE_COMPLETE
        }
    }
}
