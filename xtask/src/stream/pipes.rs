//! What a step prints, line by line, as messages.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::Sender;

use super::{Message, Said};

/// Begins to read what step `number` prints; gives how many pipes that is. Its threads do nothing but read: a step must
/// never wait for us to look at what it printed.
pub(super) fn read(child: &mut Child, number: u32, sender: &Sender<Message>) -> usize {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let streams = usize::from(stdout.is_some()) + usize::from(stderr.is_some());
    if let Some(stdout) = stdout {
        let sender = sender.clone();
        std::thread::spawn(move || read_lines(stdout, &sender, number, Said::Stdout));
    }
    if let Some(stderr) = stderr {
        let sender = sender.clone();
        std::thread::spawn(move || read_lines(stderr, &sender, number, Said::Stderr));
    }
    streams
}

/// Splits at newlines and at carriage returns: cargo rewrites its progress line with the latter.
fn read_lines(pipe: impl Read, sender: &Sender<Message>, number: u32, wrap: fn(String) -> Said) {
    each_line(pipe, |line| sender.send(Message::Said(number, wrap(line))).is_ok());
    let _ = sender.send(Message::Said(number, Said::Closed));
}

/// Gives lines that are not empty to `take` as soon as they end, until it wants no more.
fn each_line(pipe: impl Read, mut take: impl FnMut(String) -> bool) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut wanted = true;
    while wanted {
        let bytes = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => &[],
        };
        let end = bytes.iter().position(|byte| [b'\n', b'\r'].contains(byte));
        line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        let is_over = bytes.is_empty();
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if (end.is_some() || is_over) && !line.is_empty() {
            wanted = take(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned());
        }
        wanted &= !is_over;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// One piece for each read, as a pipe gives them.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn a_line_is_heard_when_it_ends_and_not_when_the_next_one_does() {
        let mut pipe = Pieces(VecDeque::from([&b"1/3\r"[..], b"2/3\r\nfin", "ish\u{e9}".as_bytes()]));
        let mut lines = Vec::new();
        each_line(&mut pipe, |line| {
            lines.push(line);
            false
        });
        assert_eq!((lines.as_slice(), pipe.0.len()), (&["1/3".to_owned()][..], 2), "the rest was not read for it");
        each_line(&mut pipe, |line| {
            lines.push(line);
            true
        });
        assert_eq!(lines, ["1/3", "2/3", "finish\u{e9}"]);
    }
}
