//! A wrapper that waits gives back what it does not need.

/// Lets go of the pages of code and constants that this process has touched: the kernel has them in its cache, and maps
/// them again when they are needed. Sixty wrappers that wait would otherwise be seen with the code of each of them.
#[cfg(target_os = "linux")]
pub(super) fn let_go_of_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for line in maps.lines() {
        if let Some((start, length)) = code_of_a_file(line) {
            // SAFETY: the mapping is of a file, private and never written to (see below), so that what is dropped is
            // read again as it was.
            unsafe {
                libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn let_go_of_code() {}

/// Start and length of a mapping of code, `7f00-7f80 r-xp 00001000 fe:00 42 /usr/lib/libc.so.6`, or of what stands before
/// it in the file, `r--p 00000000`. Neither is ever written to. Other mappings that can only be read may have been, by the
/// dynamic linker, and their pages are not the file's any more.
#[cfg(target_os = "linux")]
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, access, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let path = fields.nth(2)?;
    let is_pristine = access == "r-xp" || (access == "r--p" && offset.bytes().all(|digit| digit == b'0'));
    if !is_pristine || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_let_go() {
        assert_eq!(code_of_a_file("1000-3000 r-xp 00001000 fe:00 42 /lib/libc.so.6"), Some((0x1000, 0x2000)));
        assert!(code_of_a_file("1000-3000 r--p 00000000 fe:00 42 /lib/libc.so.6").is_some());
        for line in [
            "1000-3000 r--p 00001000 fe:00 42 /lib/libc.so.6",
            "1000-3000 rwxp 00000000 00:00 0 ",
            "1000-3000 r-xp 00000000 00:00 0 [vdso]",
            "",
        ] {
            assert_eq!(code_of_a_file(line), None, "{line}");
        }
        // And this process goes on.
        let_go_of_code();
        assert_eq!(code_of_a_file(""), None);
    }
}
