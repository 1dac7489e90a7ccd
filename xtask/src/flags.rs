//! Every command, its flags and its help, in one place.

use std::ffi::OsString;
use std::time::Duration;

use pico_args::Arguments;

use crate::memory;
use crate::monitor;
use crate::outcome::{Outcome, UsageError};

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

/// A command's name, the line it has in the overview, and its own page.
struct Page {
    name: &'static str,
    line: &'static str,
    usage: &'static str,
    text: &'static str,
}

const BUILD_FLAGS: &str = "\
  --profile P     dev, release or mem-opt (default: $CARGO_PROFILE, else dev)
  --release       short for --profile release
  --jobs N        at most N units at a time (default: from memory and cores)
  --memory SIZE   plan with SIZE instead of what is free: 1536M, 2G, 1.5GiB
  --offline       use nothing from the network
  --locked        fail instead of changing Cargo.lock
  --json          the last line of stdout is one JSON object";

const PAGES: &[Page] = &[
    Page {
        name: "preflight",
        line: "say whether this machine can build, and what to mend first",
        usage: "[--profile P] [--memory SIZE]",
        text: "\
Looks at memory (the smallest of MemAvailable and every cgroup's headroom), swap, disk, cores, toolchain, linker,
C compiler, Python, uv, registry cache, environment and features. One line each, and the command that mends it.
Changes nothing. Fails when something would keep a build from finishing.",
    },
    Page {
        name: "build",
        line: "build the extension, install it into .venv, verify it",
        usage: "[--profile P] [--jobs N] [--memory SIZE] [--offline] [--locked] [--wheel]",
        text: "\
Makes .venv with a pinned maturin if there is none (with uv when it is there, else pip), compiles, installs the
extension so that `import maou` works, checks it, and says what it took. Python edits need no rebuild.
  --wheel         also make target/wheels/*.whl",
    },
    Page {
        name: "build-split",
        line: "the same, one crate after the other, for very little memory",
        usage: "[--profile P] [--memory SIZE] [--offline] [--locked] [--wheel]",
        text: "\
One job. Each crate of the workspace in dependency order, then maturin, which only links. A table per step. A step
that dies says which crate, by which signal and what to do; run it again and it goes on behind the last finished step.",
    },
    Page {
        name: "verify",
        line: "check the last build against the success criteria",
        usage: "[--profile P]",
        text: "\
No OOM kill, peak anonymous memory and time within their limits, the extension imports and is the one just built,
hello() answers, no compiler warning about features or dtypes. Builds first when nothing was built yet.",
    },
    Page {
        name: "test",
        line: "run all tests: Rust, Python, doc tests, xtask's own",
        usage: "[--offline] [-- PYTEST-ARGUMENTS]",
        text: "\
Sets up what is missing, builds the extension, then runs cargo test for each crate and pytest.
`cargo xtask test -- -k rust` passes `-k rust` to pytest.",
    },
    Page {
        name: "ci",
        line: "test, and formatting, clippy, ruff, mypy and stub checks",
        usage: "[--offline]",
        text: "What .ci/run calls. All steps are run, then it fails once, naming those that failed.",
    },
    Page {
        name: "monitor",
        line: "watch memory: the machine's, or a command's whole process tree",
        usage: "[--interval S] [-- COMMAND…]",
        text: "\
Limit and headroom as this container has them, anonymous memory, page cache, swap, pressure, and the heaviest
processes, with the crate's name where a process is a rustc. With COMMAND: starts it, watches its tree, ends with its
exit status and says the peak and when it was.
  --interval S    seconds between two lines or pictures (default 1)
  --json          one JSON object per sample on stdout",
    },
    Page {
        name: "clean",
        line: "remove what the project made, and say what that freed",
        usage: "[--all]",
        text: "\
Removes build output (target/ without xtask's own, the installed extension, Python's caches).
  --all           also target/ as a whole and .venv, if xtask made it",
    },
    Page { name: "help", line: "this page, or a command's", usage: "[COMMAND]", text: "" },
];

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
    let takes_rest = matches!(name.as_str(), "monitor" | "test");
    if !behind_dashes.is_empty() && !takes_rest {
        return Err(UsageError::new(format!("`cargo xtask {name}` takes nothing behind `--`")));
    }
    let command = parse_command(&name, &mut arguments, behind_dashes, json)?;
    no_leftovers(&name, arguments)?;
    Ok(Flags { command })
}

/// Prints the overview or one command's page on stdout.
pub(crate) fn help(topic: Option<&str>) -> anyhow::Result<Outcome> {
    use std::io::Write as _;
    let text = match topic {
        None => overview(),
        Some(name) => command_page(page(name)?),
    };
    let _ = write!(std::io::stdout(), "{text}");
    Ok(Outcome::default())
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
        jobs: text_value(arguments, ["-j", "--jobs"])?.map(|text| parse_jobs(&text)).transpose()?,
        memory: text_value(arguments, ["--memory", "--memory"])?.map(|text| parse_memory(&text)).transpose()?,
        offline: arguments.contains("--offline"),
        locked: arguments.contains("--locked"),
        wheel: arguments.contains("--wheel"),
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
    let known = flags_in(page.usage).chain(flags_in(BUILD_FLAGS)).chain(["--json", "--help"]);
    let hint = closest(&first, known).map(|flag| format!("; did you mean `{flag}`?")).unwrap_or_default();
    Err(UsageError::new(format!(
        "`cargo xtask {command}` does not know `{first}`{hint}\nusage: cargo xtask {command} {}",
        page.usage
    )))
}

fn flags_in(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| word.starts_with("--"))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn usage(error: pico_args::Error) -> UsageError {
    UsageError::new(error.to_string())
}

fn page(name: &str) -> Result<&'static Page, UsageError> {
    PAGES.iter().find(|page| page.name == name).ok_or_else(|| unknown_command(name))
}

fn unknown_command(name: &str) -> UsageError {
    let hint = closest(name, PAGES.iter().map(|page| page.name))
        .map(|known| format!("; did you mean `cargo xtask {known}`?"))
        .unwrap_or_default();
    UsageError::new(format!("there is no command `{name}`{hint}"))
}

fn overview() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "cargo xtask — build maou in the memory you have\n\nusage: cargo xtask COMMAND [OPTIONS]\n\ncommands:\n",
    );
    for page in PAGES {
        let _ = writeln!(text, "  {:<12} {}", page.name, page.line);
    }
    text.push_str(
        "\nEvery command takes --json and --help. First time here? `cargo xtask build` does everything.\n\
         Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n",
    );
    text
}

fn command_page(page: &Page) -> String {
    let mut text =
        format!("cargo xtask {} — {}\n\nusage: cargo xtask {} {}\n", page.name, page.line, page.name, page.usage);
    if !page.text.is_empty() {
        text.push_str(&format!("\n{}\n", page.text));
    }
    if page.usage.contains("--profile") || page.usage.contains("--offline") {
        text.push_str(&format!("\noptions:\n{BUILD_FLAGS}\n"));
    }
    text
}

/// The known word that is closest to `word`, when it is close enough to be meant.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3) || candidate.starts_with(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over characters.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
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
        for page in PAGES {
            assert!(parse_words(&format!("{} --help", page.name)).is_ok(), "{}", page.name);
        }
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
