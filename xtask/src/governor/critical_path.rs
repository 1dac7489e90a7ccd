//! How much of the build waits for a unit: the longest chain of units that starts with it.
//!
//! Whoever has the longest chain before it goes first. Cargo lets a library start when what it needs has written its
//! metadata; whoever links waits for whole libraries, those below the ones that it names included.

/// A unit's times, seconds, and whom it waits for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Node {
    /// Indices of the units that it reads.
    pub(crate) needs: Vec<usize>,
    /// From its start until its metadata is written.
    pub(crate) to_metadata_s: f64,
    /// From its start to its end.
    pub(crate) total_s: f64,
    /// It links or is run: it starts when what it needs has ended, not before.
    pub(crate) needs_whole: bool,
    /// It is a proc macro or a build script: nobody can start with its metadata alone.
    pub(crate) needed_whole: bool,
}

/// Each unit's time from its start to the end of the build, seconds. A cycle, which only a broken ledger has, counts up
/// to where it would begin anew; an index that names no unit is no edge.
pub(crate) fn tails(nodes: &[Node]) -> Vec<f64> {
    let dependents = dependents(nodes);
    let mut tails = vec![None; nodes.len()];
    // The longest chain among those that begin with a link, or the like, which takes in the whole of this unit, be it
    // directly or through libraries.
    let mut links: Vec<f64> = vec![0.0; nodes.len()];
    for unit in dependents_first(&dependents) {
        let total = seconds(nodes[unit].total_s);
        let mut tail = total;
        for &dependent in &dependents[unit] {
            let Some(after) = tails[dependent] else { continue };
            let whole = nodes[dependent].needs_whole;
            links[unit] = links[unit].max(if whole { after } else { links[dependent] });
            let wait =
                if whole || nodes[unit].needed_whole { total } else { seconds(nodes[unit].to_metadata_s).min(total) };
            tail = tail.max(wait + after);
        }
        tails[unit] = Some(tail.max(total + links[unit]));
    }
    tails.into_iter().map(Option::unwrap_or_default).collect()
}

/// Who reads each unit.
fn dependents(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); nodes.len()];
    for (unit, node) in nodes.iter().enumerate() {
        for &need in &node.needs {
            if let Some(readers) = dependents.get_mut(need) {
                readers.push(unit);
            }
        }
    }
    dependents
}

/// Every unit after all of its dependents, those excepted through which it would wait for itself. With a stack of its
/// own: a chain of ten thousand units is deeper than a thread's.
fn dependents_first(dependents: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(dependents.len());
    let mut seen = vec![false; dependents.len()];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for first in 0..dependents.len() {
        if !std::mem::replace(&mut seen[first], true) {
            stack.push((first, 0));
        }
        while let Some((unit, next)) = stack.last_mut() {
            let Some(&dependent) = dependents[*unit].get(*next) else {
                order.push(*unit);
                stack.pop();
                continue;
            };
            *next += 1;
            if !std::mem::replace(&mut seen[dependent], true) {
                stack.push((dependent, 0));
            }
        }
    }
    order
}

/// What no clock could have measured is no time.
fn seconds(time: f64) -> f64 {
    if time.is_finite() { time.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(to_metadata_s: f64, total_s: f64, needs: &[usize]) -> Node {
        Node { needs: needs.to_vec(), to_metadata_s, total_s, ..Node::default() }
    }

    fn link(total_s: f64, needs: &[usize]) -> Node {
        Node { needs_whole: true, ..library(total_s, total_s, needs) }
    }

    fn proc_macro(total_s: f64, needs: &[usize]) -> Node {
        Node { needed_whole: true, ..link(total_s, needs) }
    }

    #[test]
    fn a_library_waits_for_metadata_and_a_link_for_the_end() {
        let graph = [library(2.0, 10.0, &[]), library(1.0, 4.0, &[0]), link(3.0, &[1])];
        assert_eq!(tails(&graph), [13.0, 7.0, 3.0], "the link takes in the first library too");
        let unlinked = [library(2.0, 10.0, &[]), library(1.0, 4.0, &[0]), library(1.0, 3.0, &[1])];
        assert_eq!(tails(&unlinked), [10.0, 4.0, 3.0]);
        let long_chain = [library(2.0, 3.0, &[]), library(1.0, 9.0, &[0]), link(3.0, &[1])];
        assert_eq!(tails(&long_chain), [14.0, 12.0, 3.0]);
    }

    #[test]
    fn a_proc_macro_is_needed_whole_and_hides_what_it_linked() {
        // 0 is in the macro, the macro in a library, the library in a program.
        let graph = [library(1.0, 2.0, &[]), proc_macro(5.0, &[0]), library(1.0, 6.0, &[1]), link(1.0, &[2])];
        assert_eq!(tails(&graph), [14.0, 12.0, 7.0, 1.0]);
    }

    #[test]
    fn the_longest_of_many_dependents_counts() {
        let graph =
            [library(1.0, 2.0, &[]), library(1.0, 4.0, &[0]), library(1.0, 9.0, &[0, 1]), library(1.0, 3.0, &[0])];
        assert_eq!(tails(&graph), [11.0, 10.0, 9.0, 3.0]);
    }

    #[test]
    fn cycles_and_strangers_end() {
        let graph =
            [library(1.0, 2.0, &[2, 99]), library(1.0, 2.0, &[0, 1]), library(1.0, 2.0, &[1]), library(1.0, 1.0, &[1])];
        let tails = tails(&graph);
        assert!(tails.iter().all(|tail| (1.0..=5.0).contains(tail)), "{tails:?}");
        assert!(tails[1] >= 2.0 && tails[3] == 1.0, "{tails:?}");
    }

    #[test]
    fn times_that_are_none_count_as_nothing() {
        let graph = [library(f64::NAN, f64::INFINITY, &[]), library(9.0, -1.0, &[0]), library(7.0, 3.0, &[0])];
        assert_eq!(tails(&graph), [3.0, 0.0, 3.0]);
        assert_eq!(tails(&[]), [] as [f64; 0]);
    }

    #[test]
    fn deep_and_wide_graphs_fit() {
        let deep: Vec<Node> = (0..10_000_usize)
            .map(|n| library(1.0, 1.0, &n.checked_sub(1).map_or(vec![], |before| vec![before])))
            .collect();
        assert_eq!(tails(&deep)[0], 10_000.0);
        let wide: Vec<Node> = (0..10_000_usize).map(|n| library(1.0, 2.0, if n == 0 { &[] } else { &[0] })).collect();
        assert_eq!(tails(&wide)[0], 3.0);
    }
}
