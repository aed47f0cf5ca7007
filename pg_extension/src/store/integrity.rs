//! Whether what is counted is what there is. Counters drift only when somebody switches triggers off
//! or loads rows without them; this finds it and mends it. It must not know how they are kept.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::UUIDARRAYOID;

use super::plan::{Access, Plan, bind};
use super::readiness;
use super::schema::Table;

/// Something that is not as it should be.
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) task: Uuid,
    pub(crate) detail: String,
}

/// Whether findings that can be mended are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    Leave,
    Mend,
}

thread_local! {
    static FIND: Plan = const { Plan::new(
        c"SELECT 'satisfied', d.task_id, pg_catalog.format(
                   'depends on %s, which is %s: satisfied is %s', other.id, other.status, d.satisfied)
          FROM taskmaster.task_dependencies AS d
          JOIN taskmaster.tasks AS other ON other.id = d.depends_on
          WHERE d.satisfied <> coalesce(other.status = ANY (d.satisfied_by), false)
          UNION ALL
          SELECT 'open_deps', t.id,
                 pg_catalog.format('%s counted, %s there', t.open_deps, coalesce(there.n, 0))
          FROM taskmaster.tasks AS t
          LEFT JOIN (
            SELECT d.task_id, pg_catalog.count(*) AS n
            FROM taskmaster.task_dependencies AS d
            JOIN taskmaster.tasks AS other ON other.id = d.depends_on
            WHERE d.dependency_type = 'blocks'
              AND NOT coalesce(other.status = ANY (d.satisfied_by), false)
            GROUP BY d.task_id) AS there ON there.task_id = t.id
          WHERE t.open_deps <> coalesce(there.n, 0)
          UNION ALL
          SELECT 'open_gates', t.id,
                 pg_catalog.format('%s counted, %s there', t.open_gates, coalesce(there.n, 0))
          FROM taskmaster.tasks AS t
          LEFT JOIN (
            SELECT g.task_id, pg_catalog.count(*) AS n FROM taskmaster.task_gates AS g
            WHERE g.resolved_at IS NULL GROUP BY g.task_id) AS there ON there.task_id = t.id
          WHERE t.open_gates <> coalesce(there.n, 0)
          UNION ALL
          SELECT 'parent_cycle', start, 'the task is below itself'
          FROM (
            WITH RECURSIVE above(start, id) AS (
              SELECT id, parent_task_id FROM taskmaster.tasks WHERE parent_task_id IS NOT NULL
              UNION
              SELECT above.start, t.parent_task_id
              FROM above JOIN taskmaster.tasks AS t ON t.id = above.id
              WHERE t.parent_task_id IS NOT NULL)
            SELECT start FROM above WHERE id = start) AS circular
          ORDER BY 1, 2",
        &[],
        Access::Write,
        &[Table::Tasks, Table::TaskDependencies, Table::TaskGates],
    ) };

    static MEND_EDGES: Plan = const { Plan::new(
        c"UPDATE taskmaster.task_dependencies AS d SET satisfied = NOT d.satisfied
          FROM taskmaster.tasks AS other
          WHERE other.id = d.depends_on AND d.task_id = ANY ($1)
            AND d.satisfied <> coalesce(other.status = ANY (d.satisfied_by), false)",
        &[UUIDARRAYOID],
        Access::Write,
        &[],
    ) };

    // Whoever changes an edge or a gate meanwhile waits for the row and then counts on from here.
    static LOCK: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.tasks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
        &[UUIDARRAYOID],
        Access::Write,
        &[],
    ) };

    static RECOUNT: Plan = const { Plan::new(
        c"UPDATE taskmaster.tasks AS t SET
            open_deps = (SELECT pg_catalog.count(*) FROM taskmaster.task_dependencies AS d
                         WHERE d.task_id = t.id AND d.dependency_type = 'blocks' AND NOT d.satisfied),
            open_gates = (SELECT pg_catalog.count(*) FROM taskmaster.task_gates AS g
                          WHERE g.task_id = t.id AND g.resolved_at IS NULL)
          WHERE t.id = ANY ($1)",
        &[UUIDARRAYOID],
        Access::Write,
        &[],
    ) };
}

/// What is not as it should be, and mends the counters when asked to. Cycles are for people to undo.
pub(crate) fn check(repair: Repair) -> Vec<Finding> {
    let mut findings = FIND.with(|plan| {
        plan.rows(&[], |row| Finding {
            check: row.get_known(1),
            task: row.get_known(2),
            detail: row.get_known(3),
        })
    });
    let countable = findings.iter().filter(|finding| finding.check != "parent_cycle");
    let mut tasks: Vec<Uuid> = countable.map(|finding| finding.task).collect();
    findings.extend(readiness::circular().into_iter().map(|task| Finding {
        check: "dependency_cycle".to_owned(),
        task,
        detail: "the task waits for itself, or for one that does".to_owned(),
    }));
    if repair == Repair::Mend && !tasks.is_empty() {
        tasks.sort_by_key(|id| *id.as_bytes());
        tasks.dedup();
        mend(tasks);
    }
    findings
}

fn mend(tasks: Vec<Uuid>) {
    let tasks = [bind(tasks)];
    LOCK.with(|plan| plan.run(&tasks));
    MEND_EDGES.with(|plan| plan.run(&tasks));
    RECOUNT.with(|plan| plan.run(&tasks));
}
