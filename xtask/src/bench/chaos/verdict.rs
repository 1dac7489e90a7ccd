//! Whether a build ended well.

use std::path::{Path, PathBuf};

use super::siege::Endured;
use crate::bench::last_words;
use crate::fnv;

/// What must not be, whatever has happened to a build.
pub(super) fn problems(endured: &Endured) -> Vec<String> {
    let mut problems = Vec::new();
    if endured.timed_out {
        problems.push("it did not end in time".to_owned());
    } else if !endured.end.succeeded() {
        problems.push(format!("it ended with {}", endured.end));
    }
    for process in &endured.left {
        problems.push(format!("process {} went on behind it: {}", process.pid, process.command));
    }
    for folder in &endured.places {
        problems.push(format!("{} was still there", folder.display()));
    }
    problems
}

/// Where the build that has written `log` says its extension is, and what that is.
pub(super) fn extension(log: &Path) -> Option<(PathBuf, String)> {
    let path = PathBuf::from(last_words(log)?["extension"].as_str()?);
    let bytes = std::fs::read(&path).ok()?;
    Some((path, format!("{}-{}", bytes.len(), fnv::hex(bytes))))
}

#[cfg(test)]
mod tests {
    use super::super::heard::Counts;
    use super::super::processes::Left;
    use super::*;
    use crate::proc::End;

    #[test]
    fn all_that_is_wrong_is_said() {
        let mut endured = Endured {
            end: End::Code(0),
            timed_out: false,
            wall_s: 1.0,
            strikes: Vec::new(),
            missed: 0,
            counts: Counts::default(),
            oom_kills: None,
            left: Vec::new(),
            places: Vec::new(),
        };
        assert!(problems(&endured).is_empty());
        endured.end = End::Signal(9);
        endured.left.push(Left { pid: 7, command: "rustc".into() });
        endured.places.push("/tmp/maou-0/b1-2".into());
        assert_eq!(problems(&endured).len(), 3);
    }

    #[test]
    fn an_extension_is_what_the_build_says_it_is() {
        let folder = std::env::temp_dir().join(format!("xtask-chaos-verdict-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("writable");
        let (log, library) = (folder.join("log"), folder.join("lib.so"));
        std::fs::write(&library, "bytes").expect("writable");
        std::fs::write(&log, format!("{{\"command\":\"build\",\"extension\":{library:?}}}\n")).expect("writable");
        let (path, fingerprint) = extension(&log).expect("it is there");
        assert!(path == library && fingerprint.starts_with("5-"), "{fingerprint}");
        std::fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(extension(&log), None);
    }
}
