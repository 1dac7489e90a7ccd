//! The workspaces that are built: many crates with next to nothing in them, and a chain of crates whose code takes the
//! compiler longer than what the next one waits for.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Functions that each crate of the chain has to generate code for, and statements in each of them: about as long as
/// a crate of some size takes.
const FUNCTIONS: usize = 20;
const STATEMENTS: usize = 40;

/// `count` libraries that need nothing, and a binary that needs them all.
pub(super) fn write_many(folder: &Path, count: usize) -> anyhow::Result<()> {
    let mut dependencies = String::new();
    let mut calls = String::new();
    for index in 0..count {
        write_crate(&folder.join(format!("crates/{}", tiny(index))), &tiny(index), "", "lib.rs", &library(index))?;
        // Writing to a String cannot fail.
        let _ = writeln!(dependencies, "{0} = {{ path = \"../crates/{0}\" }}", tiny(index));
        let _ = writeln!(calls, "    sum += {}::sum(&[sum, 1]);", tiny(index));
    }
    let main = format!("fn main() {{\n    let mut sum = 0;\n{calls}    println!(\"{{sum}}\");\n}}\n");
    write_crate(&folder.join("all"), "all", &dependencies, "main.rs", &main)?;
    write(&folder.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"all\", \"crates/*\"]\n")
}

/// `count` libraries, each of which needs the one before it, optimised and of one codegen unit each: a dependent can
/// start while the most of its dependency's time is still to come, and nothing but that runs beside it.
pub(super) fn write_chain(folder: &Path, count: usize) -> anyhow::Result<()> {
    for index in 0..count {
        let before = index.checked_sub(1).map(link);
        let dependency =
            before.as_ref().map_or_else(String::new, |name| format!("{name} = {{ path = \"../{name}\" }}\n"));
        write_crate(&folder.join(link(index)), &link(index), &dependency, "lib.rs", &busy(before.as_deref()))?;
    }
    write(
        &folder.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"link_*\"]\n[profile.dev]\nopt-level = 3\ndebug = false\ncodegen-units = 1\n",
    )
}

fn tiny(index: usize) -> String {
    format!("tiny_{index:04}")
}

fn link(index: usize) -> String {
    format!("link_{index:04}")
}

fn library(index: usize) -> String {
    format!(
        "#[derive(Debug, Clone, PartialEq)]\npub struct Item {{\n    pub name: String,\n    pub value: u64,\n}}\n\n\
         pub fn sum(values: &[u64]) -> u64 {{\n    values.iter().map(|value| value.wrapping_mul({index})).sum()\n}}\n\n\
         pub fn item(value: u64) -> Item {{\n    Item {{ name: format!(\"item {{value}} of {index}\"), value }}\n}}\n"
    )
}

/// Arithmetic that can neither be computed beforehand nor be left out.
fn busy(before: Option<&str>) -> String {
    let mut text = String::new();
    for function in 0..FUNCTIONS {
        let _ = write!(text, "#[inline(never)]\nfn work_{function}(values: &mut [f64], scale: f64) {{\n");
        text.push_str("    for at in 8..values.len() {\n        let mut x = values[at];\n");
        for statement in 0..STATEMENTS {
            let (back, factor) = (1 + statement % 8, 3 + function * STATEMENTS + statement);
            let _ =
                writeln!(text, "        x = (x * scale + values[at - {back}]).abs().sqrt() + {factor}.5 / (x + 1.0);");
        }
        text.push_str("        values[at] = x;\n    }\n}\n\n");
    }
    text.push_str("pub fn go(values: &mut [f64]) {\n");
    for function in 0..FUNCTIONS {
        let _ = writeln!(text, "    work_{function}(values, {function}.25);");
    }
    if let Some(before) = before {
        let _ = writeln!(text, "    {before}::go(values);");
    }
    text + "}\n"
}

fn write_crate(folder: &Path, name: &str, dependencies: &str, root: &str, source: &str) -> anyhow::Result<()> {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}"
    );
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("src").join(root), source)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let folder = file.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_needs_every_library() {
        let folder = std::env::temp_dir().join(format!("xtask-bench-many-{}", std::process::id()));
        write_many(&folder, 3).expect("writable");
        let manifest = std::fs::read_to_string(folder.join("all/Cargo.toml")).expect("there");
        let main = std::fs::read_to_string(folder.join("all/src/main.rs")).expect("there");
        for name in ["tiny_0000", "tiny_0001", "tiny_0002"] {
            assert!(folder.join("crates").join(name).join("src/lib.rs").is_file());
            assert!(manifest.contains(&format!("{name} = {{ path = \"../crates/{name}\" }}")), "{manifest}");
            assert!(main.contains(&format!("{name}::sum")), "{main}");
        }
        std::fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn each_link_needs_the_one_before() {
        let folder = std::env::temp_dir().join(format!("xtask-bench-chain-{}", std::process::id()));
        write_chain(&folder, 2).expect("writable");
        let manifest = |name: &str| std::fs::read_to_string(folder.join(name).join("Cargo.toml")).expect("there");
        assert!(manifest("link_0000").ends_with("[dependencies]\n"));
        assert!(manifest("link_0001").ends_with("link_0000 = { path = \"../link_0000\" }\n"));
        let source = std::fs::read_to_string(folder.join("link_0001/src/lib.rs")).expect("there");
        assert!(source.contains("link_0000::go(values)") && source.contains("work_19(values, 19.25)"));
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
