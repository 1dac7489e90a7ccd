//! The wrapper that a user has set already: sccache, most likely.

use std::ffi::OsString;
use std::path::Path;

use crate::{cargo_config, env, wrapper};

/// `RUSTC_WRAPPER`, then cargo's configuration, as cargo looks for it. One that is set and empty means none.
pub(crate) fn existing_wrapper() -> Option<OsString> {
    let here = env::current_folder();
    for name in [env::RUSTC_WRAPPER, env::CARGO_BUILD_RUSTC_WRAPPER] {
        if let Some(found) = env::raw(name) {
            let found = found.to_str().map_or_else(|| found.clone(), |text| cargo_config::program(text, &here).into());
            return theirs(found, env::raw(env::INNER_WRAPPER));
        }
    }
    let found = cargo_config::setting(&here, "build.rustc-wrapper").filter(|found| !found.text.is_empty())?;
    Some(found.program().into())
}

/// The user's wrapper. Ours is inherited where somebody has outlived a governed build; then `inner` is the user's.
fn theirs(found: OsString, inner: Option<OsString>) -> Option<OsString> {
    let is_ours = Path::new(&found).file_stem().is_some_and(|name| name == wrapper::NAME);
    let found = if is_ours { inner? } else { found };
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_never_taken_for_the_users() {
        let words = |found: &str, inner: Option<&str>| theirs(found.into(), inner.map(OsString::from));
        assert_eq!(words("/x/sccache", None), Some("/x/sccache".into()));
        assert_eq!(words("", Some("sccache")), None, "switched off");
        assert_eq!(words("/t/xtask/bin/maou-rustc", None), None);
        assert_eq!(words("/t/xtask/bin/maou-rustc", Some("")), None);
        assert_eq!(words("/t/xtask/bin/maou-rustc", Some("sccache")), Some("sccache".into()));
    }
}
