//! Every selection of crates must resolve to the same features, or build-split compiles Polars twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// `name version [features]` of all that `package` is built from, on this machine.
fn resolved(package: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout");
    let output = Command::new("cargo")
        .args(["tree", "--locked", "--package", package, "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn no_crate_is_built_twice_with_different_features() {
    let whole = resolved("maou_rust");
    for package in ["maou_unify", "maou_io", "maou_index"] {
        let differing: Vec<String> = resolved(package).difference(&whole).cloned().collect();
        assert!(
            differing.is_empty(),
            "`cargo build -p {package}` builds these with other features than `-p maou_rust` does; give them the latter \
             in rust/maou_unify/Cargo.toml: {differing:#?}"
        );
    }
}
