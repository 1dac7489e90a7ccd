//! Where a governor and its wrappers meet: a folder for each build, below one that only this user can enter.
//!
//! Paths have to be short (a socket's has 107 bytes at most) and without blanks (make's flags are split at them), so the
//! target directory will not do.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::os;
use crate::env;

/// A build's folder; removed with all that is in it when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// What a wrapper has to say to be admitted.
    pub(crate) key: String,
    /// Held for as long as the build lives: its number means nothing in another container that has the same folder.
    _held: Option<File>,
}

/// The file that a build holds locked.
const HELD: &str = "held";
/// The longest folder below which a socket's path still fits.
const LONGEST: usize = 70;

impl Place {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let base = base()?;
        remove_abandoned(&base);
        let folder = base.join(format!("b{}-{}", std::process::id(), &random_key()?[..8]));
        private_folder(&folder)?;
        let held = File::create(folder.join(HELD)).ok().filter(|file| file.try_lock().is_ok());
        Ok(Place { folder, key: random_key()?, _held: held })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("governor")
}

/// The jobserver from which cargo takes a token for each unit that it offers.
pub(crate) fn offers(folder: &Path) -> PathBuf {
    folder.join("offers")
}

/// The jobserver of one running unit.
pub(crate) fn tokens(folder: &Path, ticket: u64) -> PathBuf {
    folder.join(format!("t{ticket}"))
}

/// Held by the one unit that runs without a governor.
pub(crate) fn fallback_lock(folder: &Path) -> PathBuf {
    folder.join("alone.lock")
}

/// What all builds of this user share.
pub(crate) fn pool() -> anyhow::Result<PathBuf> {
    let pool = base()?.join("pool");
    private_folder(&pool)?;
    Ok(pool)
}

/// `$XDG_RUNTIME_DIR/maou` where there is one, else `/tmp/maou-1000`.
fn base() -> anyhow::Result<PathBuf> {
    let runtime = env::path(env::XDG_RUNTIME_DIR).filter(|path| is_usable(path) && path.is_dir());
    if let Some(runtime) = runtime {
        let base = runtime.join("maou");
        if private_folder(&base).is_ok() {
            return Ok(base);
        }
    }
    let name = format!("maou-{}", os::user());
    let temporary = Some(env::temporary_folder()).filter(|path| is_usable(path)).unwrap_or_else(|| "/tmp".into());
    let base = temporary.join(name);
    private_folder(&base)?;
    Ok(base)
}

fn is_usable(path: &Path) -> bool {
    let text = path.to_string_lossy();
    path.is_absolute() && text.len() <= LONGEST && !text.contains(char::is_whitespace)
}

/// Makes `folder` if need be, and refuses one that others can write to, or that is not ours.
fn private_folder(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    if made.is_ok() {
        return Ok(());
    }
    let data = fs::symlink_metadata(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if !data.is_dir() || data.uid() != os::user() || data.mode() & 0o077 != 0 {
        bail!("{} is not a folder that only you can enter; remove it", folder.display());
    }
    Ok(())
}

/// Builds whose first process has gone, by SIGKILL: nothing else would clean up behind them.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix('b')?.split('-').next()?.parse().ok());
        if owner.is_some_and(|pid: u32| !os::is_alive(pid)) && !is_held(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_held(folder: &Path) -> bool {
    let held = File::open(folder.join(HELD)).map(|file| file.try_lock_shared());
    matches!(held, Ok(Err(TryLockError::WouldBlock)))
}

fn random_key() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_place_is_private_and_goes_with_its_owner() {
        let place = Place::make().expect("a temporary folder");
        let folder = place.folder.clone();
        assert_eq!(folder.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        assert!(socket(&folder).as_os_str().len() < 100);
        drop(place);
        assert!(!folder.exists());
    }

    #[test]
    fn what_a_killed_build_left_is_removed_and_what_one_of_another_container_uses_is_not() {
        let base = env::temporary_folder().join(format!("xtask-places-{}", std::process::id()));
        // No process has such a number here; in another container one may.
        let (dead, held) = (base.join("b999999999-0"), base.join("b999999998-0"));
        for folder in [&dead, &held] {
            fs::create_dir_all(folder).expect("writable");
            fs::write(folder.join(HELD), "").expect("writable");
        }
        let file = File::open(held.join(HELD)).expect("ours");
        file.try_lock().expect("nobody else has it");
        remove_abandoned(&base);
        assert!(!dead.exists() && held.exists());
        drop(file);
        fs::remove_dir_all(base).expect("ours");
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = env::temporary_folder().join(format!("xtask-open-{}", std::process::id()));
        fs::create_dir(&folder).expect("writable");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(private_folder(&folder).is_err());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(private_folder(&folder).is_ok());
        fs::remove_dir(&folder).expect("ours");
    }

    #[test]
    fn blanks_and_long_paths_will_not_do() {
        assert!(is_usable(Path::new("/run/user/1000")));
        assert!(!is_usable(Path::new("/my files")));
        assert!(!is_usable(Path::new("relative")));
        assert!(!is_usable(Path::new(&format!("/{}", "x".repeat(99)))));
    }
}
