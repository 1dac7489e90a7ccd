//! One unit from its offer to its end: wait for a turn, run, report, and again if it was killed.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::Orders;
use super::child::{self, Compiler, Exit};
use super::link::{self, tell};
use super::relay::Relay;
use super::slim;
use crate::governor::frame::{Ended, FromGovernor, FromWrapper, How, Start};
use crate::governor::unit::Call;
use crate::{env, proc};

/// The last signal that asked us to end.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Between two looks at whether cargo still lives, and at a compiler whose end nothing tells, milliseconds.
const LOOK_MS: libc::c_int = 200;
/// A governor that hangs up sooner than this, so often in a row, does not want us.
const HANGS_UP: Duration = Duration::from_secs(1);
const REFUSALS: u32 = 4;
/// Attempts without a governor.
const UNGOVERNED_ATTEMPTS: u32 = 4;
/// For rustc's allocator, jemalloc: pages that are free go back to the system at once. Measured on polars-core: 589 MiB
/// instead of 617, for 7 % more processor time.
const FRUGAL: &str = "dirty_decay_ms:0,muzzy_decay_ms:0";
/// rustc is killed by the first of them; a daemon against thrashing begins with the second.
const KILLS: [i32; 2] = [libc::SIGKILL, libc::SIGTERM];

/// Whether we are to end: a signal, or cargo's death.
#[derive(Debug)]
pub(super) struct Interruption {
    parent: u32,
}

/// What the wrapper does next.
enum Turn {
    Start(Start),
    Stand,
    /// There is no governor any more.
    Ungoverned,
    Interrupted,
}

struct Unit<'a> {
    orders: &'a Orders,
    call: &'a Call,
    interruption: Interruption,
    governor: Option<UnixStream>,
    relay: Relay,
}

/// How one attempt ended, and what that means.
struct Attempt {
    exit: Exit,
    how: How,
}

pub(super) fn run(orders: &Orders, call: &Call) -> ExitCode {
    let interruption = Interruption::catch();
    let governor = link::offer(orders, call, &interruption);
    let mut unit = Unit { orders, call, interruption, governor, relay: Relay::default() };
    let exit = match unit.run_through() {
        Ok(exit) => exit,
        Err(error) => return cannot_start(orders, &error),
    };
    // Cargo that has gone cannot be told.
    let _ = unit.relay.finish(&mut io::stderr());
    child::end_like(exit)
}

impl Unit<'_> {
    fn run_through(&mut self) -> io::Result<Exit> {
        let mut last: Option<Exit> = None;
        loop {
            let start = match self.wait() {
                Turn::Start(start) => start,
                Turn::Stand => return Ok(last.unwrap_or_else(interrupted)),
                Turn::Ungoverned => return self.ungoverned(last),
                Turn::Interrupted => return Ok(interrupted()),
            };
            let attempt = self.attempt(Some(&start))?;
            if self.interruption.wanted() {
                // Not a kill to be mended: everybody is ending, of what asked us to and not of our own SIGKILL.
                return Ok(if attempt.exit.signal.is_some() { interrupted() } else { attempt.exit });
            }
            let ended =
                Ended { how: attempt.how, cpu_us: attempt.exit.cpu_us, resident_kib: attempt.exit.resident_kib };
            tell(&mut self.governor, &FromWrapper::Ended(ended));
            last = Some(attempt.exit);
            if matches!(attempt.how, How::Code(_)) {
                return Ok(attempt.exit);
            }
            if self.governor.is_none() {
                self.governor = link::offer(self.orders, self.call, &self.interruption);
            }
        }
    }

    /// Waits, holding nothing, for the governor's word.
    fn wait(&mut self) -> Turn {
        let mut slim = false;
        let (mut asked, mut refused) = (Instant::now(), 0);
        loop {
            let Some(stream) = self.governor.as_mut() else { return Turn::Ungoverned };
            if self.interruption.wanted() {
                return Turn::Interrupted;
            }
            if !ready(&[stream.as_raw_fd()])[0] {
                if !std::mem::replace(&mut slim, true) {
                    slim::let_go_of_code();
                }
                continue;
            }
            match FromGovernor::read(stream) {
                Ok(Some(FromGovernor::Start(start))) => return Turn::Start(start),
                Ok(Some(FromGovernor::Stand)) => return Turn::Stand,
                // It was too late: the attempt had ended.
                Ok(Some(FromGovernor::Evict) | None) => {}
                Err(_) => {
                    // One that dies is replaced, and one that does not want us, as another user's, is not asked for ever.
                    refused = if asked.elapsed() < HANGS_UP { refused + 1 } else { 0 };
                    if refused >= REFUSALS {
                        return Turn::Ungoverned;
                    }
                    self.governor = link::offer(self.orders, self.call, &self.interruption);
                    asked = Instant::now();
                }
            }
        }
    }

    /// Without a governor: one unit at a time, and a killed one again.
    fn ungoverned(&mut self, last: Option<Exit>) -> io::Result<Exit> {
        let _alone = link::wait_alone(&self.orders.folder, &self.interruption);
        let mut last = last;
        for _ in 0..UNGOVERNED_ATTEMPTS {
            if self.interruption.wanted() {
                return Ok(last.unwrap_or_else(interrupted));
            }
            let attempt = self.attempt(None)?;
            if matches!(attempt.how, How::Code(_)) {
                return Ok(attempt.exit);
            }
            last = Some(attempt.exit);
        }
        Ok(last.unwrap_or_else(interrupted))
    }

    fn attempt(&mut self, start: Option<&Start>) -> io::Result<Attempt> {
        let mut command = proc::same_environment(&self.orders.program);
        command.args(&self.orders.arguments);
        if let Some(units) = start.and_then(|start| start.codegen_units) {
            command.arg(format!("-Ccodegen-units={units}"));
        }
        if start.is_none_or(|start| start.frugal) {
            command.env(env::MALLOC_CONF, FRUGAL);
        }
        self.relay.begin_attempt();
        // Where the pipe could not be made, the governor names none.
        let tokens = start.map(|start| start.tokens.as_str()).filter(|path| !path.is_empty());
        let mut compiler = Compiler::start(command, tokens)?;
        tell(&mut self.governor, &FromWrapper::Started { pid: compiler.pid() });
        let (exit, evicted) = self.follow(&mut compiler);
        // A linker that outlives its compiler would write to files that the next attempt writes.
        compiler.kill();
        Ok(Attempt { how: self.meaning(exit, evicted), exit })
    }

    /// Passes on what the compiler says until it has ended.
    fn follow(&mut self, compiler: &mut Compiler) -> (Exit, bool) {
        let mut evicted = false;
        let mut buffer = [0; 16 << 10];
        let mut open = true;
        loop {
            let governor = self.governor.as_ref().map_or(-1, |stream| stream.as_raw_fd());
            let stderr = if open { compiler.stderr_fd() } else { -1 };
            let ready = ready(&[stderr, governor, compiler.end_fd().unwrap_or(-1)]);
            if open && ready[0] {
                open = self.read(compiler, &mut buffer);
            }
            if ready[1] && self.asks_to_evict() {
                evicted = true;
                compiler.kill();
            }
            if self.interruption.wanted() {
                compiler.kill();
            }
            // Where nothing tells of its end, a closed stderr nearly always does.
            if (ready[2] || !open || !ready[0])
                && let Some(exit) = compiler.poll()
            {
                while open && compiler.read(&mut buffer).is_some_and(|count| self.pass(&buffer[..count])) {}
                return (exit, evicted);
            }
        }
    }

    fn read(&mut self, compiler: &mut Compiler, buffer: &mut [u8]) -> bool {
        match compiler.read(buffer) {
            Some(count) => self.pass(&buffer[..count]),
            None => true,
        }
    }

    /// Gives what was read to cargo; `false` when there will be no more.
    fn pass(&mut self, bytes: &[u8]) -> bool {
        let had_metadata = self.relay.metadata_out;
        // Cargo that has gone is noticed as our parent; until then the compiler must not block.
        let _ = self.relay.take(bytes, &mut io::stderr());
        if self.relay.metadata_out && !had_metadata {
            tell(&mut self.governor, &FromWrapper::Metadata);
        }
        !bytes.is_empty()
    }

    fn asks_to_evict(&mut self) -> bool {
        let Some(stream) = self.governor.as_mut() else { return false };
        match FromGovernor::read(stream) {
            Ok(said) => said == Some(FromGovernor::Evict),
            Err(_) => {
                // The compiler goes on; there is nobody to report to.
                self.governor = None;
                false
            }
        }
    }

    fn meaning(&self, exit: Exit, evicted: bool) -> How {
        match (exit.signal, exit.code) {
            (Some(_), _) if evicted => How::Evicted,
            (Some(signal), _) if KILLS.contains(&signal) => How::Killed(signal),
            (Some(libc::SIGABRT), _) if self.relay.killed_inside => How::Killed(libc::SIGABRT),
            (_, Some(code)) if code != 0 && self.relay.killed_inside => {
                if evicted {
                    How::Evicted
                } else {
                    How::Killed(libc::SIGKILL)
                }
            }
            (Some(signal), _) => How::Code(128 + signal),
            (None, code) => How::Code(code.unwrap_or(1)),
        }
    }
}

impl Interruption {
    fn catch() -> Self {
        extern "C" fn remember(signal: libc::c_int) {
            SIGNAL.store(signal, Ordering::Relaxed);
        }
        // It stores one integer, which is async-signal-safe.
        proc::on_signals(remember);
        Interruption { parent: std::os::unix::process::parent_id() }
    }

    pub(super) fn wanted(&self) -> bool {
        SIGNAL.load(Ordering::Relaxed) != 0 || std::os::unix::process::parent_id() != self.parent
    }
}

/// Which of the files have something to read; -1 stands for none. Waits a fifth of a second at most.
fn ready<const N: usize>(files: &[RawFd; N]) -> [bool; N] {
    let mut polled = files.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: poll writes to an array that it is given with its length.
    let count = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, LOOK_MS) };
    polled.map(|file| count > 0 && file.revents != 0)
}

/// The end of a wrapper that was asked to end before its compiler had a turn.
fn interrupted() -> Exit {
    let signal = SIGNAL.load(Ordering::Relaxed);
    Exit { code: None, signal: Some(if signal == 0 { libc::SIGTERM } else { signal }), cpu_us: 0, resident_kib: 0 }
}

fn cannot_start(orders: &Orders, error: &io::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: cannot start the compiler `{}`: {error}", orders.program.display());
    ExitCode::FAILURE
}
