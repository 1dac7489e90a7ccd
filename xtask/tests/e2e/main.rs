//! The real binary, end to end: a small checkout of its own, the real cargo, and a compiler that does as it is told.

#![expect(clippy::disallowed_methods, reason = "tests start processes and read the environment themselves")]
#![cfg(unix)]

mod bad_input;
mod cage;
mod checks;
mod death;
mod features;
mod governor;
mod signals;
mod support;
mod usage;
