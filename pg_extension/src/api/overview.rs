//! `search_tasks`, `get_task_statistics`, `critical_path`, `check_integrity`.

use pgrx::datum::{Date, Interval};
use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::task_filter::TaskFilter;
use crate::store::integrity::{self, Repair};
use crate::store::{Jsonb, OrRaise, overview};

/// The largest filter.
const FILTER_BYTES_MAX: usize = 65_536;

/// The longest text to search for, in characters.
const QUERY_LENGTH_MAX: usize = 500;

/// The tasks whose title or description holds the words, or whose title resembles the text. The
/// filter's keys are `ids`, `status`, `type`, `assigned_to`, `parent_task_id` and `tags`.
#[pg_extern(stable, parallel_safe)]
fn search_tasks(
    p_query: Option<&str>,
    p_filter: default!(Option<Jsonb>, "'{}'"),
    p_limit: default!(Option<i32>, "20"),
) -> TableIterator<'static, (name!(task_id, Uuid), name!(title, String), name!(similarity, f32))> {
    let query = Argument("p_query").name(p_query, QUERY_LENGTH_MAX).or_raise();
    let limit = Argument("p_limit").within(p_limit.unwrap_or(20), 1, 1_000).or_raise();
    let filter = Argument("p_filter").required(p_filter);
    let document = filter.and_then(|filter| filter.read("p_filter", FILTER_BYTES_MAX)).or_raise();
    let hits = overview::search(query, TaskFilter::parse(&document).or_raise(), limit);
    TableIterator::new(hits.into_iter().map(|hit| (hit.task, hit.title, hit.similarity)))
}

/// The tasks created between two days in UTC, both included: how many of each status, how long they
/// took, and how complex they were.
#[pg_extern(stable, parallel_safe, strict)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn get_task_statistics(
    p_start_date: default!(Date, "(CURRENT_DATE - 30)"),
    p_end_date: default!(Date, "CURRENT_DATE"),
) -> TableIterator<
    'static,
    (
        name!(status, Option<String>),
        name!(count, i64),
        name!(avg_completion_time, Option<Interval>),
        name!(avg_complexity, Option<AnyNumeric>),
    ),
> {
    let statistics = overview::statistics(p_start_date, p_end_date).into_iter();
    TableIterator::new(
        statistics.map(|row| (row.status, row.count, row.completion_time, row.complexity)),
    )
}

/// The longest way of open work, in estimated hours (one where nobody has estimated), that must be
/// gone before the task can end.
#[pg_extern(stable, parallel_safe, strict)]
fn critical_path(
    p_root: Uuid,
) -> TableIterator<
    'static,
    (
        name!(ord, i32),
        name!(task_id, Uuid),
        name!(title, String),
        name!(status, Option<String>),
        name!(hours, f64),
        name!(hours_through, f64),
    ),
> {
    let stages = overview::critical_path(p_root).or_raise().into_iter();
    TableIterator::new((1..).zip(stages).map(|(ord, stage)| {
        (ord, stage.task, stage.title, stage.status, stage.hours, stage.hours_through)
    }))
}

/// What is not as it should be: counters that are off, tasks that wait for or stand below
/// themselves. With `p_repair` the counters are mended.
#[pg_extern(volatile, parallel_unsafe)]
fn check_integrity(
    p_repair: default!(Option<bool>, "false"),
) -> TableIterator<'static, (name!(check_name, String), name!(task_id, Uuid), name!(detail, String))>
{
    let repair = if p_repair == Some(true) { Repair::Mend } else { Repair::Leave };
    let findings = integrity::check(repair).into_iter();
    TableIterator::new(findings.map(|finding| (finding.check, finding.task, finding.detail)))
}
