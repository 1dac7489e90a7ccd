//! Memory of earlier calls, to be used again: fresh pages would cost a call of some megabytes a tenth of its time.

use std::sync::Mutex;

use crate::threads::{self, locked};

/// What nobody uses now.
pub(super) struct Spare<T>(Mutex<Vec<T>>);

impl<T: Default> Spare<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// One of them, or a new one.
    pub(super) fn take(&self) -> T {
        locked(&self.0).pop().unwrap_or_default()
    }

    /// Keeps it, where there are not as many as `each_thread` for each thread already.
    pub(super) fn give(&self, value: T, each_thread: usize) {
        let mut kept = locked(&self.0);
        if kept.len() < threads::threads() * each_thread {
            kept.push(value);
        }
    }
}
