//! The help texts: an overview, and a page for each command.

use std::fmt::Write as _;

use super::closest;
use crate::outcome::{Outcome, UsageError};

/// A command's name, the line it has in the overview, and its own page.
pub(super) struct Page {
    pub(super) name: &'static str,
    line: &'static str,
    pub(super) usage: &'static str,
    text: &'static str,
}

const BUILD_FLAGS: &str = "  --profile P     dev, release or mem-opt (default: $CARGO_PROFILE, else dev)
  --release       short for --profile release
  --jobs N        at most N units at a time (default and most: the processors)
  --memory SIZE   take at most SIZE (default: what is free): 1536M, 2G, 1.5GiB
  --offline       use nothing from the network
  --locked        fail instead of changing Cargo.lock
  --json          the last line of stdout is one JSON object";

pub(super) const PAGES: &[Page] = &[
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
        usage: "[--profile P] [--jobs N] [--memory SIZE] [--offline] [--locked] [--wheel] [--no-install] [--features F]",
        text: "\
Makes .venv with a pinned maturin if there is none (with uv when it is there, else pip), compiles, installs the
extension so that `import maou` works, checks it, and says what it took. Python edits need no rebuild.
  --wheel         also make target/wheels/*.whl
  --no-install    compile only: no .venv, no Python
  --features F    as cargo takes it: maou_index/lazy",
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
        usage: "[--jobs N] [--memory SIZE] [--offline] [-- PYTEST-ARGUMENTS]",
        text: "\
Sets up what is missing, builds the extension, then runs cargo test for each crate and pytest. All that is compiled for it
is governed, as by `build`.
`cargo xtask test -- -k rust` passes `-k rust` to pytest.",
    },
    Page {
        name: "ci",
        line: "test, and formatting, clippy, ruff, mypy and stub checks",
        usage: "[--jobs N] [--memory SIZE] [--offline]",
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
        name: "govern",
        line: "run any command that uses cargo so that memory is never exceeded",
        usage: "[--memory SIZE] [--jobs N] -- COMMAND…",
        text: "\
Every rustc that COMMAND starts, in any workspace, waits for its turn: it is admitted when what it is predicted to take
fits, the longest chain of work first; one that is killed for want of memory is run again, more gently. COMMAND can be
cargo, maturin, pip install, uv sync. Ends with COMMAND's exit status. docs/governor.md has the details.
  --memory SIZE   what the command may take (default: what this machine or container has)
  --jobs N        at most N units at a time (default and most: the processors)",
    },
    Page {
        name: "bench",
        line: "compare cold builds by several tools in memory cages",
        usage: "build [FILE] [--profiles P,…] [--cages SIZE,…] [--jobs N,…] [--tools T,…] [--repeat N] [--timeout M] \
                [--fresh] [--tool-path DIR] [--markdown FILE]\n       cargo xtask bench table FILE…\n       cargo xtask bench seed [--profiles P,…] [--single] [--keep] [--write]\n       \
                cargo xtask bench chaos [FILE] [--builds N] [--hogs N] [--kinds K,…] [--profile=P] [--jobs N] \
                [--cage SIZE] [--seed S] [--test-command T] [--timeout M] [--fresh]\n       \
                cargo xtask bench wrapper [FILE] [--crates N] [--links N] [--repeat N] [--tool-path DIR]\n       \
                cargo xtask bench prediction EVENTS.jsonl… [--ledger FILE]\n       \
                cargo xtask bench foreign [FILE] --crates NAME@VERSION[:SIZE],… [--jobs N] [--timeout M] [--fresh]\n       \
                cargo xtask bench scheduler [FILE]",
        text: "\
Each tool builds from nothing in memory cgroups. Takes hours, and root or a delegated cgroup. FILE (default:
target/xtask/bench/results.json) has every run; the same command goes on there.
  --profiles P,…  `lazy` is dev with Polars' lazy engine (default: dev; of seed: dev,release,mem-opt)
  --cages SIZE,…  limits without swap, and `none` (default: 1G,none)
  --jobs N,…      (default: 2)
  --tools T,…     ours, cargo, cargo-j1, mbx, kache (default: all)
  --repeat N      runs of each (default: 1)
  --timeout M     minutes for a run (default: 40)
  --fresh         forget the runs in FILE
  --tool-path DIR where mbx and kache are, if not on PATH
  --markdown FILE write the table there too
`bench seed` measures every unit of this workspace and writes the ledger that a first build is predicted by
(xtask/src/governor/seed-ledger.jsonl); --single builds with one job only, --keep goes on with earlier measurements,
--write measures nothing and writes them down.
`bench chaos` builds cold again and again, and kills, starves and breaks what it can meanwhile: every build has to end
well. Linux. Takes hours; FILE (default: target/xtask/bench/chaos.json) has every build, and goes on like results.json.
  --builds N      builds in which compilers and linkers are killed (default: 30)
  --hogs N        so many of them in a cage where the kernel is made to kill instead (default: 10)
  --kinds K,…     one build each: governor, wrapper, socket, ledger, disk, or `none` (default: all)
  --profile=P     (default: dev)
  --cage SIZE     of the builds with hogs (default: 1100M)
  --seed S        what is done when, is drawn with it (default: 1)
  --test-command T
                  run by a shell with $EXTENSION, where an extension has other bytes than without accidents
`bench wrapper` measures what being asked first costs each unit, in FILE too where one is named.
  --crates N      crates with next to nothing in them (default: 300)
  --links N       crates that need one another in a row (default: 60)
`bench prediction` compares what units took with what they were predicted to take.
`bench foreign` installs programs of crates.io, with cargo alone and governed, in a cage of SIZE, or one that it chooses
around the largest unit (default for --jobs: 8; FILE: target/xtask/bench/foreign.json).
`bench scheduler` builds on simulated machines, and times decisions.",
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

/// Prints the overview or one command's page on stdout.
pub(crate) fn print(topic: Option<&str>) -> anyhow::Result<Outcome> {
    let text = match topic {
        None => overview(),
        Some(name) => command_page(page(name)?),
    };
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    Ok(Outcome::default())
}

pub(super) fn page(name: &str) -> Result<&'static Page, UsageError> {
    PAGES.iter().find(|page| page.name == name).ok_or_else(|| unknown_command(name))
}

pub(super) fn unknown_command(name: &str) -> UsageError {
    let hint = closest(name, PAGES.iter().map(|page| page.name))
        .map(|known| format!("; did you mean `cargo xtask {known}`?"))
        .unwrap_or_default();
    UsageError::new(format!("there is no command `{name}`{hint}"))
}

/// Every flag that a command's page speaks of.
pub(super) fn known_flags(page: &Page) -> impl Iterator<Item = &'static str> {
    flags_in(page.usage).chain(["--json", "--help"])
}

fn flags_in(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| word.starts_with("--"))
}

fn overview() -> String {
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
        let _ = write!(text, "\n{}\n", page.text);
    }
    if page.usage.contains("--profile ") || page.usage.contains("--offline") {
        let _ = write!(text, "\noptions:\n{BUILD_FLAGS}\n");
    }
    text
}
