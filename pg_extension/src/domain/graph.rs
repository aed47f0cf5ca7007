//! Directed graphs over numbered nodes: their order, their cycles, and the heaviest way through. It
//! must not know what nodes and edges stand for.

/// The nodes so that each comes after all that it points to; or a cycle, its first node repeated at
/// the end. `edges[n]` are the nodes that `n` points to.
pub(crate) fn order(edges: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut walk = Walk { marks: vec![Mark::Unseen; edges.len()], done: Vec::new(), edges };
    for node in 0..edges.len() {
        walk.visit(node)?;
    }
    Ok(walk.done)
}

/// Every node that lies on a cycle or points to one, in rising order.
pub(crate) fn entangled(edges: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut pointed_from = vec![Vec::new(); edges.len()];
    for (node, targets) in edges.iter().enumerate() {
        targets.iter().for_each(|target| pointed_from[*target].push(node));
    }
    let mut free: Vec<usize> = (0..edges.len()).filter(|node| open[*node] == 0).collect();
    while let Some(node) = free.pop() {
        for above in &pointed_from[node] {
            open[*above] -= 1;
            if open[*above] == 0 {
                free.push(*above);
            }
        }
    }
    (0..edges.len()).filter(|node| open[*node] > 0).collect()
}

/// The way along edges with the greatest sum of `weights`, from its end to its start (the node that
/// points to nothing comes first), with the sum up to and including each node. Empty for a graph
/// without nodes.
pub(crate) fn heaviest_path(
    edges: &[Vec<usize>],
    weights: &[f64],
) -> Result<Vec<(usize, f64)>, Vec<usize>> {
    let order = order(edges)?;
    let mut best: Vec<(f64, Option<usize>)> = vec![(0.0, None); edges.len()];
    for node in &order {
        let below = edges[*node].iter().copied().max_by(|a, b| best[*a].0.total_cmp(&best[*b].0));
        let carried = below.map_or(0.0, |below| best[below].0);
        best[*node] = (carried + weights[*node], below);
    }
    let top = order.into_iter().max_by(|a, b| best[*a].0.total_cmp(&best[*b].0));
    let mut path: Vec<_> =
        std::iter::successors(top, |node| best[*node].1).map(|node| (node, best[node].0)).collect();
    path.reverse();
    Ok(path)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unseen,
    /// On the way that is being walked.
    Open,
    Done,
}

/// A depth-first walk with a stack of its own, because a graph may be deeper than the thread's.
struct Walk<'a> {
    marks: Vec<Mark>,
    done: Vec<usize>,
    edges: &'a [Vec<usize>],
}

impl Walk<'_> {
    fn visit(&mut self, start: usize) -> Result<(), Vec<usize>> {
        if self.marks[start] != Mark::Unseen {
            return Ok(());
        }
        self.marks[start] = Mark::Open;
        let mut stack = vec![(start, 0)];
        while let Some((node, next)) = stack.last_mut() {
            let Some(target) = self.edges[*node].get(*next).copied() else {
                self.marks[*node] = Mark::Done;
                self.done.push(*node);
                stack.pop();
                continue;
            };
            *next += 1;
            match self.marks[target] {
                Mark::Done => {}
                Mark::Open => return Err(cycle(&stack, target)),
                Mark::Unseen => {
                    self.marks[target] = Mark::Open;
                    stack.push((target, 0));
                }
            }
        }
        Ok(())
    }
}

fn cycle(stack: &[(usize, usize)], target: usize) -> Vec<usize> {
    let nodes = stack.iter().map(|(node, _)| *node);
    nodes.skip_while(|node| *node != target).chain([target]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pointed_to_comes_first() {
        let order = order(&[vec![1, 2], vec![2], vec![], vec![0]]).unwrap();
        assert_eq!(order, [2, 1, 0, 3]);
    }

    #[test]
    fn a_cycle_is_returned_from_its_first_node() {
        assert_eq!(order(&[vec![1], vec![2], vec![3], vec![1]]), Err(vec![1, 2, 3, 1]));
        assert_eq!(order(&[vec![0]]), Err(vec![0, 0]));
    }

    #[test]
    fn a_deep_graph_does_not_need_a_deep_stack() {
        let edges: Vec<_> =
            (0..200_000).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
        let reversed: Vec<_> =
            (0..200_000).map(|n| if n == 199_999 { vec![] } else { vec![n + 1] }).collect();
        assert_eq!(order(&edges).unwrap().len(), 200_000);
        assert_eq!(order(&reversed).unwrap()[0], 199_999);
    }

    #[test]
    fn nodes_on_cycles_and_above_them_are_entangled() {
        let edges = [vec![1], vec![2], vec![1, 4], vec![4], vec![]];
        assert_eq!(entangled(&edges), [0, 1, 2]);
        assert!(entangled(&[vec![1], vec![]]).is_empty());
    }

    #[test]
    fn the_heaviest_way_is_found() {
        let edges = [vec![1, 2], vec![3], vec![3], vec![]];
        let path = heaviest_path(&edges, &[1.0, 5.0, 2.0, 3.0]).unwrap();
        assert_eq!(path, [(3, 3.0), (1, 8.0), (0, 9.0)]);
        assert_eq!(heaviest_path(&[], &[]), Ok(vec![]));
        assert!(heaviest_path(&[vec![0]], &[1.0]).is_err());
    }
}
