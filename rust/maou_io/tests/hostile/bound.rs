//! A bound on the memory that one execution takes, kept by the allocator itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::io::Write as _;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// The system's allocator, which counts, and ends the process where there is a bound and it is passed.
pub(crate) struct Bounded;

/// What happens to a request above the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Above {
    /// The process ends: so much must not be asked for.
    Aborts,
    /// There is no memory: that must be an error of the caller's. An allocation that cannot fail ends the process.
    Refused,
}

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Bytes that may be.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Bytes above which a request is refused rather than forbidden.
static REFUSED: AtomicUsize = AtomicUsize::new(usize::MAX);

/// More than any machine has, and what callers ask for who want to hear no.
const IMPOSSIBLE: usize = 1 << 40;
/// Smaller requests are not refused: nobody checks them, on any machine.
const SMALL: usize = 1 << 20;

/// Does `work`, which may take `bytes` of memory beyond what is allocated now.
pub(crate) fn within<T>(bytes: usize, above: Above, work: impl FnOnce() -> T) -> T {
    // Tests run side by side, and there is one allocator.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    quiet_panics();
    let _reset = Reset;
    let most = LIVE.load(Ordering::Relaxed).saturating_add(bytes);
    match above {
        Above::Aborts => MOST.store(most, Ordering::Relaxed),
        Above::Refused => REFUSED.store(most, Ordering::Relaxed),
    }
    work()
}

/// Keeps Arrow's panics, which the reader turns into errors, from the terminal, and from libFuzzer, whose hook ends the
/// process at each. One that the reader does not catch says where it was when it gets here.
fn quiet_panics() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let mut last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            last.clear();
            // Cut, so that a batch that is printed does not count.
            last.extend(panic.to_string().chars().take(4000));
        }));
    });
}

/// Past what a test prints, which nobody sees when the process ends.
fn say(message: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Lifts the bound, also after a panic.
struct Reset;

impl Drop for Reset {
    fn drop(&mut self) {
        MOST.store(usize::MAX, Ordering::Relaxed);
        REFUSED.store(usize::MAX, Ordering::Relaxed);
        if std::thread::panicking() {
            say(format_args!("{}", LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner)));
        }
    }
}

// SAFETY: all memory is the system allocator's, which gets every call with the arguments that it came with.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        counted(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        counted(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(start, layout) };
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist for a moment wherever it has to move.
        // SAFETY: as the caller promised.
        let moved = counted(size, || unsafe { System.realloc(start, layout, size) });
        if !moved.is_null() {
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        moved
    }
}

fn counted(size: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
    let live = LIVE.load(Ordering::Relaxed).saturating_add(size);
    if size >= IMPOSSIBLE || (size >= SMALL && live > REFUSED.load(Ordering::Relaxed)) {
        return std::ptr::null_mut();
    }
    if live > MOST.load(Ordering::Relaxed) {
        // Saying so takes memory as well.
        MOST.store(usize::MAX, Ordering::Relaxed);
        say(format_args!("over the bound: {size} bytes are asked for, which makes {live} in all"));
        std::process::abort();
    }
    let start = allocate();
    if !start.is_null() {
        LIVE.fetch_add(size, Ordering::Relaxed);
    }
    start
}
