//! In which order the kernel ends processes when memory is out: compilers first, then what can be started again, and this
//! program, which does that, last. Anybody may offer himself more readily than before; nobody less, without privileges.

/// More than a wrapper: compilers and what they start. The governor runs them again.
pub(crate) const COMPILER: i32 = 400;
/// More than what can be started again: processes that nobody needs.
pub(crate) const DECOY: i32 = 100;
/// More than whoever starts them: cargo, its wrappers and the governor. A step is run again without them, and goes on
/// where it was.
pub(crate) const REPLACEABLE: i32 = 100;

/// Offers the calling process by so much more readily than whoever started it. Async-signal-safe. A kernel or a container
/// that does not allow it is no reason not to go on.
#[cfg(target_os = "linux")]
pub(crate) fn offer(more: i32) {
    // SAFETY: system calls on memory of ours.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if file < 0 {
            return;
        }
        let mut text = [0_u8; 8];
        let len = libc::read(file, text.as_mut_ptr().cast(), text.len());
        let score = usize::try_from(len).ok().and_then(|len| parse(text.get(..len)?)).unwrap_or(0);
        let (text, len) = write(score + more);
        libc::pwrite(file, text.as_ptr().cast(), len, 0);
        libc::close(file);
    }
}

/// Only Linux can be told.
#[cfg(not(target_os = "linux"))]
pub(crate) fn offer(_more: i32) {}

/// Without the standard library's parser, which is not promised to be async-signal-safe.
#[cfg(target_os = "linux")]
fn parse(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let mut value = 0;
    for digit in digits.iter().take_while(|byte| **byte != b'\n') {
        value = value * 10 + i32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(sign * value)
}

/// The most is 1000. What is below nothing becomes nothing: it was protected, and is no more.
#[cfg(target_os = "linux")]
fn write(score: i32) -> ([u8; 4], usize) {
    let score = score.clamp(0, 1000);
    let mut text = [0; 4];
    let mut len = 0;
    for power in [1000, 100, 10, 1] {
        if score >= power || power == 1 {
            // A digit.
            text[len] = b'0' + (score / power % 10) as u8;
            len += 1;
        }
    }
    (text, len)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_and_written() {
        for score in [0, 7, 10, 100, 305, 999, 1000] {
            let (text, len) = write(score);
            assert_eq!(std::str::from_utf8(&text[..len]), Ok(score.to_string().as_str()));
            assert_eq!(parse(&text[..len]), Some(score));
        }
        assert_eq!((parse(b"-17\n"), parse(b"300\n"), parse(b"x")), (Some(-17), Some(300), None));
        assert_eq!(write(-900).0[0], b'0');
        assert_eq!(write(5000), write(1000));
    }
}
