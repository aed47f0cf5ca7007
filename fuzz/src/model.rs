//! A PostgreSQL backend in memory: statements, portals, transactions and COPY of the extended protocol as `tcop/postgres.c`
//! has them, for a handful of statements that it knows by heart.

use std::collections::BTreeMap;

/// One backend.
#[derive(Debug, Default)]
pub struct Model {
    unread: Vec<u8>,
    statements: BTreeMap<Vec<u8>, Vec<u8>>,
    portals: BTreeMap<Vec<u8>, Vec<u8>>,
    transaction: Transaction,
    /// What the last ReadyForQuery said of it.
    told: Transaction,
    /// An error came in a sequence of the extended protocol.
    skipping: bool,
    copying: Option<Protocol>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Transaction {
    #[default]
    None,
    Open,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Simple,
    Extended,
}

type Outcome = Result<(), &'static str>;

/// What two servers must agree on in a message: its type, and what it says as far as that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gist {
    tag: char,
    text: String,
}

/// The gist of one message.
pub fn gist_of(tag: u8, body: &[u8]) -> Gist {
    let text = match tag {
        b'E' => body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C")),
        _ => Some(body),
    };
    let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    Gist { tag: char::from(tag), text }
}

/// The whole messages in `bytes`, type and body.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, rest) = bytes.split_first()?;
        let (len, _) = rest.split_first_chunk()?;
        let (message, next) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        bytes = next;
        Some((*tag, &message[4..]))
    })
}

/// A message.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32 + 4).to_be_bytes();
    [&[tag], &len[..], body].concat()
}

impl Model {
    /// True when there is a statement of this name.
    pub fn has(&self, name: &[u8]) -> bool {
        self.statements.contains_key(name)
    }

    /// True while it reads COPY data.
    pub fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    /// True when its transaction can only be rolled back.
    pub fn has_failed_transaction(&self) -> bool {
        self.transaction == Transaction::Failed
    }

    /// True when a sequence has ended a failed transaction, and no ReadyForQuery has said so yet.
    pub fn has_recovered_untold(&self) -> bool {
        self.told == Transaction::Failed && self.transaction != Transaction::Failed
    }

    /// True when it ignores what comes before the next Sync.
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Takes bytes in and appends its answers to `out`.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let mut len = 0;
        for (tag, body) in messages(&unread) {
            len += 5 + body.len();
            self.take(tag, body, out);
        }
        self.unread = unread[len..].to_vec();
    }

    fn take(&mut self, tag: u8, body: &[u8], out: &mut Vec<u8>) {
        if let Some(protocol) = self.copying {
            return self.take_data(tag, protocol, out);
        }
        if self.skipping && tag != b'S' {
            return;
        }
        let outcome = match tag {
            b'Q' | b'F' => return self.take_simple(tag, body, out),
            b'S' => return self.sync(out),
            b'P' => self.parse(body, out),
            b'B' => self.bind(body, out),
            b'D' => self.describe(body, out),
            b'E' => self.execute(body, out),
            b'C' => self.close(body, out),
            _ => Ok(()),
        };
        if let Err(sqlstate) = outcome {
            self.fail(sqlstate, out);
            self.skipping = true;
        }
    }

    fn take_data(&mut self, tag: u8, protocol: Protocol, out: &mut Vec<u8>) {
        match tag {
            b'c' => out.extend(message(b'C', b"COPY 1\0")),
            b'f' => {
                self.fail("57014", out);
                self.skipping = protocol == Protocol::Extended;
            }
            _ => return,
        }
        self.copying = None;
        if protocol == Protocol::Simple {
            self.ready(out);
        }
    }

    fn take_simple(&mut self, tag: u8, body: &[u8], out: &mut Vec<u8>) {
        let outcome = match (tag, self.transaction) {
            (b'F', Transaction::Failed) => Err("25P02"),
            (b'F', _) => {
                out.extend(message(b'V', b"\xff\xff\xff\xff"));
                Ok(())
            }
            _ => {
                self.statements.remove(&b""[..]);
                self.portals.remove(&b""[..]);
                let text = text_of(body);
                self.check(text).and_then(|()| self.run(text, Protocol::Simple, out))
            }
        };
        if let Err(sqlstate) = outcome {
            self.fail(sqlstate, out);
        }
        if self.copying.is_none() {
            self.ready(out);
        }
    }

    fn sync(&mut self, out: &mut Vec<u8>) {
        self.skipping = false;
        self.ready(out);
    }

    fn parse(&mut self, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let (name, rest) = word(body);
        if name.is_empty() {
            self.statements.remove(name);
        }
        let (text, _) = word(rest);
        self.check(text)?;
        if self.has(name) {
            return Err("42P05");
        }
        self.statements.insert(name.to_vec(), text.to_vec());
        out.extend(message(b'1', b""));
        Ok(())
    }

    fn bind(&mut self, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let (portal, rest) = word(body);
        let (name, _) = word(rest);
        let text = self.statements.get(name).ok_or("26000")?.clone();
        if self.transaction == Transaction::Failed && !ends_transaction(&text) {
            return Err("25P02");
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err("42P03");
        }
        self.portals.insert(portal.to_vec(), text);
        out.extend(message(b'2', b""));
        Ok(())
    }

    fn describe(&mut self, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let (kind, rest) = body.split_at(1);
        let (name, _) = word(rest);
        let is_statement = kind == b"S";
        let (known, missing) = match is_statement {
            true => (&self.statements, "26000"),
            false => (&self.portals, "34000"),
        };
        let gives_rows = known.get(name).ok_or(missing)?.starts_with(b"select");
        if self.transaction == Transaction::Failed && gives_rows {
            return Err("25P02");
        }
        if is_statement {
            out.extend(message(b't', &[0, 0]));
        }
        out.extend(message(
            if gives_rows { b'T' } else { b'n' },
            if gives_rows { &[0, 0] } else { b"" },
        ));
        Ok(())
    }

    fn execute(&mut self, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let (portal, _) = word(body);
        let text = self.portals.get(portal).ok_or("34000")?.clone();
        if self.transaction == Transaction::Failed && !ends_transaction(&text) {
            return Err("25P02");
        }
        self.run(&text, Protocol::Extended, out)
    }

    fn close(&mut self, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let (kind, rest) = body.split_at(1);
        let (name, _) = word(rest);
        match kind {
            b"S" => drop(self.statements.remove(name)),
            _ => drop(self.portals.remove(name)),
        }
        out.extend(message(b'3', b""));
        Ok(())
    }

    /// What is wrong with a text before it is run.
    fn check(&self, text: &[u8]) -> Outcome {
        match self.transaction {
            _ if text == b"no such syntax" => Err("42601"),
            Transaction::Failed if !ends_transaction(text) && !text.is_empty() => Err("25P02"),
            _ => Ok(()),
        }
    }

    fn run(&mut self, text: &[u8], protocol: Protocol, out: &mut Vec<u8>) -> Outcome {
        let tag: &[u8] = match text {
            b"" => {
                out.extend(message(b'I', b""));
                return Ok(());
            }
            b"fail" => return Err("22012"),
            b"copy t from stdin" => {
                out.extend(message(b'G', &[0, 0, 0]));
                self.copying = Some(protocol);
                return Ok(());
            }
            b"begin" => {
                self.transaction = Transaction::Open;
                b"BEGIN"
            }
            b"commit" | b"rollback" => {
                let failed = self.transaction == Transaction::Failed;
                self.transaction = Transaction::None;
                if text == b"commit" && !failed { b"COMMIT" } else { b"ROLLBACK" }
            }
            b"create table t ()" => b"CREATE TABLE",
            b"listen x" => b"LISTEN",
            b"deallocate a" => {
                self.statements.remove(&b"a"[..]).ok_or("26000")?;
                b"DEALLOCATE"
            }
            b"deallocate all" => {
                self.statements.clear();
                b"DEALLOCATE ALL"
            }
            b"discard all" if self.transaction != Transaction::None => return Err("25001"),
            b"discard all" => {
                self.statements.clear();
                self.portals.clear();
                b"DISCARD ALL"
            }
            _ => {
                out.extend(message(b'D', &[0, 1, 0, 0, 0, 1, text.get(7).copied().unwrap_or(0)]));
                b"SELECT 1"
            }
        };
        out.extend(message(b'C', &[tag, b"\0"].concat()));
        Ok(())
    }

    fn fail(&mut self, sqlstate: &str, out: &mut Vec<u8>) {
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
            self.portals.clear();
        }
        let body = format!("SERROR\0C{sqlstate}\0Mmade up\0\0");
        out.extend(message(b'E', body.as_bytes()));
    }

    /// The transaction of a sequence ends here, and its portals with it.
    fn ready(&mut self, out: &mut Vec<u8>) {
        self.told = self.transaction;
        let status = match self.transaction {
            Transaction::None => b"I",
            Transaction::Open => b"T",
            Transaction::Failed => b"E",
        };
        if self.transaction == Transaction::None {
            self.portals.clear();
        }
        out.extend(message(b'Z', status));
    }
}

fn ends_transaction(text: &[u8]) -> bool {
    matches!(text, b"commit" | b"rollback")
}

/// Up to the first zero byte, and what follows it.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text_of(body: &[u8]) -> &[u8] {
    word(body).0
}
