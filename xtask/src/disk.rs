//! Free space and write access of a folder.

use std::path::Path;

/// Bytes that this user may still write where `path` is, or where its closest existing ancestor is; `None` when the
/// system does not tell.
pub(crate) fn free(path: &Path) -> Option<u64> {
    os::free(path.ancestors().find(|path| path.is_dir())?)
}

/// Whether this user may make files in `folder`.
pub(crate) fn is_writable(folder: &Path) -> bool {
    os::is_writable(folder)
}

#[cfg(unix)]
mod os {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    /// The casts widen: the fields have 32 bits on some systems.
    pub(super) fn free(path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        // SAFETY: an all-zero statvfs is valid; the call reads a NUL-terminated path and fills the struct.
        let data = unsafe {
            let mut data: libc::statvfs = std::mem::zeroed();
            (libc::statvfs(path.as_ptr(), &mut data) == 0).then_some(data)
        }?;
        Some((data.f_bavail as u64).saturating_mul(data.f_frsize as u64))
    }

    pub(super) fn is_writable(path: &Path) -> bool {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
        // SAFETY: reads a NUL-terminated path and changes nothing.
        unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
    }
}

#[cfg(not(unix))]
mod os {
    use std::path::Path;

    /// Not asked on this system.
    pub(super) fn free(_path: &Path) -> Option<u64> {
        None
    }

    pub(super) fn is_writable(path: &Path) -> bool {
        path.metadata().is_ok_and(|data| !data.permissions().readonly())
    }
}
