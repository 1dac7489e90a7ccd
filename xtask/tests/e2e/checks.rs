//! `test` through the real binary: what its checks compile is governed, and what they run is left alone.

use crate::support::{Checkout, Ran};

const TOOL_PROFILE: &str = "
[workspace]
resolver = \"3\"
members = [\"low\", \"high\", \"xtask\"]
[profile.tool]
inherits = \"dev\"
";

/// A checkout whose `.venv` has a pytest that passes if no governor is in its environment.
fn checkout() -> Checkout {
    let checkout = Checkout::new();
    checkout.write("Cargo.toml", TOOL_PROFILE);
    checkout.write("requirements/dev.txt", "");
    let pytest = "case \"$1 $2\" in \"-m pytest\") test -z \"$XTASK_GOVERNOR\"; exit;; esac";
    checkout.script(".venv/bin/python", &format!("{pytest}\nexec python3 \"$@\""));
    checkout
}

fn test(checkout: &Checkout, compiler: &std::path::Path) -> Ran {
    let mut command = checkout.xtask(&["test", "--no-install", "--json"]);
    // Else CI asks for servers too.
    command.env("RUSTC", compiler).env_remove("CI").env_remove("TEST_AWS").env_remove("TEST_GCP");
    Ran::of(&command.output().expect("xtask starts"))
}

fn verdicts(ran: &Ran) -> Vec<(String, bool)> {
    let json = ran.json();
    let checks = json["checks"].as_array().expect("checks");
    checks.iter().map(|check| (check["name"].as_str().unwrap_or_default().to_owned(), check["ok"] == true)).collect()
}

#[test]
fn a_compiler_of_tests_that_is_killed_is_run_again() {
    let checkout = checkout();
    checkout.write("low/src/lib.rs", "pub fn one() -> i32 { 1 }\n#[test]\nfn is_one() { assert_eq!(one(), 1) }\n");
    let killed_once = "here=$(dirname \"$0\")
case \" $* \" in *\" --test \"*) test -e \"$here/tried\" || { touch \"$here/tried\"; kill -9 $$; };; esac";
    let ran = test(&checkout, &checkout.fake_rustc("low", killed_once));
    ran.ended_with(0);
    ran.says("low (test) was killed by a signal, probably out of memory");
    ran.says("test is_one ... ok");
    let names: Vec<String> = verdicts(&ran).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["test low", "test high", "test xtask", "pytest"]);
}

#[test]
fn a_test_that_does_not_compile_fails_its_check_and_the_others_are_run() {
    let checkout = checkout();
    checkout.write("low/src/lib.rs", "pub fn one() -> i32 { 1 }\n#[test]\nfn is_one() { let _: i32 = \"one\"; }\n");
    let ran = test(&checkout, &checkout.fake_rustc("low", ""));
    ran.ended_with(1);
    assert_eq!(ran.stderr.matches("mismatched types").count(), 1, "{}", ran.stderr);
    let failed: Vec<bool> = verdicts(&ran).into_iter().map(|(_, ok)| ok).collect();
    assert_eq!(failed, [false, true, true, true]);
}
