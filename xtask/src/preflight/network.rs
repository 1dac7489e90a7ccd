//! Whether a build would need the network.

use super::Finding;

pub(super) fn registry(complete: Option<bool>) -> Finding {
    match complete {
        Some(true) => Finding::ok("registry", "every crate is in the cache; --offline works"),
        Some(false) => Finding::warning(
            "registry",
            "crates are missing from the cache (or Cargo.lock is out of date): the build needs the network",
            "cargo fetch --locked",
        ),
        None => Finding::warning("registry", "cannot be asked without rustc", "see toolchain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    #[test]
    fn an_incomplete_cache_is_no_failure() {
        assert_eq!(registry(Some(true)).verdict, Verdict::Ok);
        assert_eq!(registry(Some(false)).verdict, Verdict::Warning);
    }
}
