//! A task with everything below it, read from `taskmaster.tasks`. It must not know what is done
//! with the tree.
//!
//! A task has one parent, so a walk down from the root meets each task once, except the root when
//! it lies on a cycle. Leaving the root out of the walk is therefore a complete cycle guard.

use std::collections::HashMap;

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::UUIDOID;

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::completion::Node;
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
        c"WITH RECURSIVE tree(id, parent_id, status, level) AS (
            SELECT id, NULL::pg_catalog.uuid, status, 0 FROM taskmaster.tasks WHERE id = $1
            UNION ALL
            SELECT child.id, tree.id, child.status, tree.level + 1
            FROM tree JOIN taskmaster.tasks AS child ON child.parent_task_id = tree.id
            WHERE child.id <> $1 AND tree.level <= 100
              AND child.status IS DISTINCT FROM 'cancelled')
          SELECT id, parent_id, coalesce(status = 'completed', false), level
          FROM tree ORDER BY level",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks],
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
    (row.get_known(4), Node { parent, is_completed: row.get_known(3) })
}

fn require_depth(root: Uuid, deepest: Option<i32>) -> Result<(), DomainError> {
    if deepest.is_some_and(|level| level > DEPTH_MAX) {
        return Err(DomainError::HierarchyTooDeep { id: root.to_string(), depth_max: DEPTH_MAX });
    }
    Ok(())
}
