//! A program of the hunt: what one client says from its login to its end, made from a seed.

use harness::message;

use super::random::Random;
use super::vocabulary::{SUBJECTS, Subject};

/// How many steps a program has at least and below how many it stays.
const STEPS: std::ops::Range<usize> = 4..20;

/// The names of statements prepared by protocol, of which a program uses few, so that they clash.
const NAMES: [&str; 2] = ["one", "two"];

/// Startup parameters, of which each program has one set.
const STARTUPS: [&[(&str, &str)]; 6] = [
    &[],
    &[],
    &[("application_name", "hunter"), ("TimeZone", "Asia/Tokyo")],
    &[("DateStyle", "German")],
    &[("options", "-c work_mem=3MB -c search_path=first")],
    &[("search_path", "second")],
];

/// What is asked after every step. It names no function that leaves anything behind.
const WATCH: &str = "select current_user, session_user, array(select name || '=' || setting \
     from pg_settings where name in ('work_mem', 'TimeZone', 'DateStyle', 'IntervalStyle', \
     'search_path', 'statement_timeout', 'application_name', 'transaction_isolation', \
     'transaction_read_only', 'default_transaction_isolation') order by name), \
     nullif(current_setting('hunt.word', true), '') as word, \
     array(select relname::text from pg_class where relnamespace = pg_my_temp_schema() order by 1) \
     as temp, array(select classid || '/' || objid || ' ' || mode from pg_locks \
     where locktype = 'advisory' and pid = pg_backend_pid() order by 1) as locks, \
     array(select channel from pg_listening_channels() channel order by 1) as listening, \
     array(select name || is_holdable from pg_cursors order by 1) as cursors, \
     array(select name from pg_prepared_statements where from_sql order by 1) as prepared";

/// One turn: messages sent at once, and what they say, for a reader.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The statements and how they are sent.
    pub(super) label: String,
    /// The messages.
    pub(super) bytes: Vec<u8>,
    /// How many ReadyForQuery answer them.
    pub(super) ready_count: usize,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With Terminate.
    Goodbye,
    /// Without a word.
    Vanish,
}

/// The question for a session's state.
pub(super) fn watch() -> Step {
    Step { label: "(state)".to_owned(), bytes: message::query(WATCH), ready_count: 1 }
}

/// How a program asks for the state of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Simple,
    Unnamed,
    Named,
}

/// A whole program.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Its number in the hunt.
    pub(super) number: u64,
    /// Parameters of its startup message.
    pub(super) startup: &'static [(&'static str, &'static str)],
    /// What it does.
    pub(super) steps: Vec<Step>,
    /// How it ends.
    pub(super) ending: Ending,
    watch: Watch,
}

impl Program {
    /// The program of this number for the client `slot`.
    pub(super) fn new(seed: u64, number: u64, slot: usize) -> Self {
        let mut random = Random::new(seed, number);
        let startup = *random.pick(&STARTUPS);
        let mut writer = Writer { subjects: subjects(&mut random), slot, number, random };
        let random = &mut writer.random;
        let count = STEPS.start + random.below(STEPS.len());
        let ending = if random.percent(20) { Ending::Vanish } else { Ending::Goodbye };
        let watch = *random.pick(&[Watch::Simple, Watch::Unnamed, Watch::Named]);
        let steps = (0..count).map(|_| writer.step()).collect();
        Self { number, startup, steps, ending, watch }
    }

    /// The question for the session's state; the first one prepares it, where it is a named statement.
    pub(super) fn watch(&self, is_first: bool) -> Step {
        let run = |name: &str| {
            let describe = message::describe(b'S', name);
            [describe, message::bind(name, &[]), message::execute("", 0), message::sync()].concat()
        };
        let parse = |name: &str| [message::parse(name, WATCH), run(name)].concat();
        let bytes = match self.watch {
            Watch::Simple => return watch(),
            Watch::Unnamed => parse(""),
            Watch::Named if is_first => parse("watch"),
            Watch::Named => run("watch"),
        };
        Step { label: "(state)".to_owned(), bytes, ready_count: 1 }
    }
}

/// A few subjects: a program about everything would seldom get anywhere with one of them.
fn subjects(random: &mut Random) -> Vec<Subject> {
    let mut chosen: Vec<Subject> = SUBJECTS.into_iter().filter(|_| random.percent(30)).collect();
    chosen.push(*random.pick(&SUBJECTS));
    // A statement whose result changes its type by the client's own doing fails in PostgreSQL and
    // not where another server connection prepares it anew.
    if chosen.contains(&Subject::Place) {
        chosen.retain(|subject| *subject != Subject::SearchPath);
    }
    chosen
}

/// Puts steps together.
struct Writer {
    subjects: Vec<Subject>,
    slot: usize,
    number: u64,
    random: Random,
}

impl Writer {
    fn step(&mut self) -> Step {
        match self.random.below(100) {
            0..40 => self.simple(1),
            40..50 => self.simple(3),
            50..65 => self.unnamed(),
            65..82 => self.named(),
            82..90 => self.pipeline(),
            90..95 => self.simple_pipeline(),
            _ => self.copy(),
        }
    }

    fn statement(&mut self) -> String {
        let subject = *self.random.pick(&self.subjects);
        let sql = subject.statement(&mut self.random, self.slot, self.number);
        if self.subjects.contains(&Subject::TwoPhase) && asks_the_process(&sql) {
            return "select 'left out'".to_owned();
        }
        sql
    }

    /// One Query of up to `count` statements.
    fn simple(&mut self, count: usize) -> Step {
        let count = 1 + self.random.below(count);
        let sql = (0..count).map(|_| self.statement()).collect::<Vec<_>>().join("; ");
        let bytes = message::query(&sql);
        Step { label: sql, bytes, ready_count: 1 }
    }

    fn unnamed(&mut self) -> Step {
        let sql = self.statement();
        let bytes = [extended("", &sql), message::sync()].concat();
        Step { label: format!("unnamed: {sql}"), bytes, ready_count: 1 }
    }

    /// Prepares, runs, describes or forgets a named statement.
    fn named(&mut self) -> Step {
        let name = *self.random.pick(&NAMES);
        let run = || [message::bind(name, &[]), message::execute("", 0)].concat();
        let (label, bytes) = match self.random.below(8) {
            0 | 1 => {
                let sql = self.statement();
                (format!("parse {name}: {sql}"), message::parse(name, &sql))
            }
            2 | 3 => {
                let sql = self.statement();
                (format!("parse and run {name}: {sql}"), extended(name, &sql))
            }
            4 => (format!("describe {name}"), message::describe(b'S', name)),
            5 => (format!("close {name}"), message::close(b'S', name)),
            _ => (format!("run {name}"), run()),
        };
        Step { label, bytes: [bytes, message::sync()].concat(), ready_count: 1 }
    }

    /// Several statements before one Sync, or with a Sync each, all sent at once. What makes all names void
    /// is left out: the proxy learns of it from the reply, and has prepared the next statement by then.
    fn pipeline(&mut self) -> Step {
        let (count, is_synced) = (2 + self.random.below(3), self.random.percent(50));
        let (mut labels, mut bytes) = (Vec::new(), Vec::new());
        let forgets = |sql: &String| sql.starts_with("discard all") || sql == "deallocate all";
        let statements: Vec<String> = (0..count).map(|_| self.statement()).collect();
        for (index, sql) in statements.into_iter().enumerate() {
            let sql = if forgets(&sql) { "select 'kept'".to_owned() } else { sql };
            let name = if self.random.percent(30) { *self.random.pick(&NAMES) } else { "" };
            bytes.extend(extended(name, &sql));
            if is_synced || index + 1 == count {
                bytes.extend(message::sync());
            }
            labels.push(format!("{name}: {sql}"));
        }
        let ready_count = if is_synced { count } else { 1 };
        Step { label: format!("pipeline ({ready_count} Sync) {labels:?}"), bytes, ready_count }
    }

    /// Several Query messages sent at once.
    fn simple_pipeline(&mut self) -> Step {
        let texts = [self.statement(), self.statement(), self.statement()];
        let bytes = texts.iter().flat_map(|sql| message::query(sql)).collect();
        Step { label: format!("queries at once {texts:?}"), bytes, ready_count: texts.len() }
    }

    /// COPY with its data sent blindly, which fails in some states and with some data.
    fn copy(&mut self) -> Step {
        let number = self.number;
        let sql = format!("copy own{} from stdin", self.slot);
        let (what, data) = match self.random.below(3) {
            0 => ("data", format!("{number}\tcopied\n")),
            1 => ("nonsense", "x\ty\n".to_owned()),
            _ => ("nothing", String::new()),
        };
        let data = message::copy_data(data.as_bytes());
        let bytes = [message::query(&sql), data, message::copy_done()].concat();
        Step { label: format!("{sql} ({what})"), bytes, ready_count: 1 }
    }
}

/// Statements that mean something else in a prepared transaction where the server process has ever listened, for anybody
/// (`Async_UnlistenAll` in commands/async.c), or has ever had temporary tables (`RemoveTempRelations` in catalog/namespace.c
/// locks their schema).
fn asks_the_process(sql: &str) -> bool {
    sql.starts_with("unlisten") || sql == "discard temp"
}

/// Parse, Describe of the portal, Bind and Execute.
fn extended(name: &str, sql: &str) -> Vec<u8> {
    let describe = message::describe(b'P', "");
    [message::parse(name, sql), message::bind(name, &[]), describe, message::execute("", 0)]
        .concat()
}
