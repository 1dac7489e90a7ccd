//! The command line of `bench`.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use pico_args::Arguments;

#[cfg(unix)]
use super::chaos::ChaosBench;
use super::foreign::ForeignBench;
use super::matrix::{CageLimit, Profile};
#[cfg(unix)]
use super::options;
use super::prediction::PredictionBench;
use super::scheduler::SchedulerFlags;
use super::seed::SeedBench;
use super::tools::Tool;
#[cfg(unix)]
use super::wrapper::WrapperBench;
use crate::flags::closest;
use crate::outcome::UsageError;

#[derive(Debug)]
pub(crate) enum BenchFlags {
    Build(BuildBench),
    Seed(SeedBench),
    Scheduler(SchedulerFlags),
    /// The files to make tables of.
    Table(Vec<PathBuf>),
    #[cfg(unix)]
    Chaos(ChaosBench),
    /// MiB. What `bench chaos` starts, and nobody else.
    #[cfg(unix)]
    Hog(usize),
    #[cfg(unix)]
    Wrapper(WrapperBench),
    Prediction(PredictionBench),
    Foreign(ForeignBench),
}

/// What `bench build` compares.
#[derive(Debug)]
pub(crate) struct BuildBench {
    pub(super) profiles: Vec<Profile>,
    pub(super) cages: Vec<CageLimit>,
    pub(super) jobs: Vec<usize>,
    pub(super) tools: Vec<Tool>,
    /// Runs of each cell.
    pub(super) repeat: usize,
    /// A run that takes longer is ended.
    pub(super) timeout: Duration,
    /// Whether runs that the file has already are forgotten.
    pub(super) fresh: bool,
    /// Where to look for a tool before PATH.
    pub(super) tool_path: Option<PathBuf>,
    pub(super) file: Option<PathBuf>,
    pub(super) markdown: Option<PathBuf>,
}

const TIMEOUT_MINUTES: u64 = 40;
const SUBCOMMANDS: [&str; 8] = ["build", "chaos", "foreign", "prediction", "scheduler", "seed", "table", "wrapper"];

impl BenchFlags {
    /// Takes what it knows out of `arguments` and leaves the rest, for the caller to refuse.
    pub(crate) fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        match arguments.subcommand().map_err(usage)?.as_deref() {
            Some("build") => Ok(BenchFlags::Build(BuildBench::parse(arguments)?)),
            Some("scheduler") => Ok(BenchFlags::Scheduler(SchedulerFlags { file: free_path(arguments)? })),
            Some("seed") => Ok(BenchFlags::Seed(SeedBench::parse(arguments)?)),
            Some("table") => table(arguments),
            #[cfg(unix)]
            Some("chaos") => Ok(BenchFlags::Chaos(ChaosBench::parse(arguments)?)),
            #[cfg(unix)]
            Some("hog") => Ok(BenchFlags::Hog(options::mebibytes(arguments)?)),
            #[cfg(unix)]
            Some("wrapper") => Ok(BenchFlags::Wrapper(WrapperBench::parse(arguments)?)),
            Some("prediction") => Ok(BenchFlags::Prediction(PredictionBench::parse(arguments)?)),
            Some("foreign") => Ok(BenchFlags::Foreign(ForeignBench::parse(arguments)?)),
            Some(other) => Err(UsageError::new(format!("`bench {other}`: {}", known(other, &SUBCOMMANDS)))),
            None => Err(UsageError::new("bench what? `cargo xtask bench build`, or `cargo xtask bench table FILE…`")),
        }
    }
}

impl BuildBench {
    fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        let options = BuildBench {
            profiles: list(arguments, "--profiles", "dev")?,
            cages: list(arguments, "--cages", "1G,none")?,
            jobs: list(arguments, "--jobs", "2")?,
            tools: list(arguments, "--tools", "ours,cargo,cargo-j1,mbx,kache")?,
            repeat: count(arguments, "--repeat", 1)?,
            timeout: Duration::from_secs(60 * count(arguments, "--timeout", TIMEOUT_MINUTES)?),
            fresh: arguments.contains("--fresh"),
            tool_path: path(arguments, "--tool-path")?,
            markdown: path(arguments, "--markdown")?,
            file: free_path(arguments)?,
        };
        if options.jobs.contains(&0) {
            return Err(UsageError::new("--jobs 0: give whole numbers from 1 on"));
        }
        Ok(options)
    }
}

impl SeedBench {
    fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        Ok(SeedBench {
            profiles: list(arguments, "--profiles", "dev,release,mem-opt")?,
            single: arguments.contains("--single"),
            keep: arguments.contains("--keep"),
            write: arguments.contains("--write"),
        })
    }
}

fn table(arguments: &mut Arguments) -> Result<BenchFlags, UsageError> {
    let mut files = Vec::new();
    while let Some(file) = free_path(arguments)? {
        files.push(file);
    }
    if files.is_empty() {
        return Err(UsageError::new("bench table: give at least one FILE that `bench build` has written"));
    }
    Ok(BenchFlags::Table(files))
}

/// A comma-separated list without repetitions.
pub(super) fn list<T>(arguments: &mut Arguments, name: &'static str, default: &str) -> Result<Vec<T>, UsageError>
where
    T: FromStr + PartialEq,
    T::Err: Display,
{
    let text: Option<String> = arguments.opt_value_from_str(name).map_err(usage)?;
    let mut items = Vec::new();
    for word in text.as_deref().unwrap_or(default).split(',').map(str::trim) {
        let item = word.parse().map_err(|reason| UsageError::new(format!("{name} {word}: {reason}")))?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

pub(super) fn count<T>(arguments: &mut Arguments, name: &'static str, default: T) -> Result<T, UsageError>
where
    T: FromStr + PartialOrd + From<u8>,
{
    let Some(text) = arguments.opt_value_from_str::<_, String>(name).map_err(usage)? else { return Ok(default) };
    let (one, most) = (T::from(1), T::from(u8::MAX));
    match text.parse() {
        Ok(count) if count >= one && count <= most => Ok(count),
        _ => Err(UsageError::new(format!("{name} {text}: give a whole number from 1 to {}", u8::MAX))),
    }
}

pub(super) fn path(arguments: &mut Arguments, name: &'static str) -> Result<Option<PathBuf>, UsageError> {
    arguments.opt_value_from_os_str(name, |text| Ok::<_, String>(PathBuf::from(text))).map_err(usage)
}

/// The next argument that is no option; one that looks like it is left to be refused.
pub(super) fn free_path(arguments: &mut Arguments) -> Result<Option<PathBuf>, UsageError> {
    let mut peeked = arguments.clone();
    let first = peeked.opt_free_from_os_str(|text| Ok::<_, String>(PathBuf::from(text))).map_err(usage)?;
    if first.as_ref().is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(b"-")) {
        return Ok(None);
    }
    *arguments = peeked;
    Ok(first)
}

/// What there is instead of `word`.
pub(super) fn known(word: &str, names: &[&str]) -> String {
    let hint = closest(word, names.iter().copied()).map(|name| format!("; did you mean `{name}`?"));
    format!("there are {}{}", names.join(", "), hint.unwrap_or_default())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn usage(error: pico_args::Error) -> UsageError {
    UsageError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<BenchFlags, UsageError> {
        let mut arguments = Arguments::from_vec(words.split_whitespace().map(Into::into).collect());
        let flags = BenchFlags::parse(&mut arguments)?;
        match arguments.finish().first() {
            None => Ok(flags),
            Some(left) => Err(UsageError::new(format!("left: {}", left.display()))),
        }
    }

    fn build(words: &str) -> BuildBench {
        match parse(&format!("build {words}")).expect("valid") {
            BenchFlags::Build(options) => options,
            _ => panic!("not a build"),
        }
    }

    fn message(words: &str) -> String {
        parse(words).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_bare_benchmark_is_small() {
        let options = build("");
        assert_eq!((options.profiles.len(), options.cages.len(), options.jobs.as_slice()), (1, 2, &[2][..]));
        assert_eq!(options.tools.len(), 5);
        assert_eq!((options.repeat, options.timeout), (1, Duration::from_secs(2400)));
        assert_eq!(options.file, None);
    }

    #[test]
    fn lists_are_lists() {
        let options = build("out.json --profiles dev,lazy --cages 832M,1G,none --jobs 2,8,2 --tools=ours,cargo-j1");
        assert_eq!(options.cages, [CageLimit(Some(832 << 20)), CageLimit(Some(1 << 30)), CageLimit(None)]);
        assert_eq!(options.jobs, [2, 8]);
        assert_eq!(options.tools, [Tool::Ours, Tool::CargoOneJob]);
        assert_eq!(options.file, Some("out.json".into()));
    }

    #[test]
    fn the_rest_is_understood() {
        let options = build("--repeat 3 --timeout 5 --fresh --tool-path /opt/bin --markdown t.md");
        assert_eq!((options.repeat, options.timeout, options.fresh), (3, Duration::from_secs(300), true));
        assert_eq!((options.tool_path, options.markdown), (Some("/opt/bin".into()), Some("t.md".into())));
    }

    #[test]
    fn tables_take_files() {
        let BenchFlags::Table(files) = parse("table a.json b.json").expect("valid") else { panic!("not a table") };
        assert_eq!(files.len(), 2);
        assert!(message("table").contains("at least one FILE"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(message("biuld").contains("did you mean `build`?"));
        assert!(message("").contains("bench what?"));
        assert!(message("build --tools cagro").contains("did you mean `cargo`?"));
        assert!(message("build --cages 1parsec").contains("--cages 1parsec: not a size"));
        assert!(message("build --jobs 0").contains("--jobs 0"));
        assert!(message("build --jobs 2,x").contains("--jobs x"));
        assert!(message("build --repeat 0").contains("--repeat 0"));
        assert!(message("build --nonsense").contains("left: --nonsense"));
        assert!(message("build a.json b.json").contains("left: b.json"));
    }
}
