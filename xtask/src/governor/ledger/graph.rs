//! The build's graph, put together from what each measured unit was seen to read.

use std::collections::HashMap;

use super::Measurement;
use super::book::Book;
use crate::governor::critical_path::{Node, tails};
use crate::governor::unit::Kind;

/// Of a library's time, until its metadata is written, where nobody saw it.
const USUAL_METADATA_SHARE: f64 = 0.5;

/// For each unit, by its key, the seconds from its start to the end of the build. The later book has the last word on the
/// units that are in both; each book's times are multiplied with the number beside it.
pub(super) fn tails_of(books: [(&Book, f64); 2]) -> HashMap<String, f64> {
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut units: Vec<(&Measurement, f64)> = Vec::new();
    let mut needs: Vec<Vec<&str>> = Vec::new();
    let histories = books.into_iter().flat_map(|(book, pace)| book.histories().map(move |unit| (unit, pace)));
    for ((key, history), pace) in histories {
        // A unit that was only ever killed has its place, too.
        let Some(run) = history.latest().or(history.last()) else { continue };
        let at = *index.entry(key).or_insert(units.len());
        if at == units.len() {
            units.push((run, pace));
            needs.push(Vec::new());
        } else {
            units[at] = (run, pace);
        }
        needs[at].extend(history.needs());
    }
    let mut nodes: Vec<Node> =
        units.iter().zip(&needs).map(|((unit, pace), needs)| node(unit, *pace, needs, &index)).collect();
    put_build_scripts_first(&units, &mut nodes);
    let tails = tails(&nodes);
    index.into_iter().map(|(key, at)| (key.to_owned(), tails[at])).collect()
}

/// How far a run had got, of its time, when its metadata was written.
fn metadata_share(run: &Measurement) -> Option<f64> {
    let share = run.to_metadata_s? / run.wall_s;
    share.is_finite().then(|| share.min(1.0))
}

fn node(unit: &Measurement, pace: f64, needs: &[&str], index: &HashMap<&str, usize>) -> Node {
    let kind = unit.identity.kind;
    // With nothing else on the machine: of a clock that counted waiting, and one that counted each thread, the lower.
    let total_s = pace * if unit.wall_s > 0.0 { unit.wall_s.min(unit.cpu_s) } else { unit.cpu_s };
    let usual = if kind == Kind::Library { USUAL_METADATA_SHARE } else { 1.0 };
    Node {
        needs: needs.iter().filter_map(|need| index.get(need).copied()).collect(),
        to_metadata_s: total_s * metadata_share(unit).unwrap_or(usual),
        total_s,
        needs_whole: kind.links(),
        needed_whole: matches!(kind, Kind::ProcMacro | Kind::BuildScript),
    }
}

/// No rustc reads a build script, and yet its package waits for it to have run.
fn put_build_scripts_first(units: &[(&Measurement, f64)], nodes: &mut [Node]) {
    let identity = |at: usize| &units[at].0.identity;
    let place = |at: usize| (&identity(at).package, &identity(at).version, &identity(at).target);
    let mut scripts: HashMap<_, Vec<usize>> = HashMap::new();
    let is_script = |at: &usize| identity(*at).kind == Kind::BuildScript;
    for at in (0..units.len()).filter(is_script) {
        scripts.entry(place(at)).or_default().push(at);
    }
    for at in (0..units.len()).filter(|at| !is_script(at)) {
        nodes[at].needs.extend(scripts.get(&place(at)).into_iter().flatten());
    }
}
