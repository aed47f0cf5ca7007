//! One hunt: rounds of programs, run by PostgreSQL and through the proxy, compared, and cut down to
//! what matters when they differ.

use std::fmt::Write as _;

use futures_util::future::join_all;
use harness::{Cluster, Database, Proxy, proxy};

use super::observation::{Seen, inspect, observe};
use super::program::Program;

/// Clients at once, over two server connections.
pub(super) const CLIENTS: usize = 8;

/// How often a smaller round is tried before it is taken not to differ: what happens depends on
/// which client meets which server connection.
const TRIES: usize = 3;

/// Rounds run at most to find out what matters.
const SHRINKING_ROUNDS_MAX: usize = 250;

/// Where the programs run.
pub(super) struct Hunt<'a> {
    cluster: &'a Cluster,
    proxy: &'a Proxy,
    direct_database: Database<'a>,
    proxied_database: Database<'a>,
}

/// A client that saw something else through the proxy.
struct Difference {
    client: usize,
    direct: Seen,
    proxied: Option<Seen>,
}

/// What every program finds in its database, besides `own0` and so on.
const SETUP: &str = "
set search_path = public;
create schema first;
create schema second;
create table public.place (word text);
create table first.place (word int);
create table second.place (word date);
insert into public.place values ('public');
insert into first.place values (1);
insert into second.place values ('2001-02-03');
grant usage on schema first, second to hunt_role;
grant all on all tables in schema public, first, second to hunt_role";

const ROLE: &str = "do $$ begin create role hunt_role; \
     exception when duplicate_object then null; end $$";

impl<'a> Hunt<'a> {
    /// Gives two databases the same contents: one for PostgreSQL itself, one for the proxy.
    pub(super) async fn prepare(
        cluster: &'a Cluster,
        proxy: &'a Proxy,
        databases: [Database<'a>; 2],
    ) -> Self {
        cluster.admin().await.batch_execute(ROLE).await.unwrap();
        for database in &databases {
            let client = database.connect().await;
            for slot in 0..CLIENTS {
                let sql = format!("create table own{slot} (program bigint, word text)");
                client.batch_execute(&sql).await.unwrap();
            }
            client.batch_execute(SETUP).await.unwrap();
            // A lock that was left behind shows as an error, not as a hunt that hangs.
            let sql = format!("alter database {} set lock_timeout = '10s'", database.name);
            client.batch_execute(&sql).await.unwrap();
        }
        let [direct_database, proxied_database] = databases;
        Self { cluster, proxy, direct_database, proxied_database }
    }

    /// Runs `count` programs.
    ///
    /// # Panics
    /// When a client saw a difference, with the shortest programs found that show it.
    pub(super) async fn run(&self, seed: u64, count: u64) {
        let clients = u64::try_from(CLIENTS).unwrap();
        for first in (0..count).step_by(CLIENTS) {
            let programs: Vec<Program> = (first..first + clients)
                .zip(0..CLIENTS)
                .map(|(number, slot)| Program::new(seed, number, slot))
                .collect();
            if let Some(difference) = self.difference(&programs).await {
                let (programs, difference) = self.shrink(programs, difference).await;
                panic!("seed {seed}, program {first} and up\n{}", report(&programs, &difference));
            }
        }
    }

    /// The first client that saw something else through the proxy.
    async fn difference(&self, programs: &[Program]) -> Option<Difference> {
        let direct = self.observe(self.cluster.port, &self.direct_database, programs).await;
        let proxied = self.observe(self.proxy.port, &self.proxied_database, programs).await;
        direct.into_iter().zip(proxied).enumerate().find_map(|(client, (direct, proxied))| {
            let mut proxied = proxied.into_iter();
            direct.into_iter().find_map(|direct| {
                let proxied = proxied.next();
                let differs = proxied.as_ref() != Some(&direct);
                differs.then_some(Difference { client, direct, proxied })
            })
        })
    }

    /// What all clients saw, and what somebody sees who comes after them. A client that got no answer in time has seen nothing.
    async fn observe(
        &self,
        port: u16,
        database: &Database<'_>,
        programs: &[Program],
    ) -> Vec<Vec<Seen>> {
        let clients = programs
            .iter()
            .map(|program| tokio::spawn(observe(port, proxy::login(database), program.clone())));
        let mut seen: Vec<Vec<Seen>> =
            join_all(clients).await.into_iter().map(Result::unwrap_or_default).collect();
        self.end_prepared_transactions(database).await;
        seen.push(inspect(port, &proxy::login(database)).await);
        seen
    }

    /// Prepared transactions outlive everybody, and their names count for the whole cluster.
    async fn end_prepared_transactions(&self, database: &Database<'_>) {
        let client = database.connect().await;
        let sql = "select gid from pg_prepared_xacts where database = current_database()";
        for row in client.query(sql, &[]).await.unwrap() {
            let sql = format!("rollback prepared '{}'", row.get::<_, &str>(0));
            client.batch_execute(&sql).await.unwrap();
        }
    }

    /// Leaves out clients, then steps, as long as a difference remains.
    async fn shrink(
        &self,
        mut programs: Vec<Program>,
        mut difference: Difference,
    ) -> (Vec<Program>, Difference) {
        let mut rounds = 0;
        let mut len = programs.iter().map(|program| program.steps.len()).max().unwrap_or(1);
        while len > 0 {
            for client in 0..programs.len() {
                let mut end = programs[client].steps.len();
                while end > 0 && rounds < SHRINKING_ROUNDS_MAX {
                    let mut smaller = programs.clone();
                    let start = end.saturating_sub(len);
                    smaller[client].steps.drain(start..end);
                    rounds += TRIES;
                    if let Some(found) = self.differs_again(&smaller).await {
                        (programs, difference) = (smaller, found);
                    }
                    end = start;
                }
            }
            len /= 2;
        }
        (programs, difference)
    }

    async fn differs_again(&self, programs: &[Program]) -> Option<Difference> {
        for _ in 0..TRIES {
            // What the programs before have left behind must not count.
            self.cluster.kill_backends(&self.proxied_database.name).await;
            if let Some(difference) = self.difference(programs).await {
                return Some(difference);
            }
        }
        None
    }
}

/// Programs that still have steps, and what the client saw.
fn report(programs: &[Program], difference: &Difference) -> String {
    let mut text = String::new();
    for (client, program) in programs.iter().enumerate() {
        if program.steps.is_empty() && client != difference.client {
            continue;
        }
        let (startup, ending) = (program.startup, program.ending);
        let number = program.number;
        let _ = writeln!(text, "client {client}, program {number}: {startup:?}, {ending:?}");
        for step in &program.steps {
            let _ = writeln!(text, "    {}", step.label);
        }
    }
    let Difference { client, direct, proxied } = difference;
    if *client == CLIENTS {
        text += "client 8 came when the others were gone\n";
    }
    let _ = writeln!(text, "client {client} sent: {}\nPostgreSQL answered:", direct.label);
    let _ = writeln!(text, "    {}\nthe proxy answered:", direct.lines.join("\n    "));
    let lines = proxied.as_ref().map_or("(nothing)".to_owned(), |seen| seen.lines.join("\n    "));
    let _ = writeln!(text, "    {lines}");
    text
}
