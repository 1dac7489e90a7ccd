//! Tokens, evictions and kills.

use super::*;

/// Units 1 to 3 run: 1 is the oldest, 2 has little work behind it, 3 has much, and a little more memory.
fn three() -> Desk {
    let mut desk = desk(3, 1000);
    for ticket in 1..=3 {
        desk.offer(ticket, need(300));
    }
    desk
}

const THREE: [Seen; 3] = [
    Seen { ticket: 1, anon: 400, cpu_s: 0.1, idle: 0 },
    Seen { ticket: 2, anon: 300, cpu_s: 1.0, idle: 0 },
    Seen { ticket: 3, anon: 310, cpu_s: 9.0, idle: 0 },
];

#[test]
fn the_one_that_frees_most_for_the_work_lost_is_evicted_never_the_oldest() {
    let mut desk = three();
    assert_eq!(desk.sample_short(&THREE), ["evict 2"]);
}

#[test]
fn metadata_that_is_out_makes_a_unit_worth_half() {
    let mut desk = three();
    desk.step(Event::MetadataOut { ticket: 2 });
    let like_unit_2 = Seen { ticket: 3, anon: 200, ..THREE[1] };
    assert_eq!(desk.sample_short(&[THREE[0], THREE[1], like_unit_2]), ["evict 3"]);
}

#[test]
fn one_eviction_a_second() {
    let mut desk = three();
    assert_eq!(desk.sample_short(&THREE), ["evict 2"]);
    desk.now = 0.9;
    assert_eq!(desk.sample_short(&THREE), nothing());
    desk.now = 1.0;
    assert_eq!(desk.sample_short(&THREE), ["evict 3"]);
    desk.now = 9.0;
    assert_eq!(desk.sample_short(&THREE), nothing(), "the oldest is left");
}

#[test]
fn the_oldest_that_is_not_dying_counts_as_the_oldest() {
    let mut desk = three();
    desk.sample_short(&THREE);
    desk.end(1, End::Finished);
    desk.now = 2.0;
    assert_eq!(desk.sample_short(&THREE[1..]), nothing());
}

#[test]
fn a_fall_that_was_not_predicted_is_acted_on_before_it_ends() {
    let mut desk = three();
    desk.sample(300, &[holds(1, 290), holds(2, 290), holds(3, 290)]);
    assert_eq!(desk.sample_after(0.1, 280, &[holds(1, 310), holds(2, 300), holds(3, 290)]), nothing());
    assert_eq!(desk.sample_after(0.1, 100, &[holds(1, 310), holds(2, 480), holds(3, 290)]), ["evict 2"]);
}

#[test]
fn a_fall_that_was_predicted_is_let_be() {
    let mut desk = three();
    desk.sample(900, &[holds(1, 0), holds(2, 0), holds(3, 0)]);
    assert_eq!(desk.sample_after(0.1, 100, &[holds(1, 290), holds(2, 290), holds(3, 220)]), nothing());
}

#[test]
fn a_fall_that_others_cause_is_nobodys_prediction() {
    let mut desk = three();
    desk.sample(300, &[holds(1, 290), holds(2, 290), holds(3, 290)]);
    desk.foreign = 200;
    assert_eq!(desk.sample_after(0.1, 100, &[holds(1, 290), holds(2, 290), holds(3, 290)]), ["evict 3"]);
}

#[test]
fn what_was_evicted_waits_a_second_and_needs_more() {
    let mut desk = three();
    desk.sample_short(&THREE);
    desk.now = 0.05;
    assert_eq!(desk.end(2, End::Evicted), nothing());
    assert_eq!(desk.scheduler.waiting(), 1);
    let others = [holds(1, 300), holds(3, 300)];
    assert_eq!(desk.sample_after(0.9, 345, &others), nothing());
    // 300 were seen: 345 are predicted.
    assert_eq!(desk.sample_after(0.1, 344, &others), nothing());
    assert_eq!(desk.sample(345, &others), ["start 2"]);
}

#[test]
fn who_was_evicted_three_times_runs_alone() {
    let mut desk = desk(2, 1000);
    desk.offer(1, need(100));
    desk.offer(2, need(100));
    for _ in 0..3 {
        desk.now += 2.0;
        assert_eq!(desk.sample_short(&[holds(1, 100), holds(2, 100)]), ["evict 2"]);
        desk.end(2, End::Evicted);
        desk.sample_after(2.0, 900, &[holds(1, 100)]);
    }
    assert_eq!(desk.scheduler.running(), 1, "there is room, but not for two");
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
    assert_eq!(desk.offer(3, need(1)), nothing());
}

#[test]
fn an_alone_attempt_drains_and_excludes() {
    let mut desk = desk(3, 1000);
    desk.offer(1, need(10));
    desk.offer(2, need(10));
    desk.kill(2);
    assert_eq!(desk.offer(3, need(1).tail(99.0)), nothing(), "all wait until unit 1 is gone");
    assert_eq!(desk.end(1, End::Finished), ["start 2"]);
    assert_eq!(desk.sample(1000, &[]), nothing());
    assert_eq!(desk.end(2, End::Finished), ["start 3"]);
}

#[test]
fn each_kill_makes_the_next_attempt_gentler() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let actions = desk.scheduler.step(Event::Ended { ticket: 1, end: End::Killed { confirmed: true } }, 0.0);
        let [Action::Start { attempt, .. }] = actions[..] else { panic!("{actions:?}") };
        attempts.push((attempt.kills, attempt.alone, attempt.single_thread, attempt.more_codegen_units));
    }
    assert_eq!(attempts, [(1, true, false, false), (2, true, true, false), (3, true, true, true)]);
}

#[test]
fn a_killed_unit_is_predicted_to_need_more() {
    let mut desk = desk(2, 1000);
    desk.offer(1, need(10));
    desk.sample(500, &[holds(1, 500)]);
    // A sample between its death and the news of it.
    desk.sample(1000, &[holds(1, 0)]);
    desk.kill(1);
    assert_eq!(desk.scheduler.promised(), 550 * MB);
}

#[test]
fn the_fourth_kill_for_want_of_memory_is_hopeless() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    for _ in 0..3 {
        desk.sample(120, &[holds(1, 870)]);
        assert_eq!(desk.kill(1), ["start 1"]);
    }
    desk.sample(120, &[holds(1, 870)]);
    assert_eq!(desk.kill(1), ["give up 1"]);
}

#[test]
fn kills_that_nobody_has_counted_are_not() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    for _ in 0..9 {
        desk.sample(120, &[holds(1, 870)]);
        assert_eq!(desk.end(1, End::Killed { confirmed: false }), ["start 1"]);
    }
    assert_eq!(desk.end(1, End::Killed { confirmed: false }), ["give up 1"], "nobody is started for ever");
}

#[test]
fn what_others_took_counts_as_memory_there_is() {
    let mut desk = desk(1, 1000);
    desk.offer(1, need(10));
    desk.foreign = 500;
    for _ in 0..9 {
        desk.sample(0, &[holds(1, 500)]);
        desk.kill(1);
        desk.sample_after(46.0, 500, &[]);
        assert_eq!(desk.scheduler.running(), 1);
    }
}

#[test]
fn who_waits_for_a_processor_starts_when_a_token_is_put_down() {
    let mut desk = desk(2, 1000);
    desk.offer(1, need(10).threads());
    desk.sample(990, &[holds(1, 10)]);
    assert_eq!(desk.offer(2, need(10)), nothing());
    assert_eq!(desk.step(Event::TokensIdle { ticket: 1, count: 1 }), ["start 2", "tokens 1 0"]);
}

/// Units 1 and 2 run, and two more processors have just become free. Unit 2 has more work behind it.
fn two_with_threads() -> Desk {
    let mut desk = desk(2, 1000);
    desk.offer(1, need(10).tail(5.0).threads());
    desk.sample(990, &[Seen { idle: 1, ..holds(1, 10) }]);
    desk.offer(2, need(10).tail(9.0).threads());
    desk.slots = 4;
    desk
}

#[test]
fn tokens_go_to_the_longest_tail() {
    let mut desk = two_with_threads();
    assert_eq!(desk.sample_after(0.5, 980, &[holds(1, 10), holds(2, 10)]), ["tokens 2 2"]);
}

#[test]
fn idle_tokens_are_taken_back_and_given_to_the_next() {
    let mut desk = two_with_threads();
    desk.sample_after(0.5, 980, &[holds(1, 10), holds(2, 10)]);
    let idle = [holds(1, 10), Seen { idle: 1, ..holds(2, 10) }];
    assert_eq!(desk.sample_after(0.1, 980, &idle), nothing());
    assert_eq!(desk.sample_after(0.1, 980, &idle), nothing());
    assert_eq!(desk.sample_after(0.1, 980, &idle), ["tokens 1 1", "tokens 2 1"]);
    assert_eq!(desk.end(1, End::Finished), nothing(), "unit 2 rests for half a second");
    assert_eq!(desk.sample_after(0.5, 980, &[holds(2, 10)]), ["tokens 2 3"]);
}

#[test]
fn an_idle_token_is_a_free_processor() {
    let mut desk = desk(2, 1000);
    assert_eq!(desk.offer(1, need(10).threads()), ["start 1", "tokens 1 1"]);
    assert_eq!(desk.offer(2, need(10)), nothing());
    let idle = Seen { idle: 1, ..holds(1, 10) };
    assert_eq!(desk.sample(990, &[idle]), ["start 2", "tokens 1 0"]);
}

#[test]
fn tokens_are_withheld_when_memory_is_short() {
    let mut desk = desk(4, 1000);
    assert_eq!(desk.offer(1, need(500).threads()), ["start 1", "tokens 1 3"]);
    assert_eq!(desk.sample_bytes(499 * MB, &[holds(1, 0)]), ["tokens 1 0"]);
    assert_eq!(desk.sample_after(0.5, 502, &[holds(1, 0)]), ["tokens 1 2"], "as many as there is memory for");
    desk.stalled = true;
    assert_eq!(desk.sample(900, &[holds(1, 0)]), ["tokens 1 0"]);
    assert_eq!(desk.sample_after(0.5, 900, &[holds(1, 0)]), nothing());
}

#[test]
fn a_single_thread_attempt_gets_no_tokens() {
    let mut desk = desk(4, 1000);
    desk.offer(1, need(10).threads());
    assert_eq!(desk.kill(1), ["start 1", "tokens 1 3"]);
    assert_eq!(desk.kill(1), ["start 1"]);
}
