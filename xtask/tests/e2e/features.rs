//! Every selection of crates must resolve to the same features, or build-split compiles Polars twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// `name version [features]` of all that `package` is built from by dependencies of these kinds, on this machine.
fn resolved(package: &str, edges: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout");
    let output = Command::new("cargo")
        .args(["tree", "--locked", "--package", package, "--edges", edges, "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn no_crate_is_built_twice_with_different_features() {
    let whole = resolved("maou_rust", "normal,build");
    for package in ["maou_unify", "maou_io", "maou_index"] {
        let differing: Vec<String> = resolved(package, "normal,build").difference(&whole).cloned().collect();
        assert!(
            differing.is_empty(),
            "`cargo build -p {package}` builds these with other features than `-p maou_rust` does; give them the latter \
             in rust/maou_unify/Cargo.toml: {differing:#?}"
        );
    }
}

#[test]
fn tests_stand_on_what_the_build_has_compiled() {
    for package in ["maou_io", "maou_index", "maou_rust"] {
        let built = resolved(package, "normal,build");
        let name = |line: &str| line.split(" [").next().unwrap_or_default().to_owned();
        let names: BTreeSet<String> = built.iter().map(|line| name(line)).collect();
        let tested = resolved(package, "normal,build,dev");
        // maou_io's tests have Arrow itself compress files.
        let differing: Vec<&String> = tested
            .difference(&built)
            .filter(|line| names.contains(&name(line)) && !line.starts_with("arrow-ipc "))
            .collect();
        assert!(
            differing.is_empty(),
            "`cargo test -p {package}` builds these, and all that stands on them, a second time with other features; give \
             them these in rust/maou_unify/Cargo.toml: {differing:#?}"
        );
    }
}
