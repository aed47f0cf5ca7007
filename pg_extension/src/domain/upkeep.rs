//! Periodic work: which jobs there are, whose turn it is, and what became of them. It must not know a clock or how a job is
//! called.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

/// A piece of periodic work: a function of schema `taskmaster` that does a bounded part of it at a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The function's name; a job whose function is not there is left out.
    pub(crate) name: &'static str,
    /// A statement whose only value says how much was done.
    pub(crate) statement: &'static str,
    /// From this on there is more to do.
    pub(crate) batch: i64,
}

/// All jobs, in the order of the first tick.
pub(crate) const JOBS: [Job; 9] = [
    Job {
        name: "requeue_expired",
        statement: "SELECT taskmaster.requeue_expired(100)",
        batch: 100,
    },
    Job {
        name: "resolve_due_gates",
        statement: "SELECT taskmaster.resolve_due_gates(100)",
        batch: 100,
    },
    Job {
        name: "expire_workflows",
        statement: "SELECT taskmaster.expire_workflows(100)",
        batch: 100,
    },
    Job {
        name: "evaluate_alerts",
        statement: "SELECT pg_catalog.count(*) FROM taskmaster.evaluate_alerts()",
        batch: i64::MAX,
    },
    Job {
        name: "roll_up_metrics",
        statement: "SELECT pg_catalog.sum(buckets) FROM taskmaster.roll_up_metrics(p_max_buckets => 60) \
                    WHERE resolution = 'minute'",
        batch: 60,
    },
    Job {
        name: "ensure_partitions",
        statement: "SELECT taskmaster.ensure_partitions()",
        batch: i64::MAX,
    },
    Job {
        name: "apply_retention",
        statement: "SELECT pg_catalog.count(*) FROM taskmaster.apply_retention(false) \
                    WHERE action IN ('dropped', 'deleted')",
        batch: 1,
    },
    Job { name: "seal_audit", statement: "SELECT taskmaster.seal_audit()", batch: i64::MAX },
    Job {
        name: "apply_audit_retention",
        statement: "SELECT taskmaster.apply_audit_retention()",
        batch: i64::MAX,
    },
];

/// What came of one call of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done(i64),
    Failed { sqlstate: String, message: String },
}

/// One tick: jobs take turns, a batch each, until nothing is left or the time is over.
#[derive(Debug)]
pub(crate) struct Tick {
    queue: VecDeque<&'static Job>,
    done: Map<String, Value>,
    failed: Map<String, Value>,
}

impl Outcome {
    /// What `taskmaster.attempt` returned.
    pub(crate) fn parse(result: &Value) -> Self {
        let text =
            |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match result.get("result").and_then(Value::as_i64) {
            Some(done) => Self::Done(done),
            None => Self::Failed { sqlstate: text("sqlstate"), message: text("message") },
        }
    }
}

impl Tick {
    /// A tick of the jobs whose functions are there, beginning with the one named `first`, so that what one tick had no time for
    /// is the next one's first.
    pub(crate) fn new(present: &[String], first: Option<&str>) -> Self {
        let is_present = |job: &&Job| present.iter().any(|name| name == job.name);
        let mut queue: VecDeque<_> = JOBS.iter().filter(is_present).collect();
        let start = queue.iter().position(|job| Some(job.name) == first);
        queue.rotate_left(start.unwrap_or(0));
        Self { queue, done: Map::new(), failed: Map::new() }
    }

    /// The job whose turn it is.
    pub(crate) fn next(&mut self) -> Option<&'static Job> {
        self.queue.pop_front()
    }

    /// Notes what came of a job's turn. One that has more to do gets another after the others; one that failed does not.
    pub(crate) fn note(&mut self, job: &'static Job, outcome: Outcome) {
        match outcome {
            Outcome::Done(count) => {
                let before = self.done.get(job.name).and_then(Value::as_i64).unwrap_or(0);
                self.done.insert(job.name.into(), before.saturating_add(count).into());
                if count >= job.batch {
                    self.queue.push_back(job);
                }
            }
            Outcome::Failed { sqlstate, message } => {
                let failure = json!({ "sqlstate": sqlstate, "message": message });
                self.failed.insert(job.name.into(), failure);
            }
        }
    }

    /// The job that the next tick begins with, when there was no time for all.
    pub(crate) fn first_left(&self) -> Option<&'static str> {
        self.queue.front().map(|job| job.name)
    }

    /// The result for the caller.
    pub(crate) fn report(self, elapsed_ms: i64, problems: &[String]) -> Value {
        let left: Vec<_> = self.queue.iter().map(|job| job.name).collect();
        json!({
            "ran": true,
            "elapsed_ms": elapsed_ms,
            "done": self.done,
            "failed": self.failed,
            "left": left,
            "problems": problems,
        })
    }
}

/// The result when another session is at it.
pub(crate) fn busy() -> Value {
    json!({ "ran": false, "reason": "another session is at it" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn jobs_take_turns_until_nothing_is_left() {
        let mut tick = Tick::new(&present(&["roll_up_metrics", "requeue_expired", "other"]), None);
        let mut turns = Vec::new();
        let mut results = [100, 60, 3, 0].into_iter();
        while let Some(job) = tick.next() {
            turns.push(job.name);
            tick.note(job, Outcome::Done(results.next().unwrap()));
        }
        assert_eq!(
            turns,
            ["requeue_expired", "roll_up_metrics", "requeue_expired", "roll_up_metrics"]
        );
        let report = tick.report(5, &[]);
        assert_eq!(report["done"], json!({ "requeue_expired": 103, "roll_up_metrics": 60 }));
        assert_eq!((&report["left"], &report["failed"]), (&json!([]), &json!({})));
    }

    #[test]
    fn a_failure_is_reported_and_the_others_go_on() {
        let mut tick = Tick::new(&present(&["requeue_expired", "ensure_partitions"]), None);
        let job = tick.next().unwrap();
        tick.note(job, Outcome::parse(&json!({ "sqlstate": "55P03", "message": "busy" })));
        assert_eq!(tick.next().map(|job| job.name), Some("ensure_partitions"));
        let report = tick.report(1, &present(&["default"]));
        assert_eq!(report["failed"]["requeue_expired"]["sqlstate"], "55P03");
        assert_eq!(report["problems"], json!(["default"]));
    }

    #[test]
    fn what_is_left_comes_first_next_time() {
        let names = present(&["requeue_expired", "roll_up_metrics", "ensure_partitions"]);
        let mut tick = Tick::new(&names, None);
        let job = tick.next().unwrap();
        tick.note(job, Outcome::Done(100));
        assert_eq!(tick.first_left(), Some("roll_up_metrics"));
        let mut next = Tick::new(&names, tick.first_left());
        assert_eq!(next.next().map(|job| job.name), Some("roll_up_metrics"));
        assert_eq!(
            tick.report(1, &[])["left"],
            json!(["roll_up_metrics", "ensure_partitions", "requeue_expired"])
        );
        assert_eq!(
            Tick::new(&names, Some("gone")).next().map(|job| job.name),
            Some("requeue_expired")
        );
    }
}
