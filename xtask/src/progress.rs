//! The calm line: what is being built, how far it is, what memory it takes. One line that is rewritten on a terminal, a
//! line every quarter of a minute elsewhere.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use crate::memory::human;
use crate::{env, terminal};

/// What the line tells.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) step: String,
    pub(crate) done: usize,
    pub(crate) total: usize,
    /// What cargo is working at, as cargo prints it: `polars-core, arrow-ipc`.
    pub(crate) active: String,
    /// Anonymous memory of the whole process tree, bytes.
    pub(crate) anon: u64,
    /// Memory that is still to be had, bytes.
    pub(crate) available: u64,
    /// A governor says what runs.
    pub(crate) governed: bool,
}

/// Less than this, bytes, is not worth a place in the line.
const WORTH_TELLING: u64 = 50 << 20;

impl State {
    /// What runs and what each of them holds, in place of what cargo believes to run: it counts those that wait.
    pub(crate) fn show_units(&mut self, units: &[(String, u64)]) {
        let named = |(unit, anon): &(String, u64)| {
            if *anon < WORTH_TELLING { unit.clone() } else { format!("{unit} {}", human(*anon)) }
        };
        self.active = units.iter().map(named).collect::<Vec<_>>().join(", ");
        self.governed = true;
    }
}

/// Where the line goes. All that people read of a build passes through here, so that nothing is written over.
pub(crate) struct Progress {
    out: Box<dyn Write>,
    live: bool,
    /// Nothing is drawn; what is said is said.
    silent: bool,
    width: usize,
    drawn: bool,
    last: Option<Duration>,
    last_step: String,
}

/// How often the line is rewritten on a terminal, and repeated elsewhere.
const LIVE_INTERVAL: Duration = Duration::from_millis(200);
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);
const BAR_CELLS: usize = 12;
const LOG_WIDTH: usize = 200;

impl Progress {
    pub(crate) fn on_stderr() -> Self {
        let stderr = std::io::stderr();
        let live = stderr.is_terminal();
        // A log has no edge to cut lines at.
        Progress::new(Box::new(stderr), live, if live { terminal_width() } else { LOG_WIDTH })
    }

    pub(crate) fn silent() -> Self {
        let mut progress = Progress::new(Box::new(std::io::stderr()), false, LOG_WIDTH);
        progress.silent = true;
        progress
    }

    fn new(out: Box<dyn Write>, live: bool, width: usize) -> Self {
        Progress { out, live, silent: false, width, drawn: false, last: None, last_step: String::new() }
    }

    /// Shows `state`, unless it was shown just now. `at` counts from the start of the command.
    pub(crate) fn update(&mut self, at: Duration, state: &State) {
        let interval = if self.live { LIVE_INTERVAL } else { PLAIN_INTERVAL };
        let new_step = state.step != self.last_step;
        if self.silent || !new_step && self.last.is_some_and(|last| at < last + interval) {
            return;
        }
        self.last = Some(at);
        self.last_step.clone_from(&state.step);
        let text = line(at, state, self.width.saturating_sub(1));
        // Progress that cannot be shown must not end a build.
        let _ = if self.live {
            self.drawn = true;
            write!(self.out, "\r{text}\x1b[K").and_then(|()| self.out.flush())
        } else {
            writeln!(self.out, "{text}")
        };
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(self.out, "{text}");
    }

    /// Takes the rewritten line away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(self.out, "\r\x1b[K").and_then(|()| self.out.flush());
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Progress").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `1:12  maou_rust  [#####-------]  87/190  612 MiB used, 2.4 GiB free  polars-core`, cut to `width` characters.
fn line(at: Duration, state: &State, width: usize) -> String {
    let counted = if state.total == 0 {
        String::new()
    } else {
        format!("  {}  {}/{}", bar(state.done, state.total), state.done, state.total)
    };
    let full = format!(
        "{}  {}{counted}  {} used, {} free  {}",
        clock(at),
        state.step,
        human(state.anon),
        human(state.available),
        state.active
    );
    cut(full.trim_end(), width)
}

fn bar(done: usize, total: usize) -> String {
    let full = (done * BAR_CELLS / total.max(1)).min(BAR_CELLS);
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR_CELLS - full))
}

/// `0:07`, `12:40`, `1:02:03`.
pub(crate) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn terminal_width() -> usize {
    terminal::size().map(|(columns, _)| columns).or_else(env::columns).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn state() -> State {
        State {
            step: "maou_rust".into(),
            done: 87,
            total: 190,
            active: "polars-core, arrow-ipc".into(),
            anon: 612 << 20,
            available: 2400 << 20,
            governed: false,
        }
    }

    #[test]
    fn the_line_tells_all_and_fits() {
        let full = line(Duration::from_secs(72), &state(), 200);
        assert_eq!(full, "1:12  maou_rust  [#####-------]  87/190  612 MiB used, 2.3 GiB free  polars-core, arrow-ipc");
        let short = line(Duration::from_secs(72), &state(), 40);
        assert_eq!(short.chars().count(), 40);
        assert!(short.ends_with('…'));
    }

    #[test]
    fn without_a_terminal_a_line_is_whole_and_rare() {
        let out = Shared::default();
        let mut progress = Progress::new(Box::new(out.clone()), false, 200);
        for second in 0..40 {
            progress.update(Duration::from_secs(second), &state());
        }
        drop(progress);
        let text = String::from_utf8(out.0.borrow().clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains('\r') && !text.contains('\x1b'));
    }

    #[test]
    fn on_a_terminal_what_is_said_starts_on_a_clean_line() {
        let out = Shared::default();
        let mut progress = Progress::new(Box::new(out.clone()), true, 80);
        progress.update(Duration::ZERO, &state());
        progress.say("warning: something");
        drop(progress);
        let text = String::from_utf8(out.0.borrow().clone()).expect("UTF-8");
        assert!(text.ends_with("\r\x1b[Kwarning: something\n"), "{text:?}");
    }

    #[test]
    fn what_runs_is_told_with_what_it_holds() {
        let mut state = state();
        state.show_units(&[("polars-core".into(), 512 << 20), ("memchr".into(), 20 << 20)]);
        assert_eq!(state.active, "polars-core 512 MiB, memchr");
    }

    #[test]
    fn clocks_read_as_clocks() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
