//! The workspace as cargo sees it: where it is, its crates in dependency order, its profiles and limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package};

use crate::flags::{self, BuildFlags};
use crate::outcome::UsageError;
use crate::{cargo_config, env};

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The extension's own crate and the crates of the workspace that it stands on, each behind what it needs.
    pub(crate) build_order: Vec<String>,
    /// Those of them that have tests of their own.
    pub(crate) tested: Vec<String>,
    limits: serde_json::Value,
    profiles: BTreeSet<String>,
}

/// Where things are, without asking cargo: enough to clean up behind a broken manifest.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Places {
    /// What xtask itself writes.
    pub(crate) fn own_files(&self) -> PathBuf {
        own_files(&self.target)
    }
}

/// What a build of one profile may take at most. From `[workspace.metadata.maou.limits]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// With up to two jobs.
    pub(crate) peak_anon_mib: f64,
    /// For each job beyond two.
    pub(crate) each_more_job_mib: f64,
    pub(crate) wall_s: f64,
}

impl Limits {
    /// Peak anonymous memory, MiB, that a build with `jobs` jobs may have.
    pub(crate) fn peak_with(&self, jobs: usize) -> f64 {
        self.peak_anon_mib + self.each_more_job_mib * jobs.saturating_sub(2) as f64
    }
}

/// Profiles that cargo has without a line in a manifest.
const BUILT_IN_PROFILES: [&str; 4] = ["dev", "release", "test", "bench"];

impl Workspace {
    /// Asks cargo for the members alone: offline, and in a few hundredths of a second.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let root = root()?;
        let metadata = metadata_command(&root)
            .no_deps()
            .exec()
            .with_context(|| format!("cannot read the workspace at {}", root.join("Cargo.toml").display()))?;
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
        let build_order = build_order(&metadata.workspace_packages())?;
        Ok(Workspace {
            target: metadata.target_directory.clone().into_std_path_buf(),
            tested: with_tests(&build_order, &metadata.workspace_packages()),
            build_order,
            limits: metadata.workspace_metadata["maou"]["limits"].clone(),
            profiles: profiles_in(&manifest),
            root,
        })
    }

    pub(crate) fn locate() -> anyhow::Result<Places> {
        let root = root()?;
        let target = target_directory(&root);
        Ok(Places { root, target })
    }

    /// The crate that becomes the Python module: the last of the order.
    pub(crate) fn extension(&self) -> &str {
        self.build_order.last().map_or("", String::as_str)
    }

    /// What xtask itself writes: records, logs, locks. All of it can be deleted.
    pub(crate) fn own_files(&self) -> PathBuf {
        own_files(&self.target)
    }

    /// `--profile`, else `$CARGO_PROFILE`, else dev; refused when the workspace has no such profile.
    pub(crate) fn profile(&self, flags: &BuildFlags) -> anyhow::Result<String> {
        let (name, source) = match (&flags.profile, env::text(env::CARGO_PROFILE)) {
            (Some(name), _) => (name.clone(), "--profile"),
            (None, Some(name)) => (name, env::CARGO_PROFILE),
            (None, None) => return Ok("dev".to_owned()),
        };
        self.check_profile(&name, source)?;
        Ok(name)
    }

    pub(crate) fn check_profile(&self, name: &str, source: &str) -> Result<(), UsageError> {
        if self.profiles.contains(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.profiles.iter().map(String::as_str).collect();
        let hint = flags::closest(name, known.iter().copied())
            .map(|close| format!("; did you mean `{close}`?"))
            .unwrap_or_default();
        Err(UsageError::new(format!("{source} {name}: no such profile (there are {}){hint}", known.join(", "))))
    }

    pub(crate) fn limits(&self, profile: &str) -> Option<Limits> {
        let of_profile = &self.limits[profile];
        let figure = |name: &str| of_profile[name].as_f64();
        Some(Limits {
            peak_anon_mib: figure("peak_anon_mib")?,
            each_more_job_mib: figure("each_more_job_mib")?,
            wall_s: figure("wall_s")?,
        })
    }

    /// The whole resolved graph, for `triple` only. Needs the registry; `offline` makes it fail instead of asking for it.
    pub(crate) fn resolve(&self, triple: &str, offline: bool) -> anyhow::Result<Metadata> {
        let mut options = vec!["--locked".to_owned(), "--filter-platform".to_owned(), triple.to_owned()];
        if offline {
            options.push("--offline".to_owned());
        }
        metadata_command(&self.root).other_options(options).exec().context("cannot resolve the dependency graph")
    }
}

/// The target directory of the workspace at `root`, as cargo would say.
fn target_directory(root: &Path) -> PathBuf {
    let named = env::path(env::CARGO_TARGET_DIR).or_else(|| env::path(env::CARGO_BUILD_TARGET_DIR));
    let configured = || Some(cargo_config::setting(root, "build.target-dir")?.path());
    named.map(|path| root.join(path)).or_else(configured).unwrap_or_else(|| root.join("target"))
}

/// What xtask writes, below the target directory.
pub(crate) fn own_files(target: &Path) -> PathBuf {
    target.join("xtask")
}

fn root() -> anyhow::Result<PathBuf> {
    let manifest_dir = env::own_manifest_dir();
    let root = manifest_dir.parent().context("xtask's own folder has no parent")?;
    if !root.join("Cargo.toml").is_file() {
        bail!("no Cargo.toml in {}: run `cargo xtask` inside a checkout of maou", root.display());
    }
    Ok(root.to_path_buf())
}

fn metadata_command(root: &Path) -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).current_dir(root);
    for name in env::OURS_ALONE {
        command.env_remove(name);
    }
    command
}

/// The names in `[profile.NAME]` and `[profile.NAME.package.…]`, and those that cargo has anyway.
fn profiles_in(manifest: &str) -> BTreeSet<String> {
    let declared = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[profile."))
        .filter_map(|rest| rest.split(['.', ']']).next())
        .map(str::to_owned);
    BUILT_IN_PROFILES.map(str::to_owned).into_iter().chain(declared).collect()
}

/// The cdylib member and all members below it, dependencies first.
fn build_order(packages: &[&Package]) -> anyhow::Result<Vec<String>> {
    let is_cdylib =
        |package: &Package| package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
    let extension = packages
        .iter()
        .find(|package| is_cdylib(package))
        .context("no crate of the workspace is a cdylib, so there is no extension to build")?;
    let mut order = Vec::new();
    visit(extension, packages, &mut order);
    Ok(order)
}

fn with_tests(names: &[String], packages: &[&Package]) -> Vec<String> {
    let has_tests = |name: &&String| {
        packages.iter().any(|package| *package.name == **name && package.targets.iter().any(|target| target.test))
    };
    names.iter().filter(has_tests).cloned().collect()
}

fn visit(package: &Package, packages: &[&Package], order: &mut Vec<String>) {
    if order.iter().any(|done| *done == *package.name) {
        return;
    }
    for dependency in &package.dependencies {
        let below = packages.iter().find(|other| *other.name == dependency.name && other.id != package.id);
        if let Some(below) = below.filter(|_| dependency.path.is_some()) {
            visit(below, packages, order);
        }
    }
    order.push(package.name.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_built_from_the_bottom_up() {
        let workspace = Workspace::load().expect("the workspace we are in");
        let position = |name: &str| {
            workspace.build_order.iter().position(|member| member == name).unwrap_or_else(|| panic!("{name} missing"))
        };
        assert!(position("maou_io") < position("maou_rust"));
        assert!(position("maou_index") < position("maou_rust"));
        assert_eq!(workspace.extension(), "maou_rust");
        assert!(!workspace.build_order.contains(&"xtask".to_owned()));
    }

    #[test]
    fn profiles_are_found_in_all_their_spellings() {
        let manifest = "[profile.dev]\n[profile.mem-opt]\n  [profile.release.package.\"*\"]\n# [profile.no]\n";
        let found = profiles_in(manifest);
        assert!(found.contains("mem-opt") && found.contains("bench") && !found.contains("no"));
    }

    #[test]
    fn an_unknown_profile_is_refused_with_a_suggestion() {
        let workspace = Workspace::load().expect("the workspace we are in");
        let error = workspace.check_profile("relese", "--profile").expect_err("there is none").to_string();
        assert!(error.contains("did you mean `release`?"), "{error}");
    }

    #[test]
    fn every_profile_that_ships_has_limits() {
        let workspace = Workspace::load().expect("the workspace we are in");
        for profile in ["dev", "release", "mem-opt"] {
            assert!(workspace.limits(profile).is_some(), "[workspace.metadata.maou.limits] lacks {profile}");
        }
    }
}
