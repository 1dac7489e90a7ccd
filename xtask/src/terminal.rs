//! What people read: a line on stderr, and the size of the terminal that it is on.

/// A line on stderr. Unlike `eprintln!` it does not panic when nobody reads any more, as behind `2>&1 | head`.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::terminal::line(format_args!($($argument)*))
    };
}

pub(crate) use say;

pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Columns and rows of the terminal that is on stderr or stdout; `None` where neither is one.
#[cfg(unix)]
pub(crate) fn size() -> Option<(usize, usize)> {
    [libc::STDERR_FILENO, libc::STDOUT_FILENO].into_iter().find_map(ask)
}

#[cfg(unix)]
fn ask(descriptor: libc::c_int) -> Option<(usize, usize)> {
    // SAFETY: an all-zero winsize is valid, and ioctl only fills it in.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(descriptor, libc::TIOCGWINSZ, &mut size) == 0).then_some(size)
    }?;
    // A terminal that was never told its size says zero.
    (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Not asked on this system.
#[cfg(not(unix))]
pub(crate) fn size() -> Option<(usize, usize)> {
    None
}
