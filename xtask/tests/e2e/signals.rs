//! Ctrl-C, and two builds at once.

use std::process::Stdio;

use crate::support::{Checkout, Started, build_at_work, ended, processes_with, signal, wait_until};

/// A build whose compiler says that it has begun and then sleeps for very long.
fn hanging_build(checkout: &Checkout) -> Started {
    build_at_work(checkout, &["build", "--json"], "sleep 987")
}

#[test]
fn ctrl_c_leaves_no_orphan_and_the_next_build_is_fine() {
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let checkout = Checkout::new();
        let child = hanging_build(&checkout);
        signal(&child, number);
        let ran = ended(child);
        ran.ended_with(130);
        assert_eq!(ran.json()["status"], "failed");
        assert!(!ran.stderr.contains("out of memory"), "nobody was short of memory:\n{}", ran.stderr);
        let marker = checkout.root.display().to_string();
        wait_until("no process of the checkout is left", || processes_with(&marker).is_empty());
        let next = checkout.run(&["build-split", "--json"]).json();
        assert_eq!(next["steps"][0]["compiled"], 1, "{next}");
    }
}

#[test]
fn ctrl_c_twice_is_at_once() {
    let checkout = Checkout::new();
    let child = hanging_build(&checkout);
    signal(&child, libc::SIGINT);
    signal(&child, libc::SIGINT);
    ended(child).ended_with(130);
}

#[test]
fn what_a_build_makes_is_not_removed_below_it() {
    let checkout = Checkout::new();
    let child = hanging_build(&checkout);
    for arguments in [&["clean"][..], &["clean", "--all"]] {
        let ran = checkout.run(arguments);
        ran.ended_with(1);
        ran.says(&format!("a build runs in this checkout (process {})", child.id()));
        assert!(checkout.root.join("target/debug").is_dir());
    }
    signal(&child, libc::SIGINT);
    ended(child);
    checkout.run(&["clean", "--all"]).ended_with(0);
}

#[test]
fn a_second_build_waits_and_says_so() {
    let checkout = Checkout::new();
    let first = hanging_build(&checkout);
    let log = checkout.root.join("second.log");
    let file = std::fs::File::create(&log).expect("writable");
    let second = checkout.xtask(&["build"]).stderr(file).stdout(Stdio::null()).spawn();
    let mut second = Started::from(second.expect("xtask starts"));
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("the second build says that it waits", || said().contains("another build runs in this checkout"));
    assert!(said().contains(&format!("process {}", first.id())), "{}", said());
    assert!(second.try_wait().expect("a child").is_none(), "it must wait");
    signal(&first, libc::SIGINT);
    ended(first);
    wait_until("the second build goes on", || said().contains("building high"));
    signal(&second, libc::SIGINT);
    ended(second);
}
