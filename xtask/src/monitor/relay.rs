//! Passes on what a watched command prints, line by line, so that the picture can stand below it.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::proc::Group;

/// Whole lines, but for the end of an output that has no line break there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) stream: Stream,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Lines that wait to be printed: one that talks faster than the terminal waits, and does not fill our memory.
const WAITING: usize = 256;

/// Reads what is piped of `group`. The channel closes when the pipes do; at once where there are none.
pub(super) fn read(group: &mut Group) -> Receiver<Chunk> {
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    let child = group.child_mut();
    if let Some(pipe) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_lines(pipe, Stream::Stdout, &sender));
    }
    if let Some(pipe) = child.stderr.take() {
        thread::spawn(move || read_lines(pipe, Stream::Stderr, &sender));
    }
    receiver
}

fn read_lines(pipe: impl Read, stream: Stream, sender: &SyncSender<Chunk>) {
    let mut reader = BufReader::new(pipe);
    loop {
        let mut bytes = Vec::new();
        let is_open = reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0);
        if !is_open || sender.send(Chunk { stream, bytes }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_whole_and_bytes_stay_bytes() {
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        read_lines(&b"one\n\xff two\nthe end"[..], Stream::Stderr, &sender);
        drop(sender);
        let lines: Vec<_> = receiver.iter().map(|chunk| chunk.bytes).collect();
        assert_eq!(lines, [&b"one\n"[..], b"\xff two\n", b"the end"]);
    }
}
