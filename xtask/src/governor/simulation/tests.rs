use super::*;
use crate::governor::prediction::STEPS;

const GIB: u64 = 1 << 30;

fn unit(needs: &[usize], front_s: f64, codegen_s: f64) -> SimUnit {
    SimUnit {
        needs: needs.to_vec(),
        course: vec![GIB; STEPS + 1],
        front_s,
        codegen_s,
        threads: 2,
        ..SimUnit::default()
    }
}

fn build(graph: &Graph, cores: usize, memory: u64) -> Schedule {
    let world = World::calm(graph, Belief::True);
    simulate(graph, Machine { cores, memory }, &world, &mut |scheduler, event, now| scheduler.step(event, now))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[test]
fn a_chain_takes_the_sum_of_its_times() {
    let graph = Graph { units: vec![unit(&[], 1.0, 0.0), unit(&[0], 2.0, 0.0)] };
    let schedule = build(&graph, 8, 8 * GIB);
    assert!(near(schedule.makespan_s, 3.0), "{schedule:?}");
    assert_eq!((schedule.built, schedule.peak, schedule.peak_shared), (2, GIB, 0));
}

#[test]
fn metadata_lets_others_go_on_but_a_link_waits() {
    let mut units = vec![unit(&[], 2.0, 0.0), unit(&[0], 2.0, 0.0), unit(&[0, 1], 1.0, 0.0)];
    units[0].metadata = Some(0.5);
    assert!(near(build(&Graph { units: units.clone() }, 8, 8 * GIB).makespan_s, 4.0));
    units[1].links = true;
    assert!(near(build(&Graph { units }, 8, 8 * GIB).makespan_s, 5.0));
}

#[test]
fn code_generation_uses_tokens_and_processors_are_shared() {
    let graph = Graph { units: vec![unit(&[], 1.0, 4.0)] };
    let schedule = build(&graph, 8, 8 * GIB);
    // Tokens are taken back from the front end, given again half a second later at the latest.
    assert!((3.0..3.6).contains(&schedule.makespan_s), "{schedule:?}");
    assert!(near(schedule.busy_core_s, 5.0));
    assert!(near(build(&graph, 1, 8 * GIB).makespan_s, 5.0));
}

#[test]
fn the_kernel_kills_when_memory_is_out() {
    let graph = Graph { units: vec![unit(&[], 1.0, 0.0), unit(&[], 1.0, 0.0)] };
    let mut world = World::calm(&graph, Belief::Estimate);
    world.predictions.iter_mut().for_each(|prediction| prediction.peak = 1);
    let machine = Machine { cores: 2, memory: GIB * 3 / 2 };
    let schedule = simulate(&graph, machine, &world, &mut |scheduler, event, now| scheduler.step(event, now));
    assert_eq!((schedule.oom_kills, schedule.built, schedule.given_up), (1, 2, 0), "{schedule:?}");
    assert!(near(schedule.makespan_s, 2.0));
}

#[test]
fn what_can_never_fit_is_given_up() {
    let schedule = build(&Graph { units: vec![unit(&[], 1.0, 0.0), unit(&[0], 1.0, 0.0)] }, 2, GIB / 2);
    assert_eq!((schedule.given_up, schedule.built, schedule.ended), (1, 0, true), "{schedule:?}");
}

#[test]
fn no_schedule_is_shorter_than_its_bound() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let graph = crates::random(5 + random.below(60), 0.1, &mut random);
        let machine = Machine { cores: 1 + random.below(16), memory: 2 * GIB };
        let schedule = build(&graph, machine.cores, machine.memory);
        let bound = graph.bound(machine);
        assert!(schedule.makespan_s >= bound.longest_s() * 0.999, "seed {seed}: {schedule:?} {bound:?}");
    }
}

#[test]
fn a_schedule_is_the_same_each_time() {
    let graph = crates::random(50, 0.1, &mut Random::new(1));
    let one = build(&graph, 4, 2 * GIB);
    let other = build(&graph, 4, 2 * GIB);
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}
