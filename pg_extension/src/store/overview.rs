//! Tasks as a whole: how many there are of each kind, which are in the way of an end, and which a
//! text finds. It must not change anything.

use std::collections::HashMap;

use pgrx::datum::{Date, Interval};
use pgrx::pg_sys::BuiltinOid::{DATEOID, INT4OID, TEXTARRAYOID, TEXTOID, UUIDOID};
use pgrx::{AnyNumeric, Uuid};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::graph;
use crate::domain::task_filter::TaskFilter;
use crate::error::{DomainError, TaskRefusal};

/// The tasks of one status.
pub(crate) struct Statistic {
    pub(crate) status: Option<String>,
    pub(crate) count: i64,
    pub(crate) completion_time: Option<Interval>,
    pub(crate) complexity: Option<AnyNumeric>,
}

/// A task on the way to an end, and how long the way is up to and including it.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) task: Uuid,
    pub(crate) title: String,
    pub(crate) status: Option<String>,
    pub(crate) hours: f64,
    pub(crate) hours_through: f64,
}

/// A task that a text finds.
pub(crate) struct Hit {
    pub(crate) task: Uuid,
    pub(crate) title: String,
    pub(crate) similarity: f32,
}

thread_local! {
    // Days in UTC, whatever the session's time zone is.
    static STATISTICS: Plan = const { Plan::new(
        c"SELECT status::pg_catalog.text, pg_catalog.count(*),
                 pg_catalog.avg(completed_at - created_at), pg_catalog.round(
                 pg_catalog.avg(complexity_score), 2)
          FROM taskmaster.tasks
          WHERE created_at >= $1::pg_catalog.timestamp AT TIME ZONE 'UTC'
            AND created_at < ($2 + 1)::pg_catalog.timestamp AT TIME ZONE 'UTC'
          GROUP BY status ORDER BY status",
        &[DATEOID, DATEOID],
        Access::Read,
        &[Table::Tasks],
    ) };

    // What must still be done before the task has ended: what is open below it and what it waits
    // for, and so on. A task with open subtasks is no work of its own.
    static WORK: Plan = const { Plan::new(
        c"WITH RECURSIVE work(id) AS (
            SELECT id FROM taskmaster.tasks WHERE id = $1
            UNION
            SELECT owed.id FROM work CROSS JOIN LATERAL (
              SELECT child.id FROM taskmaster.tasks AS child
              WHERE child.parent_task_id = work.id AND child.status NOT IN ('completed', 'cancelled')
              UNION ALL
              SELECT d.depends_on FROM taskmaster.task_dependencies AS d
              WHERE d.task_id = work.id AND d.dependency_type = 'blocks' AND NOT d.satisfied) AS owed)
          SELECT t.id, t.title::pg_catalog.text, t.status::pg_catalog.text,
                 CASE WHEN EXISTS (
                   SELECT FROM taskmaster.tasks AS child WHERE child.parent_task_id = t.id
                     AND child.status NOT IN ('completed', 'cancelled')) THEN 0
                 ELSE coalesce(t.estimated_hours, 1) END::pg_catalog.float8,
                 ARRAY(
                   SELECT child.id FROM taskmaster.tasks AS child WHERE child.parent_task_id = t.id
                     AND child.status NOT IN ('completed', 'cancelled')
                   UNION
                   SELECT d.depends_on FROM taskmaster.task_dependencies AS d
                   WHERE d.task_id = t.id AND d.dependency_type = 'blocks' AND NOT d.satisfied)
          FROM work JOIN taskmaster.tasks AS t USING (id) ORDER BY t.id",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks, Table::TaskDependencies],
    ) };

    // What a text finds is decided by taskmaster.find_tasks alone.
    static SEARCH: Plan = const { Plan::new(
        c"SELECT t.id, t.title::pg_catalog.text, found.similarity
          FROM taskmaster.find_tasks($1) AS found
          JOIN taskmaster.tasks AS t ON t.id = found.task_id
          WHERE ($2 IS NULL OR t.status = $2)
            AND ($3 IS NULL OR t.id = ANY ($3::pg_catalog.uuid[]))
            AND ($4 IS NULL OR t.type = $4) AND ($5 IS NULL OR t.assigned_to = $5)
            AND ($6 IS NULL OR t.parent_task_id = $6::pg_catalog.uuid)
            AND ($7 IS NULL OR t.tags @> $7::pg_catalog.jsonb)
          ORDER BY found.similarity DESC, t.display_id DESC LIMIT $8",
        &[TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID],
        Access::Read,
        &[Table::Tasks, Table::TaskEvents],
    ) };
}

/// The tasks that were created between two days in UTC, both included, by status.
pub(crate) fn statistics(start: Date, end: Date) -> Vec<Statistic> {
    STATISTICS.with(|plan| {
        plan.rows(&[bind(start), bind(end)], |row| Statistic {
            status: row.get(1),
            count: row.get_known(2),
            completion_time: row.get(3),
            complexity: row.get(4),
        })
    })
}

/// The longest way of open work up to the end of `root`, the first thing to do first.
///
/// # Errors
/// P0002 no such task; 23514 when tasks on the way wait for each other, by which nothing ends.
pub(crate) fn critical_path(root: Uuid) -> Result<Vec<Stage>, DomainError> {
    let rows = WORK.with(|plan| {
        plan.rows(&[bind(root)], |row| {
            let stage = Stage {
                task: row.get_known(1),
                title: row.get_known(2),
                status: row.get(3),
                hours: row.get_known(4),
                hours_through: 0.0,
            };
            (stage, row.get_known::<Vec<Uuid>>(5))
        })
    });
    if rows.is_empty() {
        return Err(DomainError::TaskMissing { id: root.to_string() });
    }
    let places = rows.iter().enumerate().map(|(place, (stage, _))| (stage.task, place));
    let places: HashMap<Uuid, usize> = places.collect();
    let edges: Vec<Vec<usize>> = rows
        .iter()
        .map(|(_, owed)| owed.iter().filter_map(|id| places.get(id).copied()).collect())
        .collect();
    let weights: Vec<f64> = rows.iter().map(|(stage, _)| stage.hours).collect();
    let path =
        graph::heaviest_path(&edges, &weights).map_err(|cycle| TaskRefusal::CycleInList {
            path: cycle.into_iter().map(|place| rows[place].0.task.to_string()).collect(),
        })?;
    let stage = |(place, hours_through)| {
        let (stage, _): &(Stage, _) = &rows[place];
        Stage { hours_through, ..stage.clone() }
    };
    Ok(path.into_iter().map(stage).collect())
}

/// The tasks that `query` finds and the filter lets through, the best first.
pub(crate) fn search(query: &str, filter: TaskFilter, limit: i32) -> Vec<Hit> {
    let values = [
        bind(query),
        bind(filter.status),
        bind(filter.ids),
        bind(filter.task_type),
        bind(filter.assigned_to),
        bind(filter.parent_task_id),
        bind(filter.tags),
        bind(limit),
    ];
    SEARCH.with(|plan| {
        plan.rows(&values, |row| Hit {
            task: row.get_known(1),
            title: row.get_known(2),
            similarity: row.get_known(3),
        })
    })
}
