//! `bench build`: cold builds by several tools, each in a memory cage, compared. Every figure of a build's time or
//! memory in docs/ comes from here.
//!
//! A *cell* is one profile, cage, number of jobs and tool. Each of its runs begins with an empty target directory and
//! an empty cache, on the same disk as the checkout's own, and is measured from outside (see [`crate::cage`]). The
//! tools take turns within a repeat, and every repeat begins with another of them, so that a machine that gets slower
//! does so for all. After every run the results are written, so that nothing is lost when a long benchmark ends early:
//! the same command goes on where it was.
//!
//! | module | is |
//! |---|---|
//! | `flags` | the command line |
//! | `matrix` | cells, and whose turn it is |
//! | `tools` | how each tool is found, called, and kept from its cache |
//! | `measure` | one run |
//! | `results` | the file |
//! | `seed` | `bench seed`: what the first build of a new checkout is predicted by |
//! | `chaos` | `bench chaos`: whether builds survive what can happen to them |
//! | `wrapper` | `bench wrapper`: what it costs to stand between cargo and the compiler |
//! | `prediction` | `bench prediction`: how far off predictions were |
//! | `foreign` | `bench foreign`: programs that nobody has prepared for this |
//! | `scheduler` | `bench scheduler`: machines that are not at hand |
//! | `own`, `options`, `figures` | what these have in common |
//! | `facts` | the machine that it was measured on |
//! | `summary`, `table` | runs as figures, figures as Markdown |

#[cfg(unix)]
mod chaos;
mod facts;
mod figures;
mod flags;
mod foreign;
mod matrix;
mod measure;
mod options;
mod own;
mod prediction;
mod results;
mod scheduler;
mod seed;
mod summary;
mod table;
mod tools;
#[cfg(unix)]
mod wrapper;

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use crate::cage::Cage;
use crate::outcome::Outcome;
use crate::proc;
use crate::run_record;
use crate::terminal::say;
use crate::workspace::{self, Workspace};
pub(crate) use flags::BenchFlags;
use flags::BuildBench;
use matrix::Cell;
use results::{Results, Run};
use tools::{Found, Tool};

/// Where a benchmark keeps its things: below the checkout's own target directory, and so on the disk where a build's
/// output usually goes.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
    base: PathBuf,
}

/// One benchmark: what it compares, and what it has found out so far.
struct Bench<'a> {
    options: &'a BuildBench,
    folders: Folders,
    extension: String,
    tools: Vec<Found>,
    results: Results,
    file: PathBuf,
    _lock: File,
}

pub(crate) fn run(flags: &BenchFlags) -> anyhow::Result<Outcome> {
    match flags {
        BenchFlags::Build(options) => build(&Workspace::load()?, options),
        BenchFlags::Scheduler(options) => scheduler::run(options),
        BenchFlags::Seed(options) => seed::run(&Workspace::load()?, options),
        BenchFlags::Table(files) => print_tables(files),
        #[cfg(unix)]
        BenchFlags::Chaos(options) => chaos::run(&Workspace::load()?, options),
        #[cfg(unix)]
        BenchFlags::Hog(mebibytes) => Ok(chaos::be_a_hog(*mebibytes)),
        #[cfg(unix)]
        BenchFlags::Wrapper(options) => wrapper::run(&Workspace::load()?, options),
        BenchFlags::Prediction(options) => prediction::run(&Workspace::load()?, options),
        BenchFlags::Foreign(options) => foreign::run(&Workspace::load()?, options),
    }
}

fn build(workspace: &Workspace, options: &BuildBench) -> anyhow::Result<Outcome> {
    let mut bench = Bench::open(workspace, options)?;
    let ran = bench.run_all();
    bench.folders.remove_cold();
    ran?;
    let table = table::markdown(&bench.results);
    print(&table);
    if let Some(path) = &options.markdown {
        run_record::write_atomically(path, &table)?;
    }
    Ok(Outcome::ok(bench.figures()))
}

fn print_tables(files: &[PathBuf]) -> anyhow::Result<Outcome> {
    let tables: Vec<String> =
        files.iter().map(|file| Ok(table::markdown(&Results::read(file)?))).collect::<anyhow::Result<_>>()?;
    print(&tables.join("\n"));
    Ok(Outcome::default())
}

impl<'a> Bench<'a> {
    fn open(workspace: &Workspace, options: &'a BuildBench) -> anyhow::Result<Self> {
        for profile in &options.profiles {
            workspace.check_profile(profile.of_cargo(), "--profiles")?;
        }
        let folders = Folders { root: workspace.root.clone(), base: workspace.own_files().join("bench") };
        let lock = folders.lock()?;
        let tools = tools::find_all(options, &folders)?;
        let file = options.file.clone().unwrap_or_else(|| folders.base.join("results.json"));
        let results = Results::resume(&file, facts::gather(&folders.root), options.fresh)?;
        Ok(Bench { options, folders, extension: workspace.extension().to_owned(), tools, results, file, _lock: lock })
    }

    fn run_all(&mut self) -> anyhow::Result<()> {
        let tools: Vec<Tool> = self.tools.iter().map(|found| found.tool).collect();
        let groups = matrix::groups(&self.options.profiles, &self.options.cages, &self.options.jobs, &tools);
        let turns = matrix::turns(&groups, self.options.repeat, |cell| self.runs_of(cell));
        if turns.is_empty() {
            say!("nothing left to run; `--fresh` measures everything again");
            return Ok(());
        }
        // An hour later would be a bad moment to find out.
        for cage in self.options.cages.iter().filter(|cage| cage.0.is_some()) {
            Cage::make(cage.0).context("without one, `--cages none` is what can be measured")?;
        }
        tools::fetch(&self.folders.root)?;
        say!("{} run(s), of at most {} minutes each", turns.len(), self.options.timeout.as_secs().div_ceil(60));
        for (index, cell) in turns.iter().enumerate() {
            say!("[{}/{}] {cell} …", index + 1, turns.len());
            self.run_cell(cell)?;
        }
        Ok(())
    }

    /// Runs that count: those of the very tool that would run again.
    fn runs_of(&self, cell: &Cell) -> usize {
        let version = self.tool(cell.tool).map(|found| &found.version);
        self.results.runs.iter().filter(|run| run.cell == *cell && Some(&run.version) == version).count()
    }

    fn run_cell(&mut self, cell: &Cell) -> anyhow::Result<()> {
        let tool = self.tool(cell.tool).context("a tool that was not looked for")?.clone();
        self.folders.begin_cold()?;
        let command = tool.command(cell, &self.extension, &self.folders);
        let number = self.results.runs.iter().filter(|run| run.cell == *cell).count() + 1;
        let log = self.folders.log(cell, number)?;
        let began = run_record::timestamp(SystemTime::now());
        let measured = measure::measure(command, cell.cage, self.options.timeout, &log)?;
        if proc::interrupted() {
            bail!("interrupted; {} has all finished runs, and the same command goes on there", self.file.display());
        }
        let ours = (tool.tool == Tool::Ours).then(|| last_words(&log)).flatten();
        self.folders.keep_records(&log);
        let log = log.strip_prefix(&self.folders.root).unwrap_or(&log).display().to_string();
        let run = Run { cell: cell.clone(), version: tool.version, began, measured, log, ours };
        say!("        {run}");
        self.results.runs.push(run);
        self.results.save(&self.file)
    }

    fn tool(&self, tool: Tool) -> Option<&Found> {
        self.tools.iter().find(|found| found.tool == tool)
    }

    fn figures(&self) -> Map<String, Value> {
        let mut figures = self.results.to_json();
        figures.remove("runs");
        figures.insert("file".into(), self.file.display().to_string().into());
        figures
    }
}

impl Folders {
    /// The cold target directory.
    fn target(&self) -> PathBuf {
        self.base.join("target")
    }

    /// The cold cache and configuration of the tools that have one.
    fn cache(&self) -> PathBuf {
        self.base.join("cache")
    }

    /// Where a run's output goes; the folder is there.
    fn log(&self, cell: &Cell, number: usize) -> anyhow::Result<PathBuf> {
        let folder = self.base.join("logs");
        make(&folder)?;
        Ok(folder.join(format!("{}-{number}.log", cell.file_name())))
    }

    /// Two benchmarks at once would each measure the other.
    fn lock(&self) -> anyhow::Result<File> {
        make(&self.base)?;
        let path = self.base.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => bail!("another benchmark runs in this checkout; wait for it to end"),
            // A file system without locks is no reason not to measure.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    fn begin_cold(&self) -> anyhow::Result<()> {
        self.remove_cold();
        for folder in [self.target(), self.cache()] {
            if folder.exists() {
                bail!("cannot empty {}, so that no build would be cold; remove it by hand", folder.display());
            }
            make(&folder)?;
        }
        Ok(())
    }

    /// Moves what xtask wrote of its own run, its events above all, from the cold directory to `LOG.runs`.
    fn keep_records(&self, log: &Path) {
        let kept = log.with_extension("runs");
        let _ = std::fs::remove_dir_all(&kept);
        // Other tools write none, and a run without them is measured all the same.
        let _ = std::fs::rename(workspace::own_files(&self.target()).join("runs"), kept);
    }

    fn remove_cold(&self) {
        for folder in [self.target(), self.cache()] {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}; make it writable", folder.display()))
}

/// The JSON line that xtask ended with.
fn last_words(log: &Path) -> Option<Value> {
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    let objects = text.lines().rev().filter(|line| line.starts_with('{'));
    objects.filter_map(|line| serde_json::from_str(line).ok()).find(|value: &Value| value["command"].is_string())
}

/// Standard output is what a redirection into a document should get, and nothing else.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_last_object_of_xtask() {
        let log = std::env::temp_dir().join(format!("xtask-bench-words-{}", std::process::id()));
        let text = "Compiling x\n{\"command\":\"build\",\"status\":\"ok\"}\n{\"reason\":\"other\"}\n{broken\n";
        std::fs::write(&log, text).expect("writable");
        assert_eq!(last_words(&log).expect("an object")["status"], "ok");
        std::fs::write(&log, "killed before it could say anything").expect("writable");
        assert_eq!(last_words(&log), None);
        std::fs::remove_file(&log).expect("ours");
    }

    #[test]
    fn a_cold_run_finds_nothing_of_the_one_before() {
        let base = std::env::temp_dir().join(format!("xtask-bench-cold-{}", std::process::id()));
        let folders = Folders { root: base.clone(), base: base.clone() };
        folders.begin_cold().expect("writable");
        std::fs::write(folders.target().join("rlib"), "old").expect("writable");
        folders.begin_cold().expect("writable");
        assert!(folders.target().is_dir() && !folders.target().join("rlib").exists());
        folders.remove_cold();
        assert!(!folders.cache().exists());
        std::fs::remove_dir_all(&base).expect("ours");
    }

    #[test]
    fn what_xtask_says_of_its_run_outlives_the_cold_directory() {
        let base = std::env::temp_dir().join(format!("xtask-bench-keep-{}", std::process::id()));
        let folders = Folders { root: base.clone(), base: base.clone() };
        folders.begin_cold().expect("writable");
        let run = workspace::own_files(&folders.target()).join("runs").join("1");
        std::fs::create_dir_all(&run).expect("writable");
        std::fs::write(run.join("events.jsonl"), "{}").expect("writable");
        let log = folders.log(&matrix::example("dev 1G 2 ours"), 1).expect("writable");
        folders.keep_records(&log);
        folders.remove_cold();
        assert!(base.join("logs/dev-1G-j2-ours-1.runs/1/events.jsonl").exists());
        std::fs::remove_dir_all(&base).expect("ours");
    }

    #[test]
    fn one_benchmark_at_a_time() {
        let base = std::env::temp_dir().join(format!("xtask-bench-lock-{}", std::process::id()));
        let folders = Folders { root: base.clone(), base: base.clone() };
        let _first = folders.lock().expect("free");
        assert!(folders.lock().is_err());
        std::fs::remove_dir_all(&base).expect("ours");
    }
}
