mod group;
mod litter;
mod permissions;

use std::fs::{self, File};
use std::io;
use std::path::{self, Path, PathBuf};

use crate::error::{Error, Result};
pub(crate) use group::Group;

/// A file that appears under its name when it is whole, or not at all.
///
/// It is written beside its target, on the same file system, and renamed. Dropped before that, it leaves nothing. Killed
/// before that, it leaves a file that the next save of the same target removes: one that nobody holds a lock on.
#[derive(Debug)]
pub struct AtomicFile {
    /// The name that the caller gave, for messages.
    target: PathBuf,
    /// Where `target` leads when it is a symbolic link: the link has to survive the rename.
    destination: PathBuf,
    temporary: PathBuf,
    published: bool,
}

/// Symbolic links that may lead from one to the next. As many as Linux follows.
const LINKS: usize = 40;

impl AtomicFile {
    /// A new temporary file for `target`, and the handle to write it with. As long as that is open, the file is no litter.
    ///
    /// It has the permissions of the file that it will replace, and its owner where that is allowed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the operating system refuses, or would refuse to write `target` itself; [`Error::Argument`] for
    /// a target that is no regular file.
    pub fn create(target: &Path) -> Result<(Self, File)> {
        Self::create_as(target, |destination| {
            litter::remove(directory_of(destination), Some(destination));
            // It has a name: that was found out when it was resolved.
            Ok(litter::prefix(destination).unwrap_or_default())
        })
    }

    /// As [`AtomicFile::create`], for a file that is no litter as long as `group` lives, whether it is open or not.
    pub(crate) fn create_in(group: &mut Group, target: &Path) -> Result<(Self, File)> {
        Self::create_as(target, |destination| group.prefix_in(directory_of(destination)))
    }

    /// `prefix` says what the name of the temporary file for a destination begins with.
    fn create_as(target: &Path, prefix: impl FnOnce(&Path) -> io::Result<String>) -> Result<(Self, File)> {
        let destination = resolve(target)?;
        let old = fs::metadata(&destination).ok();
        let (temporary, file) = prefix(&destination)
            .and_then(|prefix| litter::create(directory_of(&destination), &prefix, old.is_some()))
            .map_err(|error| creation_error(target, &destination, error))?;
        let guard = Self { target: target.to_owned(), destination, temporary, published: false };
        if let Some(old) = old {
            permissions::keep(&file, &old).map_err(|error| Error::io("write", target, error))?;
        }
        Ok((guard, file))
    }

    /// The name that the file will have.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where it is until it is published.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Renames the file to its target. The caller has flushed it. `durable`: the name has reached the disk, too.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn publish(mut self, durable: bool) -> Result<()> {
        fs::rename(&self.temporary, &self.destination).map_err(|error| Error::io("write", &self.target, error))?;
        self.published = true;
        if durable {
            sync_directory(&self.destination);
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: there is an error on its way already, and it says more than this one would.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where a write to `target` has to end, after refusing what a plain write would refuse and a rename would not. Absolute:
/// the current directory may be another when the file is renamed.
fn resolve(target: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io("write", target, error);
    let refuse = |kind| Err(failed(io::Error::from(kind)));
    match fs::metadata(target) {
        Ok(old) if old.is_dir() => refuse(io::ErrorKind::IsADirectory),
        // A rename would put a regular file where /dev/null was.
        Ok(old) if !old.is_file() => {
            Err(Error::Argument(format!("cannot write {}: it exists and is no regular file", target.display())))
        }
        Ok(old) if old.permissions().readonly() => refuse(io::ErrorKind::PermissionDenied),
        Ok(_) => fs::canonicalize(target).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let nameless = || {
                Error::Argument(format!("cannot write {:?}: the path does not end in a file name", target.display()))
            };
            target.file_name().ok_or_else(nameless)?;
            let destination = follow(target).map_err(failed)?;
            if destination.file_name().is_some() { Ok(destination) } else { Err(nameless()) }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Where `target`, which is not there, would be: symbolic links may lead to it.
fn follow(target: &Path) -> io::Result<PathBuf> {
    let mut path = path::absolute(target)?;
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = directory_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Names the directory when it is the directory that is missing.
fn creation_error(target: &Path, destination: &Path, error: io::Error) -> Error {
    let is_missing = |directory: &&Path| error.kind() == io::ErrorKind::NotFound && !directory.exists();
    match [target, destination].map(directory_of).into_iter().find(is_missing) {
        Some(directory) => Error::io("write a file in the missing directory", directory, error),
        None => Error::io("write", target, error),
    }
}

/// Makes the name of `file` durable. The file is complete and in place by now, so a file system that cannot do this
/// (network mounts answer EINVAL) is no reason to report a failure.
pub(crate) fn sync_directory(file: &Path) {
    #[cfg(unix)]
    {
        let _ = File::open(directory_of(file)).and_then(|directory| directory.sync_all());
    }
    #[cfg(not(unix))]
    {
        let _ = file;
    }
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::testing::names_in;

    fn write(target: &Path, content: &[u8]) -> Result<()> {
        let (guard, mut file) = AtomicFile::create(target)?;
        file.write_all(content).unwrap();
        drop(file);
        guard.publish(true)
    }

    #[test]
    fn publishes_under_the_target_name_only() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.feather");

        write(&target, b"new").unwrap();

        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names_in(directory.path()), ["a.feather"]);
    }

    #[test]
    fn dropped_before_publishing_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.feather");
        fs::write(&target, b"old").unwrap();

        let (guard, mut file) = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(names_in(directory.path()).len(), 2);
        drop((guard, file));

        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names_in(directory.path()), ["a.feather"]);
    }

    #[test]
    fn what_killed_writers_left_is_removed_and_what_living_ones_write_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.feather");
        let litter = [".a.feather.1.0.tmp", ".a.feather.4294967.17.tmp"];
        let others = [".a.feather.tmp", ".a.feather.1.x.tmp", ".b.feather.1.0.tmp", "a.feather.1.0.tmp"];
        for name in litter.iter().chain(&others) {
            fs::write(directory.path().join(name), b"half").unwrap();
        }
        let (living, _file) = AtomicFile::create(&target).unwrap();

        write(&target, b"new").unwrap();

        let mut expected: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        expected.push(living.temporary().file_name().unwrap().to_str().unwrap().to_owned());
        expected.push("a.feather".to_owned());
        expected.sort();
        assert_eq!(names_in(directory.path()), expected);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");

        let error = write(&missing.join("a.feather"), b"").unwrap_err();

        assert!(
            matches!(&error, Error::Io { path, source, .. } if *path == missing && source.kind() == io::ErrorKind::NotFound),
            "{error}"
        );
    }

    #[test]
    fn a_directory_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();

        let error = write(directory.path(), b"").unwrap_err();

        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::IsADirectory), "{error}");
        assert!(names_in(directory.path()).is_empty());
    }

    #[test]
    fn a_read_only_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.feather");
        fs::write(&target, b"old").unwrap();
        let mut permissions = fs::metadata(&target).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&target, permissions).unwrap();

        let error = write(&target, b"new").unwrap_err();

        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied),
            "{error}"
        );
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_followed_and_the_mode_is_kept() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("real.feather");
        let link = directory.path().join("link.feather");
        fs::write(&real, b"old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();

        write(&link, b"new").unwrap();

        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn files_of_a_group_outlive_other_writers_though_they_are_closed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.feather");
        let mut group = Group::default();
        let (closed, _) = AtomicFile::create_in(&mut group, &target).unwrap();

        // Of the same target, and of another group.
        write(&target, b"other").unwrap();
        AtomicFile::create_in(&mut Group::default(), &target).unwrap();

        closed.publish(true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        drop(group);
        assert_eq!(names_in(directory.path()), ["a.feather"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_to_nothing_is_followed() {
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().unwrap();
        let [link, next, real] = ["link", "next", "deep/real"].map(|name| directory.path().join(name));
        symlink("next", &link).unwrap();
        symlink(&real, &next).unwrap();

        let error = write(&link, b"new").unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("deep")), "{error}");
        fs::create_dir(directory.path().join("deep")).unwrap();
        write(&link, b"new").unwrap();

        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names_in(&directory.path().join("deep")), ["real"]);
        symlink("circle", directory.path().join("circle")).unwrap();
        assert!(matches!(write(&directory.path().join("circle"), b""), Err(Error::Io { .. })));
    }

    #[test]
    fn destinations_are_absolute() {
        // The current directory may be another when the file gets its name.
        let destination = resolve(Path::new("not-there.feather")).unwrap();
        assert_eq!(destination, std::env::current_dir().unwrap().join("not-there.feather"));
        assert!(matches!(resolve(Path::new("")), Err(Error::Argument(_))));
    }

    #[test]
    fn long_names_and_relative_names_work() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join(format!("{}.feather", "n".repeat(240)));

        write(&target, b"new").unwrap();

        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(directory_of(Path::new("a.feather")), Path::new("."));
        assert!(matches!(write(Path::new(".."), b""), Err(Error::Io { .. })));
    }
}
