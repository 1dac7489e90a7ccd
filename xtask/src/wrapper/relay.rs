//! The compiler's stderr on its way to cargo: whole lines, at once, and none of them twice.

use std::collections::HashMap;
use std::io::{self, Write};

use super::child::was_killed_inside;
use crate::fnv;

/// Lines as they pass. One attempt after the other; what cargo has had stays known.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// The begin of a line whose end has not come.
    partial: Vec<u8>,
    /// How often each line was passed on, by its hash, in all attempts and in this one.
    passed: HashMap<u64, Counts>,
    attempt: u32,
    /// What is shown only when there is no other attempt.
    held: Vec<u8>,
    /// Something that the compiler started was killed, or memory was refused to it.
    pub(super) killed_inside: bool,
    pub(super) metadata_out: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: u32,
    this_attempt: u32,
    attempt: u32,
}

impl Relay {
    pub(super) fn begin_attempt(&mut self) {
        self.attempt += 1;
        self.partial.clear();
        self.held.clear();
        self.killed_inside = false;
    }

    /// Takes what came and passes on the lines that are complete and new.
    pub(super) fn take(&mut self, bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(end + 1);
            rest = behind;
            if self.partial.is_empty() {
                self.pass(line, to)?;
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.pass(&whole, to)?;
            }
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// There is no other attempt: what was kept back is the result too.
    pub(super) fn finish(&mut self, to: &mut impl Write) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let partial = std::mem::take(&mut self.partial);
        to.write_all(&held)?;
        to.write_all(&partial)
    }

    fn pass(&mut self, line: &[u8], to: &mut impl Write) -> io::Result<()> {
        self.metadata_out |= contains(line, b"\"artifact\"") && contains(line, b"\"emit\":\"metadata\"");
        self.killed_inside |= was_killed_inside(line);
        // What stands behind a killed linker's error ("aborting due to …") belongs to it.
        if self.killed_inside {
            self.held.extend_from_slice(line);
            return Ok(());
        }
        if self.is_new(line) { to.write_all(line) } else { Ok(()) }
    }

    /// Whether cargo has not had this line as often as this attempt has said it.
    fn is_new(&mut self, line: &[u8]) -> bool {
        let counts = self.passed.entry(fnv::hash(line.iter().copied())).or_default();
        if counts.attempt != self.attempt {
            (counts.attempt, counts.this_attempt) = (self.attempt, 0);
        }
        counts.this_attempt += 1;
        let new = counts.this_attempt > counts.passed;
        counts.passed += u32::from(new);
        new
    }
}

pub(super) fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &[u8] = b"{\"$message_type\":\"artifact\",\"artifact\":\"liba.rmeta\",\"emit\":\"metadata\"}\n";
    const WARNING: &[u8] = b"{\"$message_type\":\"diagnostic\",\"message\":\"unused\"}\n";
    const LINK: &[u8] = b"{\"$message_type\":\"diagnostic\",\"message\":\"linking with `cc` failed\",\"x\":\"collect2: fatal error: ld terminated with signal 9 [Killed]\"}\n";

    fn said(relay: &mut Relay, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            relay.take(part, &mut out).expect("memory");
        }
        out
    }

    #[test]
    fn lines_pass_whole_and_as_they_come() {
        let mut relay = Relay::default();
        relay.begin_attempt();
        assert_eq!(said(&mut relay, &[&METADATA[..10]]), b"");
        assert!(!relay.metadata_out);
        assert_eq!(said(&mut relay, &[&METADATA[10..]]), METADATA);
        assert!(relay.metadata_out);
        assert_eq!(said(&mut relay, &[b"a\nb\nc"]), b"a\nb\n");
        let mut rest = Vec::new();
        relay.finish(&mut rest).expect("memory");
        assert_eq!(rest, b"c");
    }

    #[test]
    fn a_further_attempt_repeats_nothing() {
        let mut relay = Relay::default();
        relay.begin_attempt();
        assert_eq!(
            said(&mut relay, &[WARNING, WARNING, METADATA, b"half a li"]).len(),
            2 * WARNING.len() + METADATA.len()
        );
        relay.begin_attempt();
        let again = said(&mut relay, &[WARNING, WARNING, METADATA, WARNING, b"new\n"]);
        assert_eq!(again, [WARNING, b"new\n"].concat(), "the third warning and the new line are all that is new");
        relay.begin_attempt();
        assert_eq!(said(&mut relay, &[WARNING, METADATA, b"new\n"]), b"");
    }

    #[test]
    fn a_killed_linkers_words_wait_for_the_last_attempt() {
        let mut relay = Relay::default();
        relay.begin_attempt();
        let aborting = b"{\"message\":\"aborting due to 1 previous error\"}\n";
        assert_eq!(said(&mut relay, &[WARNING, LINK, aborting]), WARNING);
        assert!(relay.killed_inside);
        let mut rest = Vec::new();
        relay.finish(&mut rest).expect("memory");
        assert_eq!(rest, [LINK, aborting].concat());
        relay.begin_attempt();
        assert!(!relay.killed_inside);
    }

    #[test]
    fn a_compile_error_passes_at_once() {
        let mut relay = Relay::default();
        relay.begin_attempt();
        let error = b"{\"level\":\"error\",\"message\":\"mismatched types\"}\n";
        assert_eq!(said(&mut relay, &[error]), error);
        let quoting = b"{\"message\":\"mismatched types\",\"text\":\"ld terminated with signal 9\"}\n";
        assert_eq!(said(&mut relay, &[quoting]), quoting, "source text that speaks of signals is no signal");
        assert!(!relay.killed_inside);
    }
}
