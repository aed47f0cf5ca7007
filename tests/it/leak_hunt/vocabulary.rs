//! What a program may say: statements that change, use or end the state of a session, by subject.
//!
//! `{slot}` stands for the number of the client, `{program}` for that of the program, `{n}` for a
//! small number: what clients must not share with each other is named after them.

use super::random::Random;

/// A subject of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    TrackedSetting,
    UntrackedSetting,
    SearchPath,
    Role,
    Transaction,
    TwoPhase,
    Temp,
    Cursor,
    Prepare,
    Listen,
    Lock,
    Discard,
    Block,
    Failure,
    Data,
    Place,
}

/// All of them.
pub(super) const SUBJECTS: [Subject; 16] = [
    Subject::TrackedSetting,
    Subject::UntrackedSetting,
    Subject::SearchPath,
    Subject::Role,
    Subject::Transaction,
    Subject::TwoPhase,
    Subject::Temp,
    Subject::Cursor,
    Subject::Prepare,
    Subject::Listen,
    Subject::Lock,
    Subject::Discard,
    Subject::Block,
    Subject::Failure,
    Subject::Data,
    Subject::Place,
];

impl Subject {
    /// A statement on this subject, for this client and program.
    pub(super) fn statement(self, random: &mut Random, slot: usize, program: u64) -> String {
        let number = random.below(3).to_string();
        random
            .pick(self.statements())
            .replace("{slot}", &slot.to_string())
            .replace("{program}", &program.to_string())
            .replace("{n}", &number)
    }

    /// Statements that cannot be repeated by another server connection with the same effect are
    /// not prepared by protocol, see [`super::program`].
    fn statements(self) -> &'static [&'static str] {
        match self {
            Self::TrackedSetting => &TRACKED_SETTINGS,
            Self::UntrackedSetting => &UNTRACKED_SETTINGS,
            Self::SearchPath => &SEARCH_PATHS,
            Self::Role => &ROLES,
            Self::Transaction => &TRANSACTIONS,
            Self::TwoPhase => &TWO_PHASE,
            Self::Temp => &TEMP,
            Self::Cursor => &CURSORS,
            Self::Prepare => &PREPARES,
            Self::Listen => &LISTENS,
            Self::Lock => &LOCKS,
            Self::Discard => &DISCARDS,
            Self::Block => &BLOCKS,
            Self::Failure => &FAILURES,
            Self::Data => &DATA,
            Self::Place => &PLACES,
        }
    }
}

const TRACKED_SETTINGS: [&str; 17] = [
    "set timezone = 'Asia/Tokyo'",
    "set time zone 'America/Lima'",
    "set time zone interval '-08:00' hour to minute",
    "set session timezone to default",
    "set local timezone = 'Europe/Paris'",
    "set datestyle = 'German'",
    "set datestyle = 'SQL, MDY'",
    "set intervalstyle = 'iso_8601'",
    "set application_name = 'client {slot}'",
    "set local application_name = 'local {slot}'",
    "select set_config('application_name', 'by function', false)",
    "select set_config('TimeZone', 'Asia/Seoul', true)",
    "set default_transaction_read_only = off",
    "reset timezone",
    "reset application_name",
    "reset time zone",
    "select '2001-02-03 04:05:06+00'::timestamptz, interval '1 day 2 hours'",
];

const UNTRACKED_SETTINGS: [&str; 16] = [
    "set work_mem = '{n}77kB'",
    "set session work_mem to '5MB'",
    "set local work_mem = '6MB'",
    "set work_mem to default",
    "set statement_timeout = '5{n}min'",
    "set local statement_timeout = '7min'",
    "select set_config('work_mem', '8MB', false)",
    "select set_config('work_mem', '9MB', true)",
    "set hunt.word = 'of {slot}'",
    "set local hunt.word = 'locally of {slot}'",
    "set session characteristics as transaction isolation level repeatable read",
    "show work_mem",
    "update pg_settings set setting = '1234' where name = 'work_mem'",
    "reset work_mem",
    "reset statement_timeout",
    "reset all",
];

const SEARCH_PATHS: [&str; 6] = [
    "set search_path = first",
    "set search_path to second, public",
    "set local search_path = second",
    "set schema 'first'",
    "reset search_path",
    "select current_schemas(false)",
];

const ROLES: [&str; 9] = [
    "set role hunt_role",
    "set local role hunt_role",
    "set role none",
    "reset role",
    "set session authorization hunt_role",
    "set local session authorization hunt_role",
    "set session authorization default",
    "reset session authorization",
    "select set_config('role', 'hunt_role', false)",
];

const TRANSACTIONS: [&str; 16] = [
    "begin",
    "begin",
    "begin isolation level repeatable read",
    "begin read only",
    "start transaction",
    "set transaction isolation level repeatable read",
    "commit",
    "commit",
    "end",
    "rollback",
    "commit and chain",
    "rollback and chain",
    "savepoint a",
    "rollback to a",
    "release a",
    "abort",
];

const TWO_PHASE: [&str; 4] = [
    "prepare transaction 'hunt{program}_{n}'",
    "prepare transaction 'hunt{program}_{n}'",
    "commit prepared 'hunt{program}_{n}'",
    "rollback prepared 'hunt{program}_{n}'",
];

const TEMP: [&str; 15] = [
    "create temp table t{n} (x int)",
    "create temporary table if not exists t{n} (x int)",
    "create local temp table t{n} (x int) on commit drop",
    "create temp table t{n} on commit delete rows as select 1 as x",
    "create table pg_temp.t{n} (x int)",
    "select {n} as x into temp t{n}",
    "select {n} as x into temporary table t{n}",
    "create temp view v{n} as select 'temporary' as word",
    "create temp sequence s{n}",
    "create function pg_temp.f{n}() returns int language sql as 'select {n}'",
    "insert into t{n} values ({n})",
    "select count(*) from t{n}",
    "drop table t{n}",
    "drop table if exists t{n}",
    "discard temp",
];

const CURSORS: [&str; 12] = [
    "declare c{n} cursor for select * from generate_series(1, 5)",
    "declare c{n} scroll cursor for select * from generate_series(1, 5)",
    "declare c{n} cursor with hold for select * from generate_series(1, 5)",
    "declare c{n} binary scroll cursor with hold for select * from generate_series(1, 5)",
    "declare c{n} cursor without hold for select * from generate_series(1, 5)",
    "fetch c{n}",
    "fetch 2 from c{n}",
    "fetch backward 1 from c{n}",
    "move 1 in c{n}",
    "close c{n}",
    "close all",
    "commit",
];

const PREPARES: [&str; 7] = [
    "prepare q{n} as select {n}, 'of {slot}'",
    "prepare q{n} (int) as select $1 + {n}",
    "execute q{n}",
    "execute q{n} (1)",
    "deallocate q{n}",
    "deallocate prepare q{n}",
    "deallocate all",
];

const LISTENS: [&str; 8] = [
    "listen l{slot}_{n}",
    "listen \"L{slot}\"",
    "unlisten l{slot}_{n}",
    "unlisten *",
    "notify l{slot}_{n}",
    "notify l{slot}_{n}, 'with a payload'",
    "select pg_notify('L{slot}', 'by function')",
    "select pg_notify('l{slot}_{n}', '')",
];

const LOCKS: [&str; 9] = [
    "select pg_advisory_lock({program}, {n})",
    "select pg_try_advisory_lock({program}, {n})",
    "select pg_advisory_lock_shared({program}, {n})",
    "select pg_try_advisory_lock_shared({program}, {n})",
    "select pg_advisory_unlock({program}, {n})",
    "select pg_advisory_unlock_shared({program}, {n})",
    "select pg_advisory_unlock_all()",
    "select pg_advisory_xact_lock({program}, {n})",
    "select pg_try_advisory_xact_lock_shared({program}, {n})",
];

const DISCARDS: [&str; 5] =
    ["discard all", "discard all", "discard temp", "discard plans", "discard sequences"];

const BLOCKS: [&str; 9] = [
    "do $$ begin perform set_config('work_mem', '3{n}3kB', false); end $$",
    "do $$ begin perform set_config('TimeZone', 'Asia/Kolkata', true); end $$",
    "do $$ begin execute 'create temp table t{n} (x int)'; end $$",
    "do $$ begin perform pg_advisory_lock({program}, {n}); end $$",
    "do $$ begin execute 'listen l{slot}_{n}'; end $$",
    "do $$ begin execute 'set local work_mem = ''2MB'''; raise notice 'set'; end $$",
    "do $$ begin perform set_config('work_mem', '4MB', false); raise 'after setting'; end $$",
    "do $$ begin begin set work_mem = '3MB'; perform 1/0; exception when others then null; end; end $$",
    "do $$ begin insert into own{slot} values ({program}, 'kept'); commit; set work_mem = '2MB'; end $$",
];

const FAILURES: [&str; 6] = [
    "select 1/0",
    "select nonsense",
    "selec 1",
    "select * from nowhere",
    "set work_mem = 'much'",
    "set nonsense = 1",
];

const DATA: [&str; 7] = [
    "insert into own{slot} values ({program}, 'word {n}')",
    "insert into own{slot} select {program}, 'many' from generate_series(1, 3) returning word",
    "select count(*), max(word) from own{slot} where program = {program}",
    "select repeat('x', {n}00), array[1, 2], null",
    "select * from generate_series(1, 40)",
    "table own{slot} limit 0",
    "",
];

/// The same names mean other things, of other types, to clients with another search_path.
const PLACES: [&str; 3] =
    ["select word from place", "select * from place where word is not null", "table place"];
