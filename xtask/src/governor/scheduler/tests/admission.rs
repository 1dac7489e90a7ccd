//! Who is started next.

use super::*;

#[test]
fn the_longest_tail_goes_first_then_the_oldest() {
    let mut desk = desk(1, 1000);
    assert_eq!(desk.offer(1, need(10)), ["start 1"]);
    desk.offer(2, need(10).tail(5.0));
    desk.offer(3, need(10).tail(7.0));
    desk.offer(4, need(10).tail(7.0));
    assert_eq!(desk.end(1, End::Finished), ["start 3"]);
    assert_eq!(desk.end(3, End::Finished), ["start 4"]);
    assert_eq!(desk.end(4, End::Finished), ["start 2"]);
}

#[test]
fn a_unit_waits_for_a_processor() {
    let mut desk = desk(2, 1000);
    assert_eq!(desk.offer(1, need(10)), ["start 1"]);
    assert_eq!(desk.offer(2, need(10)), ["start 2"]);
    assert_eq!(desk.offer(3, need(10)), nothing());
    assert_eq!(desk.end(1, End::Finished), ["start 3"]);
}

#[test]
fn build_scripts_take_processors_too() {
    let mut desk = desk(2, 1000);
    (desk.slots, desk.scripts) = (3, 2);
    desk.sample(1000, &[]);
    assert_eq!(desk.offer(1, need(10)), ["start 1"]);
    assert_eq!(desk.offer(2, need(10)), nothing());
}

#[test]
fn a_unit_that_does_not_fit_beside_the_growth_of_others_waits() {
    let mut desk = desk(8, 1000);
    assert_eq!(desk.offer(1, need(700)), ["start 1"]);
    assert_eq!(desk.offer(2, need(301)), nothing());
    assert_eq!(desk.scheduler.promised(), 700 * MB);
    assert_eq!(desk.scheduler.wanted(), Some(301 * MB));
    // It holds what was promised: that is not counted twice.
    assert_eq!(desk.sample(300, &[holds(1, 700)]), nothing());
    assert_eq!(desk.sample(301, &[holds(1, 700)]), ["start 2"]);
    assert_eq!(desk.scheduler.wanted(), None);
}

#[test]
fn what_has_ended_makes_room_before_the_next_sample() {
    let mut desk = desk(8, 1000);
    desk.offer(1, need(100));
    desk.offer(2, need(600));
    desk.offer(3, need(900).tail(1.0));
    desk.sample(300, &[holds(1, 100), holds(2, 600)]);
    assert_eq!(desk.end(2, End::Finished), ["start 3"]);
}

#[test]
fn what_pays_a_debt_makes_no_room() {
    let mut desk = desk(8, 1000);
    desk.offer(1, need(1500).tail(99.0));
    desk.offer(2, need(600).tail(20.0));
    desk.offer(3, need(600));
    // Five hundred are missing.
    desk.sample_bytes(0, &[holds(1, 1500)]);
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
    assert_eq!(desk.sample(1000, &[holds(2, 0)]), nothing());
}

#[test]
fn what_is_over_in_a_life_is_not_reserved_again() {
    let mut desk = desk(8, 1000);
    let course = Course((0..12).map(|step| if step < 6 { 700 * MB } else { 200 * MB }).collect());
    desk.offer(1, Prediction { course, ..need(700) });
    desk.offer(2, need(600));
    assert_eq!(desk.sample(800, &[Seen { ticket: 1, anon: 200, cpu_s: 4.0, idle: 0 }]), nothing());
    assert_eq!(desk.sample(800, &[Seen { ticket: 1, anon: 200, cpu_s: 8.0, idle: 0 }]), ["start 2"]);
}

#[test]
fn a_unit_that_holds_more_than_predicted_is_expected_to_grow() {
    let mut desk = desk(8, 1000);
    desk.offer(1, need(100));
    desk.sample(500, &[holds(1, 500)]);
    assert_eq!(desk.scheduler.promised(), 50 * MB);
    assert_eq!(desk.offer(2, need(451)), nothing());
    assert_eq!(desk.offer(3, need(450).takes(1.0)), ["start 3"]);
}

#[test]
fn what_threads_hold_is_not_more_than_predicted() {
    let mut desk = desk(3, 1000);
    let threads = Prediction { thread_cost: 40 * MB, ..need(100) };
    assert_eq!(desk.offer(1, threads), ["start 1", "tokens 1 2"]);
    // 180 in all are promised: 100, and 40 for each of two threads.
    desk.sample(890, &[holds(1, 110)]);
    assert_eq!(desk.scheduler.promised(), 70 * MB);
    desk.sample(820, &[holds(1, 180)]);
    assert_eq!(desk.scheduler.promised(), 0);
}

#[test]
fn the_first_starts_alone_though_it_does_not_fit() {
    let mut desk = desk(8, 1000);
    assert_eq!(desk.offer(1, need(5000)), ["start 1"]);
    assert_eq!(desk.offer(2, need(1)), nothing());
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
}

#[test]
fn a_wrapper_may_go_while_it_waits_or_runs() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    desk.offer(2, need(10));
    desk.offer(3, need(10));
    assert_eq!(desk.end(2, End::Finished), nothing());
    assert_eq!(desk.end(1, End::Finished), ["start 3"]);
    assert_eq!((desk.scheduler.waiting(), desk.scheduler.running()), (0, 1));
}

#[test]
fn the_reserved_one_may_go() {
    let mut desk = desk(8, 1000);
    desk.offer(1, need(600));
    desk.offer(2, need(900).tail(50.0));
    desk.offer(3, need(401).tail(40.0));
    assert_eq!(desk.scheduler.wanted(), Some(900 * MB));
    desk.end(2, End::Finished);
    assert_eq!(desk.scheduler.wanted(), Some(401 * MB));
}

#[test]
fn an_unknown_ticket_is_nobody() {
    let mut desk = desk(2, 1000);
    desk.offer(1, need(10));
    for end in [End::Finished, End::Evicted, End::Killed { confirmed: true }] {
        assert_eq!(desk.end(7, end), nothing());
    }
    assert_eq!(desk.step(Event::MetadataOut { ticket: 7 }), nothing());
    assert_eq!(desk.sample(1000, &[holds(7, 10)]), nothing());
    assert_eq!(desk.scheduler.running(), 1);
}

#[test]
fn a_ticket_that_is_offered_twice_counts_once() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    assert_eq!(desk.offer(1, need(20)), nothing(), "it runs");
    desk.offer(2, need(10).tail(5.0));
    desk.offer(2, need(10).tail(9.0));
    assert_eq!((desk.scheduler.waiting(), desk.scheduler.running()), (1, 1));
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
    assert_eq!(desk.end(2, End::Finished), nothing());
    assert_eq!(desk.end(2, End::Finished), nothing());
}

#[test]
fn absurd_predictions_do_no_harm() {
    let mut desk = desk(4, 1000);
    let absurd = Prediction { peak: u64::MAX, thread_cost: u64::MAX, cpu_s: f64::NAN, tail_s: f64::NAN, ..need(1) };
    assert_eq!(desk.offer(1, absurd.clone()), ["start 1"]);
    desk.offer(2, absurd);
    desk.offer(3, need(1).tail(f64::INFINITY));
    desk.sample(900, &[holds(1, 100)]);
    assert_eq!(desk.end(1, End::Finished), ["start 3"]);
    assert_eq!(desk.end(3, End::Finished), ["start 2"]);
}

#[test]
fn without_a_limit_sums_stay_in_range() {
    let mut desk = desk(2, 1000);
    desk.sample_bytes(u64::MAX, &[]);
    desk.offer(1, need(1));
    desk.sample_bytes(u64::MAX, &[Seen { idle: 1, ..holds(1, 1) }]);
    assert_eq!(desk.offer(2, Prediction { peak: u64::MAX - 100 * MB, ..need(1) })[0], "start 2");
    desk.sample_bytes(u64::MAX, &[holds(1, 1000)]);
    assert!(desk.scheduler.promised() > 100 * MB);
}

#[test]
fn nothing_starts_after_a_stop() {
    let mut desk = desk(4, 1000);
    desk.offer(1, need(10));
    desk.step(Event::Stop);
    assert_eq!(desk.offer(2, need(10)), nothing());
    assert_eq!(desk.kill(1), nothing());
    assert_eq!(desk.scheduler.waiting(), 1, "the killed one is not tried again");
    assert_eq!(desk.sample_after(9.0, 1000, &[]), nothing());
}

#[test]
fn nothing_starts_beside_others_while_tasks_stand_still() {
    let mut desk = desk(4, 1000);
    desk.stalled = true;
    desk.sample(1000, &[]);
    assert_eq!(desk.offer(1, need(10)), ["start 1"], "one runs always");
    assert_eq!(desk.offer(2, need(10)), nothing());
    desk.stalled = false;
    assert_eq!(desk.sample(1000, &[]), ["start 2"]);
}
