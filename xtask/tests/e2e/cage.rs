//! A real memory cgroup and a real OOM kill.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Checkout, Ran, ended};

/// A cgroup of one's own, version 1 or 2; removed when dropped.
struct Cage {
    path: PathBuf,
}

impl Cage {
    /// `None` where this user may not make one.
    fn new(name: &str, limit: &str) -> Option<Self> {
        let name = format!("xtask-e2e-{name}-{}", std::process::id());
        let root = PathBuf::from("/sys/fs/cgroup");
        let (path, limits) = if root.join("cgroup.controllers").exists() {
            let _ = std::fs::write(root.join("cgroup.subtree_control"), "+memory");
            (root.join(name), [("memory.max", limit), ("memory.swap.max", "0")])
        } else {
            let memory = root.join("memory");
            (memory.join(name), [("memory.limit_in_bytes", limit), ("memory.memsw.limit_in_bytes", limit)])
        };
        std::fs::create_dir(&path).ok()?;
        let cage = Cage { path };
        std::fs::write(cage.path.join(limits[0].0), limits[0].1).ok()?;
        let _ = std::fs::write(cage.path.join(limits[1].0), limits[1].1);
        Some(cage)
    }

    /// `command`, in the cage from its first instruction on.
    fn around(&self, command: &Command) -> Command {
        let mut outer = Command::new("sh");
        outer.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]).arg(&self.path);
        outer.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        for _ in 0..50 {
            if std::fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn an_oom_kill_is_confirmed_by_the_kernels_counter() {
    let Some(cage) = Cage::new("oom", "268435456") else {
        eprintln!("skipped: this user may not make a memory cgroup");
        return;
    };
    let checkout = Checkout::new();
    // Awk takes memory until the kernel says no; it is on every machine that has a C compiler.
    let compiler = checkout.fake_rustc("low", "exec awk 'BEGIN { s = \"0123456789abcdef\"; while (1) s = s s }'");
    let mut command = checkout.xtask(&["build", "--json"]);
    command.env("RUSTC", compiler);
    let mut caged = cage.around(&command);
    caged.current_dir(&checkout.root);
    let ran = Ran::of(&caged.output().expect("sh starts"));
    ran.ended_with(1);
    ran.says("low was killed by the kernel, out of memory");
    ran.says("it is run again, more gently");
    // How often depends on who else takes memory meanwhile: the scheduler's own tests count.
    ran.says("times, at the end alone, with one thread and the most codegen units");
    let json = ran.json();
    assert!(json["oom_kills"].as_u64().is_some_and(|kills| kills >= 1), "{json}");
    assert!(json["budget_mib"].as_f64().is_some_and(|budget| budget <= 256.0), "{json}");
}

#[test]
fn the_real_compiler_builds_in_a_cage_and_its_limit_is_the_budget() {
    let Some(cage) = Cage::new("real", "536870912") else {
        eprintln!("skipped: this user may not make a memory cgroup");
        return;
    };
    let checkout = Checkout::new();
    // Long enough at work to be seen at ten looks a second on a machine that has other things to do.
    let functions = (0..150).map(|n| {
        format!("pub fn f{n}(x: &[u64]) -> Vec<String> {{ x.iter().map(|y| format!(\"{n} {{y}}\")).collect() }}\n")
    });
    let source = checkout.root.join("low/src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("ours") + &functions.collect::<String>();
    std::fs::write(&source, text).expect("ours");
    let mut caged = cage.around(&checkout.xtask(&["build-split", "--json"]));
    caged.current_dir(&checkout.root);
    let json = Ran::of(&caged.output().expect("sh starts")).json();
    assert_eq!(json["steps"][1]["compiled"], 1, "{json}");
    assert_eq!(json["oom_kills"], 0, "{json}");
    assert!(json["budget_mib"].as_f64().is_some_and(|budget| (256.0..=512.0).contains(&budget)), "{json}");
    assert!(json["peak_anon_mib"].as_f64().is_some_and(|peak| peak > 10.0), "{json}");
}

/// Holds 170 MiB for a second and a half, writes down from when to when, and then compiles. Two of them do not fit into
/// the cage.
const HEAVY: &str = "here=$(dirname \"$0\"); date +%s%N > \"$here/from\"
(head -c 178257920 /dev/zero; sleep 1.5; date +%s%N > \"$here/to\") | tail > /dev/null";

fn time(checkout: &Checkout, name: &str) -> u128 {
    let text = std::fs::read_to_string(checkout.root.join(name)).expect("the compiler ran");
    text.trim().parse().expect("nanoseconds")
}

#[test]
fn two_builds_share_one_budget() {
    let Some(cage) = Cage::new("pool", "314572800") else {
        eprintln!("skipped: this user may not make a memory cgroup");
        return;
    };
    let checkouts = [Checkout::new(), Checkout::new()];
    let build = |checkout: &Checkout| {
        let compiler = checkout.fake_rustc("low", HEAVY);
        let mut command = cage.around(checkout.xtask(&["build", "--no-install", "--json"]).env("RUSTC", compiler));
        command.current_dir(&checkout.root).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("sh starts")
    };
    // The first time nobody knows what it takes; afterwards the ledger does.
    for checkout in &checkouts {
        ended(build(checkout)).ended_with(0);
        std::fs::remove_dir_all(checkout.root.join("target/debug")).expect("ours");
    }
    let builds = checkouts.each_ref().map(build);
    for build in builds {
        let ran = ended(build);
        ran.ended_with(0);
        assert_eq!(ran.json()["oom_kills"], 0, "{}", ran.stdout);
    }
    let [one, other] = checkouts.each_ref().map(|checkout| (time(checkout, "from"), time(checkout, "to")));
    assert!(one.1 <= other.0 || other.1 <= one.0, "they ran at once: {one:?} and {other:?}");
}
