//! Every command, its flags and its help, in one place.

use std::ffi::OsString;
use std::time::Duration;

use pico_args::Arguments;

use crate::bench::BenchFlags;
use crate::govern;
use crate::memory;
use crate::monitor;
use crate::outcome::UsageError;

mod closest;
mod help;

pub(crate) use closest::closest;
pub(crate) use help::print as help;
use help::{known_flags, page, unknown_command};

/// One parsed command line.
#[derive(Debug)]
pub(crate) struct Flags {
    pub(crate) command: Command,
}

#[derive(Debug)]
pub(crate) enum Command {
    Help(Option<String>),
    Preflight(BuildFlags),
    Build(BuildFlags),
    BuildSplit(BuildFlags),
    Verify(BuildFlags),
    Test(CheckFlags),
    Ci(CheckFlags),
    Monitor(monitor::Options),
    Bench(BenchFlags),
    Govern(govern::Options),
    Clean(CleanFlags),
}

/// What can be said about a build. `preflight` and `verify` take the same, so that they speak of the same build.
#[derive(Debug, Default, Clone)]
pub(crate) struct BuildFlags {
    /// `--profile P`, or `--release`.
    pub(crate) profile: Option<String>,
    /// `--jobs N`, at least 1.
    pub(crate) jobs: Option<usize>,
    /// `--memory SIZE` in bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) offline: bool,
    pub(crate) locked: bool,
    pub(crate) wheel: bool,
    /// `--no-install`: compile only.
    pub(crate) no_install: bool,
    /// `--features LIST`, as cargo takes it.
    pub(crate) features: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct CheckFlags {
    pub(crate) build: BuildFlags,
    /// Arguments behind `--`, for pytest.
    pub(crate) pytest: Vec<OsString>,
}

#[derive(Debug, Default)]
pub(crate) struct CleanFlags {
    pub(crate) all: bool,
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Help(_) => "help",
            Command::Preflight(_) => "preflight",
            Command::Build(_) => "build",
            Command::BuildSplit(_) => "build-split",
            Command::Verify(_) => "verify",
            Command::Test(_) => "test",
            Command::Ci(_) => "ci",
            Command::Monitor(_) => "monitor",
            Command::Bench(_) => "bench",
            Command::Govern(_) => "govern",
            Command::Clean(_) => "clean",
        }
    }
}

/// Whether `--json` stands before `--`; asked before parsing, so that a wrong command line is answered in JSON too.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

pub(crate) fn parse(mut arguments: Vec<OsString>) -> Result<Flags, UsageError> {
    let behind_dashes = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => arguments.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let mut arguments = Arguments::from_vec(arguments);
    let json = arguments.contains("--json");
    let help = arguments.contains(["-h", "--help"]);
    let name = arguments.subcommand().map_err(|error| UsageError::new(error.to_string()))?;
    let Some(name) = name else {
        let leftovers = arguments.finish();
        return match leftovers.first() {
            Some(first) => Err(UsageError::new(format!("unknown option `{}`", first.display()))),
            None => Ok(Flags { command: Command::Help(None) }),
        };
    };
    if help {
        page(&name)?;
        return Ok(Flags { command: Command::Help(Some(name)) });
    }
    let takes_rest = matches!(name.as_str(), "monitor" | "test" | "govern");
    if !behind_dashes.is_empty() && !takes_rest {
        return Err(UsageError::new(format!("`cargo xtask {name}` takes nothing behind `--`")));
    }
    let command = parse_command(&name, &mut arguments, behind_dashes, json)?;
    no_leftovers(&name, arguments)?;
    Ok(Flags { command })
}

fn parse_command(
    name: &str,
    arguments: &mut Arguments,
    rest: Vec<OsString>,
    json: bool,
) -> Result<Command, UsageError> {
    Ok(match name {
        "help" => Command::Help(arguments.opt_free_from_str().map_err(usage)?),
        "preflight" => Command::Preflight(build_flags(arguments)?),
        "build" => Command::Build(build_flags(arguments)?),
        "build-split" => Command::BuildSplit(split_flags(arguments)?),
        "verify" => Command::Verify(build_flags(arguments)?),
        "test" => Command::Test(CheckFlags { build: build_flags(arguments)?, pytest: rest }),
        "ci" => Command::Ci(CheckFlags { build: build_flags(arguments)?, pytest: Vec::new() }),
        "bench" => Command::Bench(BenchFlags::parse(arguments)?),
        "govern" => Command::Govern(govern_options(arguments, rest)?),
        "clean" => Command::Clean(CleanFlags { all: arguments.contains("--all") }),
        "monitor" => Command::Monitor(monitor_options(arguments, rest, json)?),
        _ => return Err(unknown_command(name)),
    })
}

fn build_flags(arguments: &mut Arguments) -> Result<BuildFlags, UsageError> {
    let release = arguments.contains("--release");
    let profile: Option<String> = arguments.opt_value_from_str("--profile").map_err(usage)?;
    if release && profile.as_deref().is_some_and(|name| name != "release") {
        return Err(UsageError::new("`--release` and `--profile` name two profiles; give one"));
    }
    Ok(BuildFlags {
        profile: profile.or_else(|| release.then(|| "release".to_owned())),
        jobs: jobs_value(arguments)?,
        memory: memory_value(arguments)?,
        offline: arguments.contains("--offline"),
        locked: arguments.contains("--locked"),
        wheel: arguments.contains("--wheel"),
        no_install: arguments.contains("--no-install"),
        features: text_value(arguments, ["--features", "--features"])?,
    })
}

fn split_flags(arguments: &mut Arguments) -> Result<BuildFlags, UsageError> {
    let flags = build_flags(arguments)?;
    if flags.jobs.is_some_and(|jobs| jobs != 1) {
        return Err(UsageError::new(
            "build-split builds one crate at a time with one job; `--jobs` belongs to `build`",
        ));
    }
    Ok(BuildFlags { jobs: Some(1), ..flags })
}

fn govern_options(arguments: &mut Arguments, command: Vec<OsString>) -> Result<govern::Options, UsageError> {
    Ok(govern::Options { memory: memory_value(arguments)?, jobs: jobs_value(arguments)?, command })
}

fn monitor_options(
    arguments: &mut Arguments,
    command: Vec<OsString>,
    json: bool,
) -> Result<monitor::Options, UsageError> {
    let interval: Option<f64> = arguments.opt_value_from_str("--interval").map_err(usage)?;
    let seconds = interval.unwrap_or(1.0);
    if !(0.1..=3600.0).contains(&seconds) {
        return Err(UsageError::new(format!("--interval {seconds}: give seconds between 0.1 and 3600")));
    }
    Ok(monitor::Options { interval: Duration::from_secs_f64(seconds), json, command })
}

fn jobs_value(arguments: &mut Arguments) -> Result<Option<usize>, UsageError> {
    text_value(arguments, ["-j", "--jobs"])?.map(|text| parse_jobs(&text)).transpose()
}

fn memory_value(arguments: &mut Arguments) -> Result<Option<u64>, UsageError> {
    text_value(arguments, ["--memory", "--memory"])?.map(|text| parse_memory(&text)).transpose()
}

fn text_value(arguments: &mut Arguments, names: [&'static str; 2]) -> Result<Option<String>, UsageError> {
    arguments.opt_value_from_str(names).map_err(usage)
}

fn parse_jobs(text: &str) -> Result<usize, UsageError> {
    match text.parse() {
        Ok(jobs) if (1..=4096).contains(&jobs) => Ok(jobs),
        _ => Err(UsageError::new(format!("--jobs {text}: give a whole number from 1 to 4096"))),
    }
}

fn parse_memory(text: &str) -> Result<u64, UsageError> {
    memory::parse_size(text).map_err(|error| UsageError::new(format!("--memory {text}: {error:#}")))
}

fn no_leftovers(command: &str, arguments: Arguments) -> Result<(), UsageError> {
    let leftovers = arguments.finish();
    let Some(first) = leftovers.first().map(|first| first.to_string_lossy().into_owned()) else { return Ok(()) };
    let page = page(command)?;
    let what = if known_flags(page).any(|flag| flag == first) {
        format!("cannot use `{first}` here: it is given twice, or belongs to another form of the command")
    } else {
        let hint =
            closest(&first, known_flags(page)).map(|flag| format!("; did you mean `{flag}`?")).unwrap_or_default();
        format!("does not know `{first}`{hint}")
    };
    Err(UsageError::new(format!("`cargo xtask {command}` {what}\nusage: cargo xtask {command} {}", page.usage)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn usage(error: pico_args::Error) -> UsageError {
    UsageError::new(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Flags, UsageError> {
        parse(words.split_whitespace().map(OsString::from).collect())
    }

    fn message(words: &str) -> String {
        parse_words(words).expect_err("must be refused").to_string()
    }

    #[test]
    fn build_takes_its_flags() {
        let Command::Build(flags) = parse_words("build --release -j 3 --memory=1.5GiB --wheel").expect("valid").command
        else {
            panic!("not a build")
        };
        assert_eq!(flags.profile.as_deref(), Some("release"));
        assert_eq!(flags.jobs, Some(3));
        assert_eq!(flags.memory, Some(3 << 29));
        assert!(flags.wheel && !flags.offline && !flags.locked);
    }

    #[test]
    fn typing_errors_get_a_suggestion() {
        assert!(message("biuld").contains("did you mean `cargo xtask build`?"));
        assert!(message("build --profle dev").contains("did you mean `--profile`?"));
        assert!(message("verify extra").contains("does not know `extra`"));
        assert!(message("build --jobs 2 --jobs 3").contains("cannot use `--jobs` here: it is given twice"));
        assert!(message("--nonsense").contains("unknown option `--nonsense`"));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        assert!(message("build --memory parsecs").contains("--memory parsecs"));
        assert!(message("build --memory 0").contains("--memory 0"));
        assert!(message("build --jobs 0").contains("--jobs 0"));
        assert!(message("build --release --profile dev").contains("two profiles"));
        assert!(message("build -- cargo").contains("nothing behind `--`"));
        assert!(message("build-split --jobs 4").contains("one job"));
        assert!(message("monitor --interval 0").contains("--interval 0"));
    }

    #[test]
    fn what_stands_behind_the_dashes_is_left_alone() {
        let Command::Monitor(options) = parse_words("monitor -- cargo build --json").expect("valid").command else {
            panic!("not a monitor")
        };
        assert_eq!(options.command, ["cargo", "build", "--json"]);
        assert!(!options.json);
    }

    #[test]
    fn every_command_has_a_page() {
        for page in help::PAGES {
            assert!(parse_words(&format!("{} --help", page.name)).is_ok(), "{}", page.name);
        }
    }
}
