//! The native functions against those in PL/pgSQL: random call sequences from fixed seeds, on two
//! databases with the same contents. Results, errors with all their fields, warnings and the rows
//! that are left must be equal.

use std::collections::BTreeSet;

use super::world::{World, name};

const CALLS_PER_SEED: usize = 250;

/// What random calls alone would not make: odd rows, a cycle, a chain that is too deep, names that
/// stand for two integrations, and usage windows that are open and over.
const SETUP: &str = "
insert into tasks (id, title, status, metadata)
select ('10000000-0000-0000-0000-00000000000' || n)::uuid, 'odd ' || n,
       case when n = 1 then null else 'pending' end,
       case n when 2 then '[1]' when 3 then null else '{}' end::jsonb
from generate_series(1, 5) n;
insert into tasks (id, title)
select ('20000000-0000-0000-0000-00000000000' || n)::uuid, 'cycle ' || n from generate_series(0, 2) n;
update tasks set parent_task_id = ('20000000-0000-0000-0000-00000000000' ||
  (right(id::text, 1)::int + 1) % 3)::uuid where title like 'cycle %';
insert into tasks (id, title, parent_task_id)
select ('30000000-0000-0000-0000-000000000' || n)::uuid, 'deep ' || n,
       case when n > 100 then ('30000000-0000-0000-0000-000000000' || n - 1)::uuid end
from generate_series(100, 205) n;
insert into workflows (id, task_id, status, steps_completed)
values ('40000000-0000-0000-0000-000000000001', null, null, '[]'),
       ('40000000-0000-0000-0000-000000000002', null, 'timeout', '[]'),
       ('40000000-0000-0000-0000-000000000003', null, 'running', '{}'),
       ('40000000-0000-0000-0000-000000000004', null, 'running',
        (select jsonb_agg(jsonb_build_object('step_name', n::text, 'status', 'running'))
         from generate_series(1, 9998) n));
insert into external_integrations
  (id, integration_type, integration_name, configuration, status, current_usage, usage_reset_at)
values ('50000000-0000-0000-0000-000000000001', 'github', 'gh', '{}', 'active', 0, now() + '1 day'),
       ('50000000-0000-0000-0000-000000000002', 'linear', 'shared', '{}', 'error', 0, now() + '1 day'),
       ('50000000-0000-0000-0000-000000000003', 'claude', 'shared', '{}', 'active', 7, now() + '1 day'),
       ('50000000-0000-0000-0000-000000000004', 'slack', 'null', '{}', 'active', null, now() + '1 day')";

const FIXED_TASKS: [&str; 9] = [
    "10000000-0000-0000-0000-000000000001",
    "10000000-0000-0000-0000-000000000002",
    "10000000-0000-0000-0000-000000000003",
    "10000000-0000-0000-0000-000000000004",
    "20000000-0000-0000-0000-000000000000",
    "20000000-0000-0000-0000-000000000001",
    "30000000-0000-0000-0000-000000000100",
    "30000000-0000-0000-0000-000000000190",
    "99999999-0000-0000-0000-000000000000",
];

const FIXED_WORKFLOWS: [&str; 5] = [
    "40000000-0000-0000-0000-000000000001",
    "40000000-0000-0000-0000-000000000002",
    "40000000-0000-0000-0000-000000000003",
    "40000000-0000-0000-0000-000000000004",
    "99999999-0000-0000-0000-000000000000",
];

const STATUSES: [&str; 19] = [
    "'pending'",
    "'in_progress'",
    "'in_progress'",
    "'in_progress'",
    "'completed'",
    "'completed'",
    "'review'",
    "'blocked'",
    "'deferred'",
    "'failed'",
    "'cancelled'",
    "'in-progress'",
    "'done'",
    "'todo'",
    "'canceled'",
    "'Done'",
    "''",
    "repeat('x', 51)",
    "null",
];

/// Numbers of the ids that calls made so far, by what they stand for.
#[derive(Default)]
struct Made {
    tasks: Vec<usize>,
    workflows: Vec<usize>,
}

impl Made {
    fn learn(&mut self, call: &str, id: usize) {
        if call.contains("create_task(") {
            self.tasks.push(id);
        } else if call.contains("create_workflow(") {
            self.workflows.push(id);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("less than a usize")
    }

    fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len())]
    }

    /// Mostly `common`, sometimes one of `rare`.
    fn mostly<'a>(&mut self, common: &'a str, rare: &[&'a str]) -> &'a str {
        if self.below(4) > 0 { common } else { self.pick(rare) }
    }

    /// The id of something made before, or one of `fixed`, or null.
    fn id(&mut self, made: &[usize], fixed: &[&str]) -> String {
        match self.below(12) {
            0 => "null".to_owned(),
            1..=3 => format!("'{}'", self.pick(fixed)),
            _ if !made.is_empty() => format!("'{}'", name(made[self.below(made.len())])),
            _ => format!("'{}'", self.pick(fixed)),
        }
    }

    fn call(&mut self, number: usize, made: &Made) -> String {
        match self.below(16) {
            0..=3 => self.create_task(number, made),
            4..=7 => self.update_task_status(made),
            8 => self.read("get_task_hierarchy", "*", made),
            9 => self.read("calculate_task_completion", "*", made),
            10 => self.create_workflow(made),
            11..=13 => self.update_workflow_step(made),
            14 => self.record_metric(),
            _ => self.log_api_call(made),
        }
    }

    fn create_task(&mut self, number: usize, made: &Made) -> String {
        let title = format!("'task {number}'");
        let rare = ["null", "' '", "E'\\n\\x0b'", "repeat('é', 256)", "'\u{a0}'"];
        let title = self.mostly(&title, &rare).to_owned();
        let kind = self.mostly("'feature'", &["null", "'epic'", "repeat('x', 51)", "''"]);
        let priority = self.mostly("5", &["null", "-1", "0", "10", "11", "2147483647"]);
        let assigned = self.mostly("null", &["'ann'", "repeat('é', 255)", "repeat('é', 256)"]);
        let parent =
            if self.below(2) == 0 { "null".into() } else { self.id(&made.tasks, &FIXED_TASKS) };
        let requirements = self.mostly("'[\"a\"]'", &["null", "'{}'", "'3'"]);
        let rare = ["null", "'[]'", "'{}'", "'\"x\"'", "'null'"];
        let metadata = self.mostly("'{\"k\": {\"n\": 1}}'", &rare);
        format!(
            "select @schema.create_task({title}, p_type => {kind}, p_priority => {priority}, \
             p_assigned_to => {assigned}, p_parent_task_id => {parent}, \
             p_requirements => {requirements}, p_metadata => {metadata}, \
             p_description => 'd')"
        )
    }

    fn update_task_status(&mut self, made: &Made) -> String {
        let (id, status) = (self.id(&made.tasks, &FIXED_TASKS), self.pick(&STATUSES));
        let user = self.mostly("'ann'", &["null", "repeat('é', 255)", "repeat('é', 256)"]);
        let notes = self.mostly("null", &["'why'", "repeat('é', 4000)", "repeat('é', 4001)"]);
        format!(
            "select @schema.update_task_status(p_task_id => {id}, p_new_status => {status}, \
             p_user_id => {user}, p_notes => {notes})"
        )
    }

    fn read(&mut self, function: &str, columns: &str, made: &Made) -> String {
        let id = self.id(&made.tasks, &FIXED_TASKS);
        format!("select {columns} from @schema.{function}(p_task_id => {id})")
    }

    fn create_workflow(&mut self, made: &Made) -> String {
        let id = self.id(&made.tasks, &FIXED_TASKS);
        let kind = self.mostly("'hotfix'", &["null", "'nightly'", "repeat('x', 51)"]);
        let steps = self.mostly("2", &["null", "0", "-1", "1"]);
        let timeout = self.mostly("60", &["null", "0", "1", "1440", "1441"]);
        format!(
            "select @schema.create_workflow(p_task_id => {id}, p_workflow_type => {kind}, \
             p_total_steps => {steps}, p_timeout_minutes => {timeout})"
        )
    }

    fn update_workflow_step(&mut self, made: &Made) -> String {
        let id = self.id(&made.workflows, &FIXED_WORKFLOWS);
        let rare = ["null", "'final'", "'b'", "'c'", "' '", "repeat('é', 101)", "repeat('é', 100)"];
        let step = self.mostly("'a'", &rare);
        let rare = ["null", "'pending'", "'completed'", "'skipped'", "'failed'", "'done'"];
        let status = self.mostly("'running'", &rare);
        let result = self.mostly("null", &["'{\"ok\": true}'", "'[]'", "'null'"]);
        let error = self.mostly("null", &["'broken'", "''"]);
        format!(
            "select @schema.update_workflow_step(p_workflow_id => {id}, p_step_name => {step}, \
             p_step_status => {status}, p_step_result => {result}, p_error_message => {error})"
        )
    }

    fn record_metric(&mut self) -> String {
        let metric = self.mostly("'cpu'", &["null", "''", "repeat('é', 101)"]);
        let value = self.mostly("0.25", &["null", "'NaN'", "'Infinity'", "'-Infinity'", "1e300"]);
        let component = self.mostly("null", &["'db'", "repeat('é', 100)", "repeat('é', 101)"]);
        let kind = self.mostly("'timer'", &["null", "'summary'", "repeat('x', 51)"]);
        let tags = self.mostly("'{\"a\": 1}'", &["null", "'[]'", "'1'"]);
        format!(
            "select @schema.record_metric(p_metric_name => {metric}, p_metric_value => {value}, \
             p_component => {component}, p_metric_type => {kind}, p_tags => {tags})"
        )
    }

    fn log_api_call(&mut self, made: &Made) -> String {
        let rare = ["null", "'shared'", "'null'", "'nobody'", "' '", "repeat('x', 101)"];
        let integration = self.mostly("'gh'", &rare);
        let endpoint = self.mostly("'/x'", &["null", "''", "repeat('é', 255)", "repeat('é', 256)"]);
        let method = self.mostly("'GET'", &["null", "'post'", "'FETCH'", "''", "repeat('x', 11)"]);
        let status = self.mostly("200", &["null", "99", "100", "599", "600"]);
        let duration = self.mostly("12", &["null", "-1", "0"]);
        let task =
            if self.below(2) == 0 { "null".into() } else { self.id(&made.tasks, &FIXED_TASKS) };
        let user = self.mostly("null", &["'ann'", "repeat('é', 256)"]);
        format!(
            "select @schema.log_api_call(p_integration_name => {integration}, \
             p_endpoint => {endpoint}, p_method => {method}, p_response_status => {status}, \
             p_response_time_ms => {duration}, p_task_id => {task}, p_user_id => {user}, \
             p_error_message => null)"
        )
    }
}

/// Runs one sequence on both sides and returns the SQLSTATEs seen, `00000` for success.
async fn compare(seed: u64) -> BTreeSet<String> {
    let mut native = World::new("taskmaster", SETUP).await;
    let mut oracle = World::new("taskmaster_plpgsql", SETUP).await;
    let mut random = Random(seed);
    let (mut made, mut sqlstates) = (Made::default(), BTreeSet::new());
    for number in 0..CALLS_PER_SEED {
        let (call, next_id) = (random.call(number, &made), native.ids());
        let (ours, theirs) = (native.call(&call).await, oracle.call(&call).await);
        assert_eq!(ours, theirs, "seed {seed}, call {number}: {call}");
        (next_id..native.ids()).for_each(|id| made.learn(&call, id));
        sqlstates.extend(ours.notices.iter().map(|notice| notice.sqlstate.clone()));
        sqlstates.insert(ours.rows.map_or_else(|report| report.sqlstate, |_| "00000".into()));
    }
    assert_eq!(native.contents().await, oracle.contents().await, "seed {seed}");
    sqlstates
}

#[tokio::test]
async fn random_calls_have_the_same_effect_in_both_implementations() {
    let mut sqlstates = BTreeSet::new();
    for seed in 0..6 {
        sqlstates.extend(compare(seed).await);
    }
    // The sequences have been where they should: every kind of refusal was met.
    let all = [
        "00000", "01000", "22001", "22004", "22023", "23503", "23505", "23514", "54000", "54001",
        "55000", "P0002",
    ];
    assert_eq!(sqlstates.iter().map(String::as_str).collect::<Vec<_>>(), all);
}
