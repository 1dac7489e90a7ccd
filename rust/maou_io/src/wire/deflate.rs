//! Buffers as LZ4 frames, compressed on as many threads as are worth it, written in order.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use arrow_buffer::Buffer;

use super::lz4::{self, BLOCK_SIZE, FRAME_END, FRAME_START};
use super::spare::Spare;
use crate::threads;

/// A part of a buffer that becomes one block, with what stands before and behind it.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    bytes: &'a [u8],
    /// Bytes of the whole buffer, where this is its first part.
    first_of: Option<usize>,
    last: bool,
    /// Which buffer it is a part of.
    buffer: usize,
}

/// Jobs that have been done and not been written, and those that wait: at most this many for each thread, so that a slow
/// disk does not fill the memory.
const AHEAD: usize = 4;
/// Memory for compressed blocks.
static SPARE: Spare<Vec<u8>> = Spare::new();
/// What is kept of it for each thread: the block that is made, and one that is written.
const KEPT: usize = 2;
/// Bytes of a buffer below which no compression can pay for its frame.
const TINY: usize = 32;
/// In place of a size: the buffer is stored as it is.
const STORED: i64 = -1;
/// Bytes that a compressed buffer ends at a multiple of.
const ALIGNMENT: usize = 8;

/// Gives the compressed `buffers` to `write`, in order and in parts, and says how long each of them is without what pads
/// it. An empty buffer stays empty.
pub(crate) fn compress(buffers: &[Buffer], mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Vec<usize>> {
    let jobs = jobs(buffers);
    let bytes = buffers.iter().map(Buffer::len).sum();
    let threads = threads::worth(bytes, jobs.len());
    let mut lens = vec![0; buffers.len()];
    let mut put = |job: &Job<'_>, frame: &[u8]| {
        lens[job.buffer] += frame.len();
        write(frame)?;
        let padding = if job.last { lens[job.buffer].next_multiple_of(ALIGNMENT) - lens[job.buffer] } else { 0 };
        write(&[0; ALIGNMENT][..padding])
    };
    if threads == 1 {
        let mut frame = SPARE.take();
        for job in &jobs {
            frame.clear();
            job.run(&mut frame);
            put(job, &frame)?;
        }
        SPARE.give(frame, KEPT);
        return Ok(lens);
    }
    let line = Line::new(&jobs, threads * AHEAD);
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be made, those that there are do it all.
            if thread::Builder::new().spawn_scoped(scope, || line.work()).is_err() {
                break;
            }
        }
        let written = line.write(&mut put);
        line.end();
        written
    })?;
    Ok(lens)
}

/// As many bytes as `len` and what pads it.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT)
}

fn jobs(buffers: &[Buffer]) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for (index, buffer) in buffers.iter().enumerate() {
        let count = buffer.len().div_ceil(BLOCK_SIZE);
        for (part, bytes) in buffer.chunks(BLOCK_SIZE).enumerate() {
            let first_of = (part == 0).then_some(buffer.len());
            jobs.push(Job { bytes, first_of, last: part + 1 == count, buffer: index });
        }
    }
    jobs
}

impl Job<'_> {
    /// Appends what it comes to in the file.
    fn run(&self, frame: &mut Vec<u8>) {
        if self.first_of.is_some_and(|size| size < TINY) {
            frame.extend(STORED.to_le_bytes());
            frame.extend_from_slice(self.bytes);
            return;
        }
        if let Some(size) = self.first_of {
            // A length in memory: far below 2^63.
            frame.extend((size as i64).to_le_bytes());
            frame.extend(FRAME_START);
        }
        lz4::append_block(self.bytes, frame);
        if self.last {
            frame.extend(FRAME_END);
        }
    }
}

/// Jobs between those who do them and the one who writes.
struct Line<'a> {
    jobs: &'a [Job<'a>],
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The first job that nobody has begun.
    next: usize,
    /// The first job that has not been taken to be written.
    taken: usize,
    /// Those from `taken` on, where they are done.
    done: VecDeque<Option<Vec<u8>>>,
    ended: bool,
}

impl State {
    /// The next job to be written, if it is done.
    fn take(&mut self) -> Option<Vec<u8>> {
        let frame = self.done.front_mut()?.take()?;
        self.done.pop_front();
        self.taken += 1;
        Some(frame)
    }
}

impl<'a> Line<'a> {
    fn new(jobs: &'a [Job<'a>], ahead: usize) -> Self {
        let state = State { next: 0, taken: 0, done: VecDeque::new(), ended: false };
        Self { jobs, ahead, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Does jobs until there are none.
    fn work(&self) {
        let mut state = self.lock();
        while !state.ended && state.next < self.jobs.len() {
            if state.next < state.taken + self.ahead {
                state = self.run_next(state);
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Writes what is done, and does jobs itself where nothing is.
    fn write(&self, put: &mut impl FnMut(&Job<'_>, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        while state.taken < self.jobs.len() {
            if let Some(frame) = state.take() {
                let job = &self.jobs[state.taken - 1];
                self.changed.notify_all();
                drop(state);
                put(job, &frame)?;
                SPARE.give(frame, KEPT);
                state = self.lock();
            } else if state.next < self.jobs.len() && state.next < state.taken + self.ahead {
                state = self.run_next(state);
            } else {
                state = self.wait(state);
            }
        }
        Ok(())
    }

    fn run_next<'b>(&'b self, mut state: MutexGuard<'b, State>) -> MutexGuard<'b, State> {
        let index = state.next;
        state.next += 1;
        drop(state);
        let mut frame = SPARE.take();
        frame.clear();
        self.jobs[index].run(&mut frame);
        let mut state = self.lock();
        // `taken` is at most `index`, since this one is not done.
        let place = index - state.taken;
        if state.done.len() <= place {
            state.done.resize_with(place + 1, || None);
        }
        state.done[place] = Some(frame);
        self.changed.notify_all();
        state
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        threads::locked(&self.state)
    }

    fn wait<'b>(&self, state: MutexGuard<'b, State>) -> MutexGuard<'b, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
