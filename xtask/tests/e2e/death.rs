//! Compilers that die, and compilers that are right to refuse.

use crate::support::{Checkout, Ran};

#[test]
fn a_killed_compiler_is_named_with_its_signal() {
    let checkout = Checkout::new();
    let compiler = checkout.fake_rustc("low", "kill -9 $$");
    let output = checkout.xtask(&["build-split", "--json"]).env("RUSTC", compiler).output().expect("xtask starts");
    let ran = Ran::of(&output);
    ran.ended_with(1);
    ran.says("low was killed by a signal, probably out of memory");
    ran.says("low was killed 10 times");
    ran.says("What helps");
    let json = ran.json();
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn a_rerun_goes_on_behind_the_last_finished_step() {
    let checkout = Checkout::new();
    let compiler = checkout.fake_rustc("_rust", "test -e \"$(dirname \"$0\")/well\" || kill -9 $$");
    let split = |checkout: &Checkout| {
        let output = checkout.xtask(&["build-split", "--json"]).env("RUSTC", &compiler).output().expect("xtask starts");
        Ran::of(&output)
    };
    let first = split(&checkout);
    first.says("high was killed 10 times");
    checkout.write("well", "");
    let second = split(&checkout);
    let json = second.json();
    assert_eq!(json["steps"][0]["compiled"], 0, "low was finished before: {json}");
    assert_eq!(json["steps"][1]["compiled"], 1, "{json}");
    second.says("fresh");
}

#[test]
fn a_compile_error_is_shown_once_and_is_not_called_a_death() {
    let checkout = Checkout::new();
    checkout.write("low/src/lib.rs", "pub fn one() -> i32 { \"one\" }\n");
    let ran = checkout.run(&["build", "--json"]);
    ran.ended_with(1);
    assert_eq!(ran.stderr.matches("mismatched types").count(), 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("signal"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "failed");
}

#[test]
fn the_old_recipes_flags_do_not_reach_the_compiler() {
    let checkout = Checkout::new();
    let compiler = checkout.fake_rustc("low", "echo \"$*\" > \"$(dirname \"$0\")/low-flags\"");
    let output = checkout
        .xtask(&["build"])
        .env("RUSTC", compiler)
        .env("RUSTFLAGS", "-C codegen-units=1 -C incremental=1 --cfg kept")
        .output()
        .expect("xtask starts");
    let flags = std::fs::read_to_string(checkout.root.join("low-flags")).expect("low was compiled");
    assert!(flags.contains("--cfg kept"), "{flags}");
    assert!(!flags.contains("codegen-units=1") && !flags.contains("incremental=1"), "{flags}");
    Ran::of(&output).says("dropped");
}

#[test]
fn jobs_and_profile_reach_cargo() {
    let checkout = Checkout::new();
    let output = checkout.xtask(&["build", "--json"]).env("CARGO_PROFILE", "release").output().expect("xtask starts");
    let json = Ran::of(&output).json();
    assert_eq!(json["profile"], "release", "{json}");
    assert!(checkout.root.join("target/release").is_dir());
    let json = checkout.run(&["build", "--json", "--jobs", "1"]).json();
    assert_eq!((json["profile"].as_str(), json["jobs"].as_u64()), (Some("dev"), Some(1)), "{json}");
}
