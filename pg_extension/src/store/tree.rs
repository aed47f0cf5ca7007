//! A task with everything below it, read from `taskmaster.tasks`. It must not know what is done
//! with the tree.
//!
//! A task has one parent, so a walk down from the root meets each task once, except the root when
//! it lies on a cycle. Leaving the root out of the walk is therefore a complete cycle guard.

use std::collections::HashMap;

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, UUIDOID};

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::completion::{Completion, Node};
use crate::error::DomainError;

/// One task of the tree.
pub(crate) struct Branch {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) status: Option<String>,
    /// 0 for the root.
    pub(crate) level: i32,
    /// The titles from the root down, joined by ` > `.
    pub(crate) path: String,
}

/// One task of a tree with what lists of work show beside it.
pub(crate) struct Limb {
    pub(crate) branch: Branch,
    pub(crate) parent: Option<Uuid>,
    pub(crate) priority: Option<i32>,
    pub(crate) open_deps: i32,
    pub(crate) is_ready: bool,
    pub(crate) completion: Completion,
}

/// How many levels below the root are read.
const DEPTH_MAX: i32 = 100;

thread_local! {
    // One level more than allowed is read, to tell a tree that ends there from one that goes on.
    static HIERARCHY: Plan = const { Plan::new(
        c"WITH RECURSIVE tree(id, title, status, level, path) AS (
            SELECT id, title, status, 0, title::pg_catalog.text
            FROM taskmaster.tasks WHERE id = $1
            UNION ALL
            SELECT child.id, child.title, child.status, tree.level + 1,
                   tree.path || ' > ' || child.title
            FROM tree JOIN taskmaster.tasks AS child ON child.parent_task_id = tree.id
            WHERE child.id <> $1 AND tree.level <= 100)
          SELECT id, title::pg_catalog.text, status::pg_catalog.text, level, path
          FROM tree ORDER BY level, title, id",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks],
    ) };

    // Cancelled subtasks are left out with all that is below them.
    static LIVE: Plan = const { Plan::new(
        c"WITH RECURSIVE tree(id, parent_id, status, level, weight) AS (
            SELECT id, NULL::pg_catalog.uuid, status, 0,
                   coalesce(estimated_hours, complexity_score, 1)::pg_catalog.float8
            FROM taskmaster.tasks WHERE id = $1
            UNION ALL
            SELECT child.id, tree.id, child.status, tree.level + 1,
                   coalesce(child.estimated_hours, child.complexity_score, 1)::pg_catalog.float8
            FROM tree JOIN taskmaster.tasks AS child ON child.parent_task_id = tree.id
            WHERE child.id <> $1 AND tree.level <= 100
              AND child.status IS DISTINCT FROM 'cancelled')
          SELECT id, parent_id, coalesce(status = 'completed', false), level, weight
          FROM tree ORDER BY level",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks],
    ) };

    // Depth first, brothers by number. A task that lies on a cycle of parents is met once, because
    // the walk begins at the tops alone or at the task asked for.
    static TREE: Plan = const { Plan::new(
        c"WITH RECURSIVE tree AS (
            SELECT t.id, t.title, t.status, 0 AS level, t.title::pg_catalog.text AS path,
                   t.parent_task_id, t.priority, t.open_deps, t.open_gates, t.run_after,
                   ARRAY[coalesce(t.display_id, 0)] AS place
            FROM taskmaster.tasks AS t
            WHERE CASE WHEN $1 IS NULL THEN t.parent_task_id IS NULL ELSE t.id = $1 END
            UNION ALL
            SELECT child.id, child.title, child.status, tree.level + 1,
                   tree.path || ' > ' || child.title, child.parent_task_id, child.priority,
                   child.open_deps, child.open_gates, child.run_after,
                   tree.place || coalesce(child.display_id, 0)
            FROM tree JOIN taskmaster.tasks AS child ON child.parent_task_id = tree.id
            WHERE child.id IS DISTINCT FROM $1 AND tree.level < $2)
          SELECT id, title::pg_catalog.text, status::pg_catalog.text, level, path, parent_task_id,
                 priority, open_deps,
                 coalesce(status = 'pending' AND open_deps = 0 AND open_gates = 0
                   AND (run_after IS NULL OR run_after <= pg_catalog.clock_timestamp()), false)
                 AND NOT EXISTS (SELECT FROM taskmaster.tasks AS child
                   WHERE child.parent_task_id = tree.id
                     AND child.status NOT IN ('completed', 'cancelled'))
          FROM tree ORDER BY place, id",
        &[UUIDOID, INT4OID],
        Access::Read,
        &[Table::Tasks, Table::TaskEvents],
    ) };
}

/// The tree below `root` by level, title and id; empty when there is no such task.
///
/// # Errors
/// 54001 when the tree is deeper than 100 levels.
pub(crate) fn hierarchy(root: Uuid) -> Result<Vec<Branch>, DomainError> {
    let branches = HIERARCHY.with(|plan| plan.rows(&[bind(root)], read_branch));
    require_depth(root, branches.last().map(|branch| branch.level))?;
    Ok(branches)
}

/// The tree below `root` without cancelled subtasks, the root first and parents before children.
///
/// # Errors
/// P0002 when there is no such task, 54001 when the tree is deeper than 100 levels.
pub(crate) fn live_nodes(root: Uuid) -> Result<Vec<Node>, DomainError> {
    let mut indexes = HashMap::new();
    let leveled = LIVE.with(|plan| plan.rows(&[bind(root)], |row| read_node(row, &mut indexes)));
    if leveled.is_empty() {
        return Err(DomainError::TaskMissing { id: root.to_string() });
    }
    require_depth(root, leveled.last().map(|(level, _)| *level))?;
    Ok(leveled.into_iter().map(|(_, node)| node).collect())
}

/// The tree below `root`, or all trees, depth first and at most so many levels below their tops. The
/// completion of a task is reckoned from the levels that are shown.
///
/// # Errors
/// P0002 when there is no such task.
pub(crate) fn limbs(root: Option<Uuid>, depth_max: i32) -> Result<Vec<Limb>, DomainError> {
    let mut limbs = TREE.with(|plan| plan.rows(&[bind(root), bind(depth_max)], read_limb));
    match root {
        Some(root) if limbs.is_empty() => {
            return Err(DomainError::TaskMissing { id: root.to_string() });
        }
        _ => measure(&mut limbs),
    }
    Ok(limbs)
}

/// Fills in how far each task is; cancelled subtasks are left out with all that is below them.
fn measure(limbs: &mut [Limb]) {
    let (mut nodes, mut places) = (Vec::new(), Vec::new());
    let mut indexes: HashMap<Uuid, usize> = HashMap::new();
    for (place, limb) in limbs.iter().enumerate() {
        let parent = limb.parent.filter(|_| limb.branch.level > 0);
        let index = parent.map(|parent| indexes.get(&parent).copied());
        let is_cancelled = limb.branch.status.as_deref() == Some("cancelled");
        if index == Some(None) || (is_cancelled && parent.is_some()) {
            continue;
        }
        let is_completed = limb.branch.status.as_deref() == Some("completed");
        indexes.insert(limb.branch.id, nodes.len());
        nodes.push(Node { parent: index.flatten(), is_completed, weight: 1.0 });
        places.push(place);
    }
    for (place, completion) in places.into_iter().zip(Completion::of_each(&nodes)) {
        limbs[place].completion = completion;
    }
}

fn read_limb(row: &Row) -> Limb {
    Limb {
        branch: read_branch(row),
        parent: row.get(6),
        priority: row.get(7),
        open_deps: row.get_known(8),
        is_ready: row.get_known(9),
        completion: Completion::NONE,
    }
}

fn read_branch(row: &Row) -> Branch {
    Branch {
        id: row.get_known(1),
        title: row.get_known(2),
        status: row.get(3),
        level: row.get_known(4),
        path: row.get_known(5),
    }
}

/// The row's level and node; `indexes` learns where in the order each task stands.
fn read_node(row: &Row, indexes: &mut HashMap<Uuid, usize>) -> (i32, Node) {
    let parent = row.get::<Uuid>(2).and_then(|parent| indexes.get(&parent).copied());
    indexes.insert(row.get_known(1), indexes.len());
    (row.get_known(4), Node { parent, is_completed: row.get_known(3), weight: row.get_known(5) })
}

fn require_depth(root: Uuid, deepest: Option<i32>) -> Result<(), DomainError> {
    if deepest.is_some_and(|level| level > DEPTH_MAX) {
        return Err(DomainError::HierarchyTooDeep { id: root.to_string(), depth_max: DEPTH_MAX });
    }
    Ok(())
}
