//! How far a task is, in percent: the mean of its subtasks, each measured the same way. It must
//! not know where the tree comes from; cancelled subtasks have been left out of it.

use std::fmt;

/// A share of 0 to 100 percent in hundredths, the values of `numeric(5,2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion(u32);

/// One task of a tree in breadth-first order: the root first, a parent before its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// Index of the parent in the slice; `None` for the root.
    pub(crate) parent: Option<usize>,
    /// Whether the task itself is completed. It counts only for a task without subtasks.
    pub(crate) is_completed: bool,
}

/// Added before rounding, so that a mean that is exactly half a hundredth rounds up although its
/// binary form may lie a little below.
const ROUNDING_SLACK: f64 = 1e-9;

impl Completion {
    /// The completion of the tree's root; an empty tree has none done.
    pub(crate) fn of_tree(nodes: &[Node]) -> Self {
        let mut sums = vec![(0.0_f64, 0_u32); nodes.len()];
        let mut share = 0.0;
        for (index, node) in nodes.iter().enumerate().rev() {
            share = share_of(*node, sums[index]);
            if let Some((sum, count)) = node.parent.and_then(|parent| sums.get_mut(parent)) {
                *sum += share;
                *count += 1;
            }
        }
        Self(((share + ROUNDING_SLACK) * 100.0).round() as u32)
    }
}

impl fmt::Display for Completion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn share_of(node: Node, (sum, count): (f64, u32)) -> f64 {
    match (count, node.is_completed) {
        (0, true) => 100.0,
        (0, false) => 0.0,
        (count, _) => sum / f64::from(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(Option<usize>, bool)]) -> String {
        let nodes: Vec<_> =
            nodes.iter().map(|&(parent, is_completed)| Node { parent, is_completed }).collect();
        Completion::of_tree(&nodes).to_string()
    }

    #[test]
    fn a_leaf_is_all_or_nothing() {
        assert_eq!(tree(&[(None, true)]), "100.00");
        assert_eq!(tree(&[(None, false)]), "0.00");
    }

    #[test]
    fn one_level_is_the_share_of_completed_children() {
        let root = Some(0);
        assert_eq!(tree(&[(None, false), (root, true), (root, false), (root, false)]), "33.33");
    }

    #[test]
    fn deeper_levels_weigh_by_branch() {
        let nodes =
            [(None, false), (Some(0), false), (Some(0), true), (Some(1), true), (Some(1), false)];
        assert_eq!(tree(&nodes), "75.00");
    }

    #[test]
    fn a_parents_own_status_does_not_count() {
        assert_eq!(tree(&[(None, true), (Some(0), false)]), "0.00");
    }

    #[test]
    fn half_a_hundredth_rounds_up() {
        let mut nodes = vec![(None, false), (Some(0), true)];
        nodes.extend([(Some(0), false); 31]);
        assert_eq!(tree(&nodes), "3.13");
    }
}
