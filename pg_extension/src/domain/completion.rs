//! How far a task is, in percent, measured in one of several ways. It must not know where the tree
//! comes from; cancelled subtasks have been left out of it.

use std::fmt;

use super::argument::Argument;
use super::vocabulary::Vocabulary;
use crate::error::DomainError;

/// A share of 0 to 100 percent in hundredths, the values of `numeric(5,2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion(u32);

/// One task of a tree: a parent comes before its children.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// Index of the parent in the slice; `None` for the root.
    pub(crate) parent: Option<usize>,
    /// Whether the task itself is completed. It counts only for a task without subtasks.
    pub(crate) is_completed: bool,
    /// How much of the work the task is, for [`Mode::Weighted`]: estimated hours or complexity.
    pub(crate) weight: f64,
}

/// How subtasks are reckoned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The mean of the direct subtasks, each measured the same way.
    Recursive,
    /// The share of the tasks without subtasks that are completed, wherever they stand.
    Leaf,
    /// As [`Mode::Leaf`], by weight.
    Weighted,
    /// The share of the direct subtasks that are completed themselves.
    Children,
}

const MODES: Vocabulary = Vocabulary(&["recursive", "leaf", "weighted", "children"]);

impl Mode {
    /// The mode of `p_mode`, or 22023.
    pub(crate) fn parse(word: &str) -> Result<Self, DomainError> {
        Ok(match MODES.pick(Argument("p_mode"), word)? {
            "leaf" => Self::Leaf,
            "weighted" => Self::Weighted,
            "children" => Self::Children,
            _ => Self::Recursive,
        })
    }
}

/// Added before rounding, so that a mean that is exactly half a hundredth rounds up although its
/// binary form may lie a little below.
const ROUNDING_SLACK: f64 = 1e-9;

impl Completion {
    /// Nothing is done.
    pub(crate) const NONE: Self = Self(0);

    /// The completion of the tree's root; an empty tree has none done.
    pub(crate) fn of_tree(nodes: &[Node], mode: Mode) -> Self {
        Self::of_share(match mode {
            Mode::Recursive => shares(nodes).first().copied().unwrap_or_default(),
            Mode::Leaf => share(leaves(nodes).map(|node| (node.is_completed, 1.0))),
            Mode::Weighted => share(leaves(nodes).map(|node| (node.is_completed, node.weight))),
            Mode::Children => of_children(nodes),
        })
    }

    /// The completion of each task of the tree, measured as [`Mode::Recursive`].
    pub(crate) fn of_each(nodes: &[Node]) -> Vec<Self> {
        shares(nodes).into_iter().map(Self::of_share).collect()
    }

    fn of_share(share: f64) -> Self {
        Self(((share + ROUNDING_SLACK) * 100.0).round() as u32)
    }
}

impl fmt::Display for Completion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// For each node the mean of its subtasks, or what it is itself.
fn shares(nodes: &[Node]) -> Vec<f64> {
    let mut sums = vec![(0.0_f64, 0_u32); nodes.len()];
    let mut shares = vec![0.0; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        shares[index] = share_of(*node, sums[index]);
        if let Some((sum, count)) = node.parent.and_then(|parent| sums.get_mut(parent)) {
            *sum += shares[index];
            *count += 1;
        }
    }
    shares
}

fn share_of(node: Node, (sum, count): (f64, u32)) -> f64 {
    match (count, node.is_completed) {
        (0, true) => 100.0,
        (0, false) => 0.0,
        (count, _) => sum / f64::from(count),
    }
}

/// The share of what is done by weight; all weights zero count as equal.
fn share(parts: impl Iterator<Item = (bool, f64)> + Clone) -> f64 {
    let total: f64 = parts.clone().map(|(_, weight)| weight).sum();
    if total <= 0.0 {
        let (done, count) = parts.fold((0_u32, 0_u32), |(done, count), (is_done, _)| {
            (done + u32::from(is_done), count + 1)
        });
        return 100.0 * f64::from(done) / f64::from(count.max(1));
    }
    let done: f64 = parts.filter(|(is_done, _)| *is_done).map(|(_, weight)| weight).sum();
    100.0 * done / total
}

fn leaves(nodes: &[Node]) -> impl Iterator<Item = &Node> + Clone {
    let mut is_parent = vec![false; nodes.len()];
    for parent in nodes.iter().filter_map(|node| node.parent) {
        is_parent[parent] = true;
    }
    nodes.iter().zip(is_parent).filter(|(_, is_parent)| !is_parent).map(|(node, _)| node)
}

fn of_children(nodes: &[Node]) -> f64 {
    let children = nodes.iter().filter(|node| node.parent == Some(0));
    match (children.clone().next(), nodes.first()) {
        (None, Some(root)) => share_of(*root, (0.0, 0)),
        _ => share(children.map(|node| (node.is_completed, 1.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(Option<usize>, bool)]) -> String {
        measured(nodes, Mode::Recursive)
    }

    /// Each task weighs as much as its place in the list, from 1.
    fn measured(nodes: &[(Option<usize>, bool)], mode: Mode) -> String {
        let nodes: Vec<_> = nodes
            .iter()
            .zip(1..)
            .map(|(&(parent, is_completed), place)| Node {
                parent,
                is_completed,
                weight: f64::from(place),
            })
            .collect();
        Completion::of_tree(&nodes, mode).to_string()
    }

    #[test]
    fn modes_differ_where_branches_do() {
        // The root; two subtasks, the first with two of its own, the second completed.
        let nodes =
            [(None, false), (Some(0), false), (Some(0), true), (Some(1), true), (Some(1), false)];
        for (mode, expected) in [
            ("recursive", "75.00"),
            ("leaf", "66.67"),
            ("weighted", "58.33"),
            ("children", "50.00"),
        ] {
            assert_eq!(measured(&nodes, Mode::parse(mode).unwrap()), expected, "{mode}");
        }
        assert_eq!(measured(&[(None, true)], Mode::Children), "100.00");
        assert_eq!(measured(&[(None, false)], Mode::Weighted), "0.00");
        assert_eq!(Mode::parse("median").unwrap_err().sqlstate(), "22023");
    }

    #[test]
    fn each_task_of_a_tree_has_its_own_completion() {
        let node = |parent, is_completed| Node { parent, is_completed, weight: 0.0 };
        let nodes = [node(None, false), node(Some(0), false), node(Some(0), true)];
        let shares: Vec<_> = Completion::of_each(&nodes).iter().map(ToString::to_string).collect();
        assert_eq!(shares, ["50.00", "0.00", "100.00"]);
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
