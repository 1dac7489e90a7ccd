//! What users bring: machines without Python, folders that cannot be written, broken files.

use std::process::Command;

use crate::support::{Checkout, Ran, exists};

#[test]
fn no_python_is_said_with_the_fix() {
    let checkout = Checkout::new();
    let path = checkout.path_with(&["cargo", "rustc", "rustup", "cc", "gcc", "ld", "as", "sh", "env"]);
    let output = checkout.xtask(&["build", "--json"]).env("PATH", path).output().expect("xtask starts");
    let ran = Ran::of(&output);
    ran.ended_with(1);
    ran.says("there is no Python on PATH");
    ran.says("apt-get install python3");
    assert!(!exists(&checkout.root.join(".venv")));
}

#[test]
fn an_old_python_is_named_with_its_version() {
    let checkout = Checkout::new();
    let path = checkout.path_with(&["cargo", "rustc", "rustup", "cc", "gcc", "ld", "as", "sh", "env"]);
    checkout.script("bin-for-test/python3", "echo 3 8");
    let output = checkout.xtask(&["build"]).env("PATH", path).output().expect("xtask starts");
    let ran = Ran::of(&output);
    ran.ended_with(1);
    ran.says("Python 3.8");
    ran.says("needs 3.10 or newer");
}

#[test]
fn a_venv_of_an_old_python_is_kept_under_another_name() {
    let checkout = Checkout::new();
    checkout.script(".venv/bin/python", "echo 3 8");
    let ran = checkout.run(&["build"]);
    ran.says(".venv is Python 3.8");
    assert!(exists(&checkout.root.join(".venv.old1/bin/python")), "{}", ran.stderr);
    assert!(exists(&checkout.root.join(".venv/pyvenv.cfg")), "{}", ran.stderr);
}

#[test]
fn a_target_that_cannot_be_written_is_named() {
    let checkout = Checkout::new();
    let output =
        checkout.xtask(&["build", "--json"]).env("CARGO_TARGET_DIR", "/proc/nowhere").output().expect("xtask starts");
    let ran = Ran::of(&output);
    ran.ended_with(1);
    ran.says("cannot write to /proc/nowhere");
    ran.says("CARGO_TARGET_DIR");
}

#[test]
fn a_manifest_that_does_not_parse_is_named() {
    let checkout = Checkout::new();
    checkout.write("Cargo.toml", "[workspace\n");
    let ran = checkout.run(&["build", "--json"]);
    ran.ended_with(1);
    ran.says("Cargo.toml");
    assert_eq!(ran.json()["status"], "failed");
}

#[test]
fn sizes_that_are_none_are_refused() {
    let checkout = Checkout::new();
    for size in ["12 parsecs", "0", "-1G", "999999G"] {
        let ran = checkout.run(&["build", "--memory", size]);
        ran.ended_with(2);
        ran.says("--memory");
    }
}

#[test]
fn a_corrupt_target_is_built_again() {
    let checkout = Checkout::new();
    let first = checkout.run(&["build-split", "--json"]).json();
    assert_eq!(first["steps"][1]["compiled"], 1, "{first}");
    let fingerprints = checkout.root.join("target/debug/.fingerprint");
    for entry in std::fs::read_dir(fingerprints).expect("cargo was here").flatten() {
        for file in std::fs::read_dir(entry.path()).expect("a folder").flatten() {
            std::fs::write(file.path(), b"\xff\x00garbage").expect("ours");
        }
    }
    let second = checkout.run(&["build-split", "--json"]).json();
    assert_eq!(second["steps"][0]["compiled"], 1, "{second}");
    assert_eq!(second["steps"][1]["compiled"], 1, "{second}");
}

#[test]
fn artifacts_that_are_broken_come_with_the_cure() {
    let checkout = Checkout::new();
    checkout.run(&["build"]);
    for entry in std::fs::read_dir(checkout.root.join("target/debug/deps")).expect("cargo was here").flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "rlib" || ending == "rmeta") {
            let data = entry.metadata().expect("a file");
            std::fs::write(entry.path(), b"junk").expect("ours");
            let file = std::fs::File::options().write(true).open(entry.path()).expect("ours");
            file.set_modified(data.modified().expect("a time")).expect("ours");
        }
    }
    checkout.write("high/src/lib.rs", "pub fn three() -> i32 { low::one() * 3 }\n");
    let ran = checkout.run(&["build"]);
    ran.ended_with(1);
    ran.says("cargo xtask clean");
}

#[test]
fn a_path_with_spaces_and_japanese_is_a_path() {
    let checkout = Checkout::named("将棋 の AI");
    let ran = checkout.run(&["build-split", "--json"]);
    let json = ran.json();
    assert_eq!(json["steps"][0]["step"], "low", "{json}");
    assert_eq!(json["steps"][1]["compiled"], 1, "{json}");
    assert!(exists(&checkout.root.join(".venv/pyvenv.cfg")), "{}", ran.stderr);
}

#[test]
fn a_full_disk_is_called_a_full_disk() {
    let checkout = Checkout::new();
    let mount = checkout.root.join("small-disk");
    std::fs::create_dir_all(&mount).expect("writable");
    let may_mount = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("skipped: this user may not make a mount namespace, so there is no small disk to fill");
        return;
    }
    // Room for xtask's own files and cargo's first ones, not for an artifact.
    let script = "mount -t tmpfs -o size=300k tmpfs \"$CARGO_TARGET_DIR\" && exec \"$@\"";
    let inner = checkout.xtask(&["build", "--json"]);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command
        .current_dir(&checkout.root)
        .env("CARGO_TARGET_DIR", &mount)
        .env("CARGO_MANIFEST_DIR", checkout.root.join("xtask"));
    let ran = Ran::of(&command.output().expect("unshare starts"));
    ran.ended_with(1);
    ran.says("the disk is full");
}
