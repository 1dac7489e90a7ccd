//! The first in line, those that overtake it, and waiting for other programs.

use super::*;

/// 600 of 1000 are taken for ten seconds, and 700 are wanted.
fn blocked() -> Desk {
    let mut desk = desk(8, 1000);
    assert_eq!(desk.offer(1, need(600).tail(99.0)), ["start 1"]);
    assert_eq!(desk.offer(2, need(700).tail(50.0)), nothing());
    desk
}

#[test]
fn who_would_make_the_first_wait_may_not_overtake() {
    let mut desk = blocked();
    assert_eq!(desk.offer(3, need(301).takes(10.5)), nothing(), "neither gone in ten seconds nor room for both");
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
}

#[test]
fn who_is_gone_in_time_may_overtake() {
    let mut desk = blocked();
    assert_eq!(desk.offer(3, need(400).takes(9.5)), ["start 3"]);
}

#[test]
fn who_fits_beside_the_first_may_overtake() {
    let mut desk = blocked();
    assert_eq!(desk.offer(3, need(300).takes(1000.0)), ["start 3"]);
    assert_eq!(desk.offer(4, need(90).takes(1000.0)), nothing(), "together they would be in its way");
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
}

#[test]
fn after_a_minute_predicted_times_count_no_more() {
    let mut desk = blocked();
    desk.sample_after(59.0, 1000, &[]);
    assert_eq!(desk.offer(3, need(310).takes(1.0)), ["start 3"]);
    assert_eq!(desk.end(3, End::Finished), nothing());
    desk.sample_after(2.0, 1000, &[]);
    assert_eq!(desk.offer(4, need(310).takes(1.0)), nothing());
}

#[test]
fn after_a_minute_the_first_starts_when_those_before_it_are_gone() {
    let mut desk = blocked();
    desk.sample_after(61.0, 1000, &[]);
    // Each would be gone before unit 1 is, were the predicted times true. Only one fits beside the first.
    assert_eq!(desk.offer(3, need(200).takes(1.0)), ["start 3"]);
    assert_eq!(desk.offer(4, need(200).takes(1.0)), nothing());
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
}

#[test]
fn a_new_first_has_its_own_minute() {
    let mut desk = blocked();
    desk.sample_after(61.0, 1000, &[]);
    desk.offer(3, need(800).tail(60.0));
    assert_eq!(desk.scheduler.wanted(), Some(800 * MB));
    assert_eq!(desk.offer(4, need(300).takes(1.0)), ["start 4"]);
}

/// Others have taken 600 of 1000 since the build began.
fn hog() -> Desk {
    let mut desk = desk(8, 1000);
    desk.foreign = 600;
    desk.sample(400, &[]);
    desk
}

#[test]
fn memory_that_others_took_is_waited_for() {
    let mut desk = hog();
    assert_eq!(desk.offer(1, need(500)), ["wait 1"]);
    assert_eq!(desk.sample_after(30.0, 400, &[]), nothing());
    assert_eq!(desk.scheduler.wanted(), Some(500 * MB));
    desk.foreign = 500;
    assert_eq!(desk.sample_after(10.0, 500, &[]), ["start 1"]);
}

#[test]
fn memory_that_others_took_is_not_waited_for_where_the_user_allows_too_little() {
    let mut desk = hog();
    desk.most = 450;
    desk.sample(400, &[]);
    assert_eq!(desk.offer(1, need(500)), ["start 1"]);
}

#[test]
fn others_may_run_while_the_first_waits_for_memory() {
    let mut desk = hog();
    desk.offer(1, need(500).tail(50.0));
    assert_eq!(desk.offer(2, need(300).takes(1.0)), ["start 2"]);
    desk.offer(3, need(300).takes(1.0));
    assert_eq!(desk.sample_after(61.0, 100, &[holds(2, 300)]), nothing());
    assert_eq!(desk.end(2, End::Finished), ["wait 1"], "it has been overtaken for a minute");
    assert_eq!(desk.sample_after(45.0, 400, &[]), ["start 1"]);
}

#[test]
fn a_killed_unit_that_waits_for_memory_is_not_overtaken() {
    let mut desk = desk(8, 1000);
    desk.offer(1, need(500));
    desk.kill(1);
    desk.foreign = 600;
    desk.sample(400, &[]);
    assert_eq!(desk.kill(1), ["wait 1"]);
    assert_eq!(desk.offer(2, need(10)), nothing());
}

#[test]
fn other_builds_are_waited_for() {
    let mut desk = desk(8, 1000);
    desk.neighbours = true;
    desk.sample(400, &[]);
    assert_eq!(desk.offer(1, need(500)), ["wait 1"]);
    assert_eq!(desk.scheduler.wanted(), Some(500 * MB));
    assert_eq!(desk.offer(2, need(300).tail(1.0)), ["start 2"]);
    desk.end(2, End::Finished);
    desk.neighbours = false;
    assert_eq!(desk.sample_after(99.0, 400, &[]), ["start 1"]);
}

#[test]
fn what_others_were_promised_is_not_ours() {
    let mut desk = desk(2, 1000);
    let share = Share { slots: 2, reserved: 700 * MB, headroom: None, behind_others: true };
    desk.step(Event::Shared(share));
    assert_eq!(desk.offer(1, need(500)), ["wait 1"]);
    // They claim it no more, since they hold it now.
    let headroom = Some(300 * MB + pressure::CRITICAL);
    assert_eq!(desk.step(Event::Shared(Share { reserved: 0, headroom, ..share })), nothing());
    assert_eq!(desk.offer(2, need(300)), ["start 2"]);
}

#[test]
fn what_would_not_fit_without_the_others_either_is_not_waited_for() {
    let mut desk = hog();
    assert_eq!(desk.offer(1, need(1100)), ["start 1"]);
}

#[test]
fn a_little_that_others_took_is_not_waited_for() {
    let mut desk = desk(8, 1000);
    desk.foreign = 60;
    desk.sample(460, &[]);
    assert_eq!(desk.offer(1, need(500)), ["start 1"]);
}

#[test]
fn waiting_has_an_end() {
    let mut desk = hog();
    desk.offer(1, need(500));
    assert_eq!(desk.sample_after(44.0, 400, &[]), nothing());
    assert_eq!(desk.sample_after(1.0, 400, &[]), ["start 1"]);
}

#[test]
fn all_waits_together_have_an_end() {
    let mut desk = hog();
    let mut waited = 0.0;
    for ticket in 0..20 {
        desk.offer(ticket, need(500));
        while desk.scheduler.running() == 0 {
            waited += 1.0;
            desk.sample_after(1.0, 400, &[]);
        }
        desk.end(ticket, End::Finished);
    }
    assert_eq!(waited, 300.0);
}

#[test]
fn a_wait_is_said_though_the_unit_was_reserved_before() {
    let mut desk = blocked();
    desk.foreign = 700;
    desk.sample(0, &[holds(1, 300)]);
    assert_eq!(desk.end(1, End::Finished), ["wait 2"]);
}

#[test]
fn a_wait_ends_with_the_wrapper() {
    let mut desk = hog();
    desk.offer(1, need(500));
    desk.now = 10.0;
    desk.end(1, End::Finished);
    desk.now = 100.0;
    assert_eq!(desk.offer(2, need(500)), ["wait 2"]);
    assert_eq!(desk.sample_after(44.0, 400, &[]), nothing());
    assert_eq!(desk.sample_after(1.0, 400, &[]), ["start 2"]);
}
