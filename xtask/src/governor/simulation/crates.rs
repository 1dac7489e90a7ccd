//! Random graphs that look like the crates of a build: layers of many small ones, a few heavy ones, proc macros and build
//! scripts that are needed whole, and one link at the end that needs all.

use crate::governor::prediction::STEPS;
use crate::governor::simulation::graph::{Graph, SimUnit};
use crate::governor::simulation::random::Random;

const MB: f64 = 1e6;
/// Proc macros and build scripts among all units.
const WHOLE: f64 = 0.1;
const HEAVY: f64 = 0.04;

/// A build of `units` units, the link included. `pace` multiplies all times: 1 for those of real crates.
pub(crate) fn random(units: usize, pace: f64, random: &mut Random) -> Graph {
    let crates = units.saturating_sub(1);
    // Depth grows slowly: a build of 300 units has a dozen layers, one of 10,000 some sixty.
    let width = (crates as f64).powf(0.55).ceil().max(1.0) as usize;
    let mut graph = Graph::default();
    for index in 0..crates {
        let mut unit = kind(random, pace);
        unit.needs = needs(index, width, random);
        graph.units.push(unit);
    }
    graph.units.push(link(crates, pace, random));
    graph
}

/// `units` units that need nothing: all are offered at once.
pub(crate) fn flat(units: usize, random: &mut Random) -> Graph {
    Graph { units: (0..units).map(|_| kind(random, 1.0)).collect() }
}

fn kind(random: &mut Random, pace: f64) -> SimUnit {
    if random.chance(WHOLE) {
        let cpu_s = random.skewed(0.2, 3.0) * pace;
        let course = course(random.skewed(30.0 * MB, 120.0 * MB), random);
        return SimUnit { links: true, course, front_s: cpu_s, threads: 1, ..SimUnit::default() };
    }
    let heavy = random.chance(HEAVY);
    let (cpu_s, peak) = if heavy {
        (random.skewed(10.0, 60.0), random.skewed(300.0 * MB, 1500.0 * MB))
    } else {
        (random.skewed(0.2, 3.0), random.skewed(20.0 * MB, 120.0 * MB))
    };
    let front = random.between(0.3, 0.7);
    SimUnit {
        needs: Vec::new(),
        links: false,
        course: course(peak, random),
        front_s: cpu_s * front * pace,
        codegen_s: cpu_s * (1.0 - front) * pace,
        threads: if heavy { 16 } else { 1 + random.below(4) },
        thread_cost: (peak * random.between(0.01, 0.06)) as u64,
        metadata: Some(front * random.between(0.6, 1.0)),
    }
}

fn link(crates: usize, pace: f64, random: &mut Random) -> SimUnit {
    SimUnit {
        needs: (0..crates).collect(),
        links: true,
        course: course(random.skewed(200.0 * MB, 900.0 * MB), random),
        front_s: random.between(1.0, 6.0) * pace,
        threads: 1,
        ..SimUnit::default()
    }
}

/// Memory rises to its peak, somewhere in the later two thirds, and falls from there.
fn course(peak: f64, random: &mut Random) -> Vec<u64> {
    let top = STEPS / 3 + random.below(2 * STEPS / 3);
    let left = random.between(0.4, 1.0);
    let share = |step: usize| {
        if step <= top {
            0.1 + 0.9 * (step as f64 / top as f64).sqrt()
        } else {
            1.0 - (1.0 - left) * (step - top) as f64 / (STEPS - top) as f64
        }
    };
    (0..=STEPS).map(|step| (peak * share(step)) as u64).collect()
}

/// Some of the units in the layers below, most of them in the next.
fn needs(index: usize, width: usize, random: &mut Random) -> Vec<usize> {
    let layer = index / width;
    if layer == 0 {
        return Vec::new();
    }
    let mut needs: Vec<usize> = (0..1 + random.below(5))
        .map(|_| {
            let from = if random.chance(0.6) { layer - 1 } else { random.below(layer) };
            from * width + random.below(width)
        })
        .collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}
