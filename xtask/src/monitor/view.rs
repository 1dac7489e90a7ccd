//! Where pictures go: a terminal, a log, or a program that reads JSON.

use std::io::{self, IsTerminal as _, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::relay::{Chunk, Stream};
use super::render::{self, Size};
use super::{Ending, Frame, Options, json};
use crate::{env, terminal};

pub(super) struct View {
    kind: Kind,
    /// What the command prints on stdout, where that is the terminal too.
    stdout: Box<dyn Write>,
    /// All that is ours.
    out: Box<dyn Write>,
    size: fn() -> Size,
    /// The picture that stands on the terminal, with the cursor on the line below it.
    drawn: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A picture that is drawn over itself.
    Screen,
    /// A line each time.
    Lines,
    /// An object each time.
    Json,
}

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// Clears from the cursor to the end of its line, or of the screen.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

impl View {
    /// A command's stdout is its own: beside one, we are on stderr.
    pub(super) fn open(options: &Options) -> Self {
        let on_stderr = !options.json && !options.command.is_empty();
        let out: Box<dyn Write> = if on_stderr { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        let is_terminal = if on_stderr { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let can_draw = env::text("TERM").is_some_and(|terminal| terminal != "dumb") || cfg!(windows);
        let kind = match (options.json, is_terminal && can_draw) {
            (true, _) => Kind::Json,
            (false, true) => Kind::Screen,
            (false, false) => Kind::Lines,
        };
        Self {
            kind,
            stdout: Box::new(io::stdout()),
            out,
            size: || terminal::size().map_or_else(Size::default, |(columns, rows)| Size { columns, rows }),
            drawn: Vec::new(),
        }
    }

    /// Says where the command's output goes: through us where it would be written over, else where it always went.
    pub(super) fn connect(&self, command: &mut Command) {
        // It is not the terminal's foreground group: to read from there would stop it for good.
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        match self.kind {
            Kind::Screen => {
                command.stderr(Stdio::piped());
                if io::stdout().is_terminal() {
                    command.stdout(Stdio::piped());
                }
            }
            Kind::Json => {
                command.stdout(io::stderr());
            }
            Kind::Lines => {}
        }
    }

    pub(super) fn show(&mut self, frame: &Frame) -> io::Result<()> {
        match self.kind {
            Kind::Screen => self.draw(render::screen(frame, (self.size)())),
            Kind::Lines => writeln!(self.out, "{}", render::line(frame)),
            Kind::Json => writeln!(self.out, "{}", json::sample(frame)),
        }?;
        self.out.flush()
    }

    /// Writes `first` and all that waits behind it above the picture, which is drawn again once.
    pub(super) fn relay(&mut self, first: Chunk, more: &Receiver<Chunk>) {
        let picture = std::mem::take(&mut self.drawn);
        // What cannot be written does not concern the command.
        let _ = write!(self.out, "{}{CLEAR_BELOW}", up(picture.len())).and_then(|()| self.out.flush());
        let mut ends_line = true;
        for chunk in std::iter::once(first).chain(more.try_iter().take(1000)) {
            ends_line = chunk.bytes.ends_with(b"\n");
            let target = match chunk.stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.out,
            };
            let _ = target.write_all(&chunk.bytes).and_then(|()| target.flush());
        }
        if !ends_line {
            let _ = writeln!(self.out);
        }
        let _ = self.draw(picture);
    }

    /// The last picture stays where it is.
    pub(super) fn finish_machine(&mut self, wall: Duration) -> io::Result<()> {
        match self.kind {
            Kind::Json => writeln!(self.out, "{}", json::machine_ending(wall)),
            Kind::Screen | Kind::Lines => Ok(()),
        }
    }

    /// The summary takes the picture's place.
    pub(super) fn finish_command(&mut self, ending: &Ending) -> io::Result<()> {
        if self.kind == Kind::Json {
            return writeln!(self.out, "{}", json::ending(ending));
        }
        let above = std::mem::take(&mut self.drawn).len();
        if self.kind == Kind::Screen {
            write!(self.out, "{}{CLEAR_BELOW}", up(above))?;
        }
        for line in render::summary(ending) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    /// Over the last picture, each line over its predecessor: nothing is cleared that stays the same.
    fn draw(&mut self, picture: Vec<String>) -> io::Result<()> {
        let mut text = format!("{HIDE_CURSOR}{}", up(self.drawn.len()));
        for line in &picture {
            text += &format!("\r{line}{CLEAR_LINE}\n");
        }
        text += CLEAR_BELOW;
        self.drawn = picture;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.kind == Kind::Screen {
            let _ = write!(self.out, "{SHOW_CURSOR}").and_then(|()| self.out.flush());
        }
    }
}

fn up(lines: usize) -> String {
    // A zero would mean one.
    if lines == 0 { "\r".to_owned() } else { format!("\r\x1b[{lines}A") }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::mpsc;

    use super::super::examples;
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Shared {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.borrow_mut())).expect("UTF-8")
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn view(kind: Kind) -> (View, Shared) {
        let shared = Shared::default();
        let (stdout, out) = (Box::new(shared.clone()), Box::new(shared.clone()));
        (View { kind, stdout, out, size: Size::default, drawn: Vec::new() }, shared)
    }

    #[test]
    fn a_picture_is_drawn_over_the_last_one() {
        let (mut view, shared) = view(Kind::Screen);
        view.show(&examples::build()).expect("written");
        let first = shared.take();
        let lines = first.matches(CLEAR_LINE).count();
        assert!(first.starts_with("\x1b[?25l\r\r"), "{first:?}");
        view.show(&examples::build()).expect("written");
        assert!(shared.take().starts_with(&format!("\x1b[?25l\r\x1b[{lines}A")));
        drop(view);
        assert_eq!(shared.take(), SHOW_CURSOR);
    }

    #[test]
    fn what_the_command_prints_stands_above_the_picture() {
        let (mut view, shared) = view(Kind::Screen);
        view.show(&examples::build()).expect("written");
        let height = view.drawn.len();
        shared.take();
        let (sender, receiver) = mpsc::channel();
        let chunk = |stream, text: &str| Chunk { stream, bytes: text.into() };
        sender.send(chunk(Stream::Stdout, "two")).expect("open");
        view.relay(chunk(Stream::Stderr, "one\n"), &receiver);
        let text = shared.take();
        assert!(text.starts_with(&format!("\r\x1b[{height}A\x1b[Jone\ntwo\n{HIDE_CURSOR}\r\r")), "{text:?}");
        assert_eq!(view.drawn.len(), height);
    }

    #[test]
    fn without_a_terminal_there_are_lines_and_nothing_else() {
        for kind in [Kind::Lines, Kind::Json] {
            let (mut view, shared) = view(kind);
            view.show(&examples::build()).expect("written");
            view.show(&examples::machine()).expect("written");
            drop(view);
            let text = shared.take();
            assert_eq!(text.lines().count(), 2);
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn the_summary_takes_the_pictures_place() {
        let (mut view, shared) = view(Kind::Screen);
        view.show(&examples::build()).expect("written");
        let height = view.drawn.len();
        shared.take();
        view.finish_command(&examples::ending()).expect("written");
        assert!(shared.take().starts_with(&format!("\r\x1b[{height}A\x1b[J")));
    }
}
