//! What the build's governor says of itself, read from its events while it runs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// An events file that grows, and what has been read of it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    file: Option<PathBuf>,
    offset: u64,
    /// A line whose end has not been written yet.
    rest: Vec<u8>,
    /// By ticket. A governor that comes after one that died counts from the beginning again.
    running: HashMap<u64, Running>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
struct Running {
    unit: String,
    metadata_out: bool,
    /// Of the attempt before this one, whose end has not been told yet: whether its metadata was out.
    before: Option<bool>,
}

/// What the whole build comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Units that came to their end.
    pub(super) units: usize,
    /// Governors that there were, one after the other.
    pub(super) governors: usize,
    pub(super) killed: usize,
    /// Kills that the kernel has counted too.
    pub(super) confirmed: usize,
    pub(super) behind_metadata: usize,
    /// Killed ones that were run again.
    pub(super) again: usize,
    pub(super) evicted: usize,
    /// Units whose wrapper was killed.
    pub(super) lost: usize,
    pub(super) gave_up: usize,
}

impl Heard {
    /// Reads what is new in the one events file below `runs`.
    pub(super) fn listen(&mut self, runs: &Path) {
        if self.file.is_none() {
            self.file = events_below(runs);
        }
        let Some(mut file) = self.file.as_ref().and_then(|path| File::open(path).ok()) else { return };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
            return;
        }
        self.offset += bytes.len() as u64;
        self.take(&bytes);
    }

    /// Whether a unit of this name runs whose metadata is out.
    pub(super) fn is_behind_metadata(&self, unit: &str) -> bool {
        self.running.values().any(|running| running.metadata_out && running.unit == unit)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let behind = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, behind);
        for line in lines.split(|byte| *byte == b'\n') {
            if let Ok(value) = serde_json::from_slice(line) {
                self.hear(&value);
            }
        }
    }

    fn hear(&mut self, event: &Value) {
        let ticket = event["ticket"].as_u64().unwrap_or_default();
        let unit = || event["unit"].as_str().unwrap_or_default().to_owned();
        match event["reason"].as_str().unwrap_or_default() {
            "governing" => {
                self.counts.governors += 1;
                self.running.clear();
            }
            "started" => {
                let before = self.running.remove(&ticket).map(|running| running.metadata_out);
                self.running.insert(ticket, Running { unit: unit(), metadata_out: false, before });
            }
            "metadata" => {
                if let Some(running) = self.running.get_mut(&ticket) {
                    running.metadata_out = true;
                }
            }
            "ended" => {
                self.counts.units += 1;
                self.running.remove(&ticket);
            }
            "evicted" => {
                self.counts.evicted += 1;
                self.running.remove(&ticket);
            }
            "killed" => self.killed(ticket, event),
            "lost" => {
                self.counts.lost += 1;
                self.running.remove(&ticket);
            }
            "gave-up" => self.counts.gave_up += 1,
            _ => {}
        }
    }

    /// One that can run again at once is said to have started before it is said to have been killed.
    fn killed(&mut self, ticket: u64, event: &Value) {
        let yes = |name: &str| usize::from(event[name].as_bool() == Some(true));
        self.counts.killed += 1;
        self.counts.confirmed += yes("confirmed");
        self.counts.again += yes("again");
        let Some(running) = self.running.get_mut(&ticket) else { return };
        let metadata_out = match running.before.take() {
            Some(metadata_out) => metadata_out,
            None => self.running.remove(&ticket).is_some_and(|running| running.metadata_out),
        };
        self.counts.behind_metadata += usize::from(metadata_out);
    }
}

/// The target directory was empty, so that there is one run.
fn events_below(runs: &Path) -> Option<PathBuf> {
    let mut folders = std::fs::read_dir(runs).ok()?.flatten();
    folders.find_map(|folder| Some(folder.path().join("events.jsonl")).filter(|path| path.exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "{\"reason\":\"governing\",\"at_s\":0}
{\"reason\":\"started\",\"at_s\":1,\"ticket\":1,\"unit\":\"serde\"}
{\"reason\":\"started\",\"at_s\":1,\"ticket\":2,\"unit\":\"serde (build script)\"}
{\"reason\":\"metadata\",\"at_s\":2,\"ticket\":1}
";

    fn heard(text: &str) -> Heard {
        let mut heard = Heard::default();
        heard.take(text.as_bytes());
        heard
    }

    #[test]
    fn it_is_known_whose_metadata_is_out() {
        let mut heard = heard(LINES);
        assert!(heard.is_behind_metadata("serde") && !heard.is_behind_metadata("serde (build script)"));
        heard.take(b"{\"reason\":\"killed\",\"at_s\":3,\"ticket\":1,\"confirmed\":true,\"again\":true}\n");
        assert!(!heard.is_behind_metadata("serde"));
        heard.take(b"{\"reason\":\"started\",\"at_s\":3,\"ticket\":1,\"unit\":\"serde\"}\n");
        heard.take(b"{\"reason\":\"killed\",\"at_s\":4,\"ticket\":1,\"confirmed\":false,\"again\":false}\n");
        let Counts { killed, confirmed, behind_metadata, again, .. } = heard.counts;
        assert_eq!((killed, confirmed, behind_metadata, again), (2, 1, 1, 1));
    }

    #[test]
    fn one_that_is_started_again_first_is_told_from_the_one_that_was_killed() {
        let mut heard = heard(LINES);
        heard.take(b"{\"reason\":\"started\",\"at_s\":3,\"ticket\":1,\"unit\":\"serde\"}\n");
        heard.take(b"{\"reason\":\"killed\",\"at_s\":3,\"ticket\":1,\"confirmed\":true,\"again\":true}\n");
        assert_eq!(heard.counts.behind_metadata, 1);
        assert!(!heard.is_behind_metadata("serde"), "it runs from its beginning");
        heard.take(b"{\"reason\":\"metadata\",\"at_s\":4,\"ticket\":1}\n");
        assert!(heard.is_behind_metadata("serde"));
    }

    #[test]
    fn half_a_line_is_kept_for_its_other_half() {
        let (one, other) = LINES.split_at(LINES.len() - 7);
        let mut heard = heard(one);
        assert!(!heard.is_behind_metadata("serde"));
        heard.take(other.as_bytes());
        assert!(heard.is_behind_metadata("serde"));
    }

    #[test]
    fn another_governor_knows_nothing_of_the_first_ones_tickets() {
        let mut heard = heard(LINES);
        heard.take(b"{\"reason\":\"governing\",\"at_s\":0}\nno json\n");
        assert!(!heard.is_behind_metadata("serde"));
        assert_eq!(heard.counts.governors, 2);
    }

    #[test]
    fn what_is_written_later_is_read_later() {
        let runs = std::env::temp_dir().join(format!("xtask-chaos-heard-{}", std::process::id()));
        let mut heard = Heard::default();
        heard.listen(&runs);
        std::fs::create_dir_all(runs.join("1")).expect("writable");
        let file = runs.join("1/events.jsonl");
        std::fs::write(&file, LINES).expect("writable");
        heard.listen(&runs);
        std::fs::write(&file, format!("{LINES}{{\"reason\":\"ended\",\"ticket\":1}}\n")).expect("writable");
        heard.listen(&runs);
        assert_eq!((heard.counts.governors, heard.counts.units), (1, 1));
        assert!(!heard.is_behind_metadata("serde"));
        std::fs::remove_dir_all(&runs).expect("ours");
    }
}
