//! The console's half of the extended query protocol: prepared statements and portals of one connection.
//!
//! Must not know how statements are done, nor the socket.

use std::collections::HashMap;

use crate::admin::console::ConsoleError;
use crate::admin::reply::{self, Format, Formats};
use crate::admin::show;
use crate::admin::statement::Statement;
use crate::wire::frontend::{Parse, Subject, read_subject};
use crate::wire::header::{FrameError, HEADER_LEN};
use crate::wire::tag::FrontendTag;

/// Named statements and portals of one connection at most.
pub(super) const NAMES_MAX: usize = 100;

/// Statements and portals by their names, and whether messages are skipped up to a Sync.
#[derive(Debug, Default)]
pub(super) struct Extended {
    statements: HashMap<String, Statement>,
    portals: HashMap<String, (Statement, Formats)>,
    pub(super) skipping: Skipping,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Skipping {
    #[default]
    No,
    UntilSync,
}

/// One message without its header.
pub(super) struct Message {
    pub(super) tag: FrontendTag,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..]
    }
}

impl Extended {
    /// What a portal runs, and the formats of its rows.
    pub(super) fn portal(&self, name: String) -> Result<&(Statement, Formats), ConsoleError> {
        self.portals.get(&name).ok_or(ConsoleError::NoPortal(name))
    }

    /// Ends a sequence: what was skipped after an error is over, and so are its portals.
    pub(super) fn sync(&mut self) {
        self.skipping = Skipping::No;
        self.portals.clear();
    }

    pub(super) fn parse(
        &mut self,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), ConsoleError>, FrameError> {
        let read = Parse::read(&message.bytes)?;
        let name = text(read.name);
        Ok(self.keep(name, read.query()).map(|()| out.extend_from_slice(reply::PARSE_COMPLETE)))
    }

    fn keep(&mut self, name: String, query: &[u8]) -> Result<(), ConsoleError> {
        let statement = parse(query)?;
        if self.statements.len() >= NAMES_MAX {
            return Err(ConsoleError::TooManyNames);
        }
        self.statements.insert(name, statement);
        Ok(())
    }

    /// Documentation, "Bind": portal, statement, formats of parameters, parameters, formats of results.
    pub(super) fn bind(
        &mut self,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), ConsoleError>, FrameError> {
        let malformed = FrameError::Body(b'B');
        let mut parts = message.body().splitn(3, |byte| *byte == 0);
        let portal = text(parts.next().ok_or(malformed)?);
        let name = text(parts.next().ok_or(malformed)?);
        let rest = parts.next().ok_or(malformed)?;
        let (_, rest) = read_formats(rest).ok_or(malformed)?;
        let (parameters, rest) = rest.split_first_chunk::<2>().ok_or(malformed)?;
        if u16::from_be_bytes(*parameters) != 0 {
            return Ok(Err(ConsoleError::Parameters));
        }
        let (formats, _) = read_formats(rest).ok_or(malformed)?;
        Ok(self.open(portal, name, formats).map(|()| out.extend_from_slice(reply::BIND_COMPLETE)))
    }

    fn open(&mut self, portal: String, name: String, formats: Formats) -> Result<(), ConsoleError> {
        let statement = self.statements.get(&name);
        let statement = statement.ok_or(ConsoleError::NoStatement(name))?.clone();
        if self.portals.len() >= NAMES_MAX {
            return Err(ConsoleError::TooManyNames);
        }
        self.portals.insert(portal, (statement, formats));
        Ok(())
    }

    pub(super) fn describe(
        &self,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), ConsoleError>, FrameError> {
        let (subject, name) = read_subject(&message.bytes)?;
        let name = text(name);
        let found = match subject {
            Subject::Statement => {
                let found = self.statements.get(&name);
                found
                    .map(|statement| (statement, Formats::default()))
                    .ok_or(ConsoleError::NoStatement(name))
            }
            Subject::Portal => {
                let found = self.portals.get(&name);
                let found = found.map(|(statement, formats)| (statement, formats.clone()));
                found.ok_or(ConsoleError::NoPortal(name))
            }
        };
        Ok(found.map(|(statement, formats)| {
            if subject == Subject::Statement {
                out.extend_from_slice(reply::NO_PARAMETERS);
            }
            match statement {
                Statement::Show(what) => {
                    reply::row_description(out, &show::columns(*what), &formats);
                }
                _ => out.extend_from_slice(reply::NO_DATA),
            }
        }))
    }

    pub(super) fn close(
        &mut self,
        message: &Message,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), ConsoleError>, FrameError> {
        let (subject, name) = read_subject(&message.bytes)?;
        let name = text(name);
        match subject {
            Subject::Statement => drop(self.statements.remove(&name)),
            Subject::Portal => drop(self.portals.remove(&name)),
        }
        out.extend_from_slice(reply::CLOSE_COMPLETE);
        Ok(Ok(()))
    }
}

fn parse(query: &[u8]) -> Result<Statement, ConsoleError> {
    Statement::parse(&text(query)).ok_or(ConsoleError::Syntax)
}

pub(super) fn cstring(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A count and as many format codes.
fn read_formats(bytes: &[u8]) -> Option<(Formats, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<2>()?;
    let (codes, rest) = rest.split_at_checked(2 * usize::from(u16::from_be_bytes(*count)))?;
    let binary = |code: &[u8]| if code == [0, 1] { Format::Binary } else { Format::Text };
    Some((Formats(codes.chunks(2).map(binary).collect()), rest))
}
