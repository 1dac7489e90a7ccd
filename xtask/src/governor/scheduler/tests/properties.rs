//! What holds in every build: thousands of random ones, each decision watched. A failure names its seed.

use super::watch::Watch;
use crate::governor::simulation::{
    Belief, Graph, Machine, Mishap, Random, Schedule, SimUnit, Trouble, World, crates, simulate,
};

/// A build of 5 to 60 units on 1 to 64 processors. Memory is from what the largest unit needs to ten times that, mostly
/// little.
fn small_build(seed: u64, pace: f64) -> (Graph, Machine, Random) {
    let mut random = Random::new(seed);
    let graph = crates::random(5 + random.below(56), pace, &mut random);
    let largest = graph.units.iter().map(SimUnit::peak).max().unwrap_or(0);
    let cores = random.skewed(1.0, 65.0) as usize;
    let memory = (largest as f64 * random.skewed(1.05, 10.0)) as u64;
    (graph, Machine { cores, memory }, random)
}

fn watched(graph: &Graph, machine: Machine, world: &World, seed: u64) -> Schedule {
    let mut watch = Watch::default();
    let build = std::panic::AssertUnwindSafe(|| {
        simulate(graph, machine, world, &mut |scheduler, event, now| watch.step(scheduler, event, now))
    });
    let Ok(schedule) = std::panic::catch_unwind(build) else { panic!("seed {seed}: {machine:?}") };
    assert!(schedule.ended, "seed {seed}: {machine:?}, {schedule:?}");
    schedule
}

fn wrong(seed: u64) -> Belief {
    Belief::Wrong { memory: [0.3, 3.0], time: [0.3, 3.0], seed }
}

fn world(graph: &Graph, belief: Belief) -> World {
    // Long enough for each unit to be built ten times, one by one, and for all waits.
    let alone_s: f64 = graph.units.iter().map(SimUnit::cpu_s).sum();
    World { longest_s: 400.0 + 10.0 * alone_s, ..World::calm(graph, belief) }
}

#[test]
fn true_predictions_keep_the_memory() {
    for seed in 0..900 {
        let (graph, mut machine, mut random) = small_build(seed, 0.05);
        let too_small = random.chance(0.2);
        if too_small {
            // Some units do not fit even alone.
            machine.memory /= 2;
        }
        let world = World { oom_killer: false, ..world(&graph, Belief::True) };
        let schedule = watched(&graph, machine, &world, seed);
        assert!(schedule.peak_shared <= machine.memory, "seed {seed}: {machine:?}, {schedule:?}");
        assert!(too_small || schedule.evictions == 0, "seed {seed}: {machine:?}, {schedule:?}");
        assert_eq!(schedule.built, graph.units.len());
    }
}

#[test]
fn wrong_predictions_delay_a_build_and_do_not_fail_it() {
    for seed in 1000..1700 {
        let (graph, machine, _) = small_build(seed, 0.05);
        let schedule = watched(&graph, machine, &world(&graph, wrong(seed)), seed);
        assert_eq!(schedule.built, graph.units.len(), "seed {seed}: {machine:?}, {schedule:?}");
    }
}

#[test]
fn nothing_known_delays_a_build_and_does_not_fail_it() {
    for seed in 2000..2200 {
        let (graph, machine, _) = small_build(seed, 0.05);
        let schedule = watched(&graph, machine, &world(&graph, Belief::Estimate), seed);
        assert_eq!(schedule.built, graph.units.len(), "seed {seed}: {machine:?}, {schedule:?}");
    }
}

#[test]
fn builds_end_whatever_happens() {
    for seed in 3000..3400 {
        let (graph, machine, mut random) = small_build(seed, 0.05);
        let mut world = world(&graph, wrong(seed));
        world.troubles = troubles(machine, &mut random);
        watched(&graph, machine, &world, seed);
    }
}

#[test]
fn in_long_builds_the_first_gets_its_turn() {
    for seed in 4000..4200 {
        let (graph, machine, _) = small_build(seed, 4.0);
        let mut world = world(&graph, Belief::Wrong { memory: [1.0, 1.0], time: [0.1, 3.0], seed });
        world.sample_every_s = 2.0;
        watched(&graph, machine, &world, seed);
    }
}

fn troubles(machine: Machine, random: &mut Random) -> Vec<Trouble> {
    let mut at = 0.0;
    let mut troubles = Vec::new();
    for _ in 0..random.below(12) {
        at += random.skewed(0.05, 20.0);
        let number = random.below(1000);
        let what = match random.below(5) {
            0 => Mishap::WrapperGone(number),
            1 | 2 => Mishap::Kill(number),
            3 => Mishap::OthersHold((machine.memory as f64 * random.between(0.0, 0.9)) as u64),
            _ => Mishap::OthersHold(0),
        };
        troubles.push(Trouble { at, what });
    }
    troubles
}
