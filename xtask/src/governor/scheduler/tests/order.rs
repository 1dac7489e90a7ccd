//! The queue against a plain list.

use super::*;
use crate::governor::simulation::Random;

fn unit(random: &mut Random) -> Unit {
    let mut unit = Unit::new(need(1 + random.below(500) as u64).tail(random.below(40) as f64));
    unit.prediction.cpu_s = random.between(0.0, 20.0);
    unit.attempt.alone = random.chance(0.01);
    unit
}

/// In the order in which they are to start: ticket, peak, time.
fn sorted(queue: &Queue, tickets: &[Ticket]) -> Vec<(Ticket, u64, f64)> {
    let mut list: Vec<_> = tickets.iter().map(|ticket| (*ticket, queue.get(*ticket).expect("queued"))).collect();
    list.sort_by(|(one, first), (other, second)| {
        let tails = second.prediction.tail_s.total_cmp(&first.prediction.tail_s);
        second.attempt.alone.cmp(&first.attempt.alone).then(tails).then(one.cmp(other))
    });
    list.iter().map(|(ticket, unit)| (*ticket, unit.prediction.peak, unit.prediction.cpu_s)).collect()
}

#[test]
fn the_queue_finds_what_a_look_at_everybody_finds() {
    let mut random = Random::new(7);
    let (mut queue, mut tickets) = (Queue::default(), Vec::new());
    for round in 0..2000 {
        // It grows to a few hundred, and is empty in the end.
        if random.chance(if round < 1000 { 0.7 } else { 0.25 }) {
            queue.insert(round, unit(&mut random));
            tickets.push(round);
        } else if !tickets.is_empty() {
            let ticket = tickets.swap_remove(random.below(tickets.len()));
            assert!(queue.remove(ticket).is_some());
            assert!(queue.remove(ticket).is_none());
        }
        if round % 20 == 0 {
            let list = sorted(&queue, &tickets);
            let (room, spare) = (random.below(600) as u64 * MB, random.below(300) as u64 * MB);
            let until = random.between(0.0, 5.0);
            let acceptable = |peak: u64, cpu_s: f64| peak <= room && (peak <= spare || cpu_s < until);
            let first = list.iter().find(|(_, peak, cpu_s)| acceptable(*peak, *cpu_s)).map(|unit| unit.0);
            assert_eq!(queue.find(|demand| acceptable(demand.peak, demand.cpu_s)), first);
            assert_eq!(queue.first().map(|(ticket, _)| ticket), list.first().map(|unit| unit.0));
            assert_eq!(queue.least_peak(), list.iter().map(|unit| unit.1).min());
            assert_eq!(queue.len(), list.len());
        }
    }
    assert_eq!(queue.len(), tickets.len());
}
