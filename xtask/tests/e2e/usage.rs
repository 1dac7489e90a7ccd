//! Command lines, exit statuses, JSON.

use crate::support::Checkout;

#[test]
fn help_is_for_people_and_is_no_error() {
    let checkout = Checkout::new();
    for arguments in [&["help"][..], &[], &["--help"], &["build", "--help"], &["help", "build-split"]] {
        let ran = checkout.run(arguments);
        ran.ended_with(0);
        assert!(ran.stdout.contains("usage: cargo xtask"), "{}", ran.stdout);
    }
}

#[test]
fn wrong_usage_is_status_2_with_a_suggestion() {
    let checkout = Checkout::new();
    for (arguments, hint) in [
        (&["biuld"][..], "did you mean `cargo xtask build`?"),
        (&["build", "--profle", "dev"], "did you mean `--profile`?"),
        (&["build", "extra"], "does not know `extra`"),
        (&["build", "--profile", "relese"], "did you mean `release`?"),
        (&["monitor", "--", "no-such-program-here"], "no program `no-such-program-here`"),
    ] {
        let ran = checkout.run(arguments);
        ran.ended_with(2);
        ran.says(hint);
    }
}

#[test]
fn the_last_line_of_stdout_is_json_even_for_wrong_usage() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["build", "--json", "--jobs", "none"]);
    ran.ended_with(2);
    let json = ran.json();
    assert_eq!(json["status"], "failed");
    assert!(json["error"].as_str().is_some_and(|error| error.contains("--jobs none")), "{json}");
    assert!(json["wall_s"].is_number());
}

#[test]
fn preflight_prints_every_finding_and_counts() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["preflight", "--json"]);
    let json = ran.json();
    assert_eq!(json["command"], "preflight");
    let subjects: Vec<&str> =
        json["findings"].as_array().expect("a list").iter().filter_map(|finding| finding["subject"].as_str()).collect();
    for subject in [
        "memory",
        "swap",
        "cores",
        "disk",
        "toolchain",
        "linker",
        "C compiler",
        "python",
        ".venv",
        "uv",
        "registry",
        "features",
        "environment",
    ] {
        assert!(subjects.contains(&subject), "{subject} is missing in {subjects:?}");
    }
}

#[test]
fn preflight_warns_of_the_old_recipes_environment() {
    let checkout = Checkout::new();
    let output = checkout
        .xtask(&["preflight"])
        .env("RUSTFLAGS", "-C codegen-units=1 -C incremental=1")
        .env("CARGO_BUILD_JOBS", "1")
        .env("RUSTC_WRAPPER", "/usr/bin/env")
        .output()
        .expect("xtask starts");
    let ran = crate::support::Ran::of(&output);
    for part in ["codegen-units=1", "CARGO_BUILD_JOBS=1", "RUSTC_WRAPPER=/usr/bin/env"] {
        ran.says(part);
    }
}

#[test]
fn preflight_names_an_unknown_cargo_profile() {
    let checkout = Checkout::new();
    let output = checkout.xtask(&["preflight"]).env("CARGO_PROFILE", "fastest").output().expect("xtask starts");
    let ran = crate::support::Ran::of(&output);
    ran.ended_with(1);
    ran.says("CARGO_PROFILE fastest: no such profile");
}

#[test]
fn it_works_from_any_folder() {
    let checkout = Checkout::new();
    let output = checkout.xtask(&["preflight", "--json"]).current_dir("/").output().expect("xtask starts");
    assert_eq!(crate::support::Ran::of(&output).json()["command"], "preflight");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let checkout = Checkout::new();
    let mut command = checkout.xtask(&["preflight"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    command.stderr(writer.try_clone().expect("a pipe")).stdout(writer);
    let mut child = command.spawn().expect("xtask starts");
    drop((command, reader));
    let status = child.wait().expect("it ends");
    assert_ne!(status.code(), Some(101), "101 is a panic");
}
