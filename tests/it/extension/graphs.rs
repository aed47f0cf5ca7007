//! Random graphs of tasks and random calls on them. After every call the counters are what there is
//! to count, nothing waits for itself, a lease is whole, and completion lies between its bounds.

use std::collections::BTreeSet;

use super::session::{Session, fresh};

const CALLS_PER_SEED: usize = 160;

/// Rows that must not be there, each with what is wrong.
const VIOLATIONS: &str = "
    select 'open_deps of ' || title from tasks t where open_deps <> (
      select count(*) from task_dependencies d join tasks o on o.id = d.depends_on
      where d.task_id = t.id and dependency_type = 'blocks' and not o.status = any (satisfied_by))
    union all
    select 'open_gates of ' || title from tasks t where open_gates <> (
      select count(*) from task_gates g where g.task_id = t.id and resolved_at is null)
    union all
    select 'satisfied of ' || o.title from task_dependencies d join tasks o on o.id = d.depends_on
    where satisfied <> (o.status = any (satisfied_by))
    union all
    select 'a cycle through ' || title from tasks t where exists (
      with recursive above(id) as (
        select depends_on from task_dependencies where task_id = t.id and dependency_type = 'blocks'
        union
        select depends_on from above join task_dependencies on task_id = above.id
        where dependency_type = 'blocks')
      select from above where id = t.id)
    union all
    select 'the lease of ' || title from tasks
    where (claimed_by is null) <> (claim_expires_at is null)
       or claimed_by is not null and (status <> 'in_progress' or claim_token is null)
    union all
    select 'token ' || claim_token || ' is used twice' from tasks
    where claim_token is not null group by claim_token having count(*) > 1
    union all
    select 'completion of ' || title || ' by ' || mode from tasks,
      unnest('{recursive,leaf,weighted,children}'::text[]) as mode
    where calculate_task_completion(id, mode) not between 0 and 100
    union all
    select 'completed_at of ' || title from tasks where (status = 'completed') <> (completed_at is not null)
    union all
    select 'the last event of ' || title from tasks t where status <> (
      select to_status from task_events e where e.task_id = t.id and to_status is not null
      order by seq desc limit 1)
    union all
    select check_name || ': ' || detail from check_integrity()";

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[usize::try_from(self.below(values.len() as u64)).unwrap()]
    }

    /// A task of those there are, as an expression.
    fn task(&mut self) -> String {
        let place = self.below(14);
        format!(
            "(select id from tasks order by display_id offset {place} % greatest((select count(*) from tasks), 1) limit 1)"
        )
    }

    /// The token of a task's last lease, or another, or none.
    fn token(&mut self, task: &str) -> String {
        match self.below(4) {
            0 => "null".to_owned(),
            1 => "1".to_owned(),
            _ => format!("(select claim_token from tasks where id = {task})"),
        }
    }

    fn call(&mut self) -> String {
        let (task, other) = (self.task(), self.task());
        let token = self.token(&task);
        match self.below(18) {
            0 | 1 => format!(
                "select create_task('t' || (select count(*) from tasks), p_parent_task_id => {}, \
                 p_depends_on => array[{task}, {other}], p_max_attempts => 2)",
                if self.below(2) == 0 { "null".to_owned() } else { other.clone() }
            ),
            2..=4 => {
                let ends = self.pick(&["{completed}", "{completed,cancelled}", "{failed}"]);
                let kind = self.pick(&["blocks", "blocks", "blocks", "related"]);
                format!("select add_dependency({task}, {other}, '{kind}', '{ends}')")
            }
            5 => format!("select remove_dependency({task}, {other})"),
            6 | 7 => {
                let status = self.pick(&[
                    "pending",
                    "in_progress",
                    "review",
                    "blocked",
                    "completed",
                    "failed",
                    "cancelled",
                ]);
                let force = self.pick(&["true", "false", "false"]);
                format!(
                    "select update_task_status({task}, '{status}', p_claim_token => {token}, p_force => {force})"
                )
            }
            8 | 9 => "select claim_task('w', '1 hour', 2)".to_owned(),
            10 => format!("select heartbeat({task}, {token})"),
            11 => format!("select complete_task({task}, {token})"),
            12 => format!("select fail_task({task}, {token}, p_retry_after => '0')"),
            13 => format!("select release_task({task}, {token})"),
            14 => format!("select cancel_task({task}, 'why', {})", self.pick(&["true", "false"])),
            15 => "update tasks set claim_expires_at = now() - interval '1 s' where claimed_by is \
                not null; select requeue_expired(); select redrive_tasks()"
                .to_owned(),
            16 => match self.below(2) {
                0 => format!("select add_gate({task}, 'human', '{{}}')"),
                _ => "select resolve_gate(id) from task_gates where resolved_at is null limit 1"
                    .to_owned(),
            },
            _ => match self.below(3) {
                0 => format!(
                    "select update_task({task}, jsonb_build_object('parent_task_id', {other}))"
                ),
                1 => format!(
                    "delete from tasks where id = {task} and not exists \
                    (select from tasks c where c.parent_task_id = tasks.id)"
                ),
                _ => format!(
                    "select remove_dependency(task_id, depends_on) from task_dependencies where task_id = {task}"
                ),
            },
        }
    }
}

/// Runs one sequence and gives the SQLSTATEs that it met.
async fn run(session: &Session, seed: u64) -> BTreeSet<String> {
    let mut random = Random(seed);
    let mut met = BTreeSet::new();
    session.run("select create_task('a'), create_task('b'), create_task('c')").await;
    for number in 0..CALLS_PER_SEED {
        let call = random.call();
        met.insert(
            session.rows(&call).await.map_or_else(|report| report.sqlstate, |_| "00000".into()),
        );
        let violations = session.rows(VIOLATIONS).await.unwrap();
        assert!(violations.is_empty(), "seed {seed}, call {number}: {call}: {violations:?}");
    }
    met
}

#[tokio::test]
async fn random_calls_keep_every_invariant() {
    let mut met = BTreeSet::new();
    for seed in 0..4 {
        met.extend(run(&fresh().await, seed).await);
    }
    // The sequences have been where they should, and met no refusal that nobody expects.
    let expected = ["00000", "22004", "23514", "55000", "55006"];
    let met: Vec<_> = met.iter().map(String::as_str).filter(|code| *code != "P0002").collect();
    assert_eq!(met, expected);
}
