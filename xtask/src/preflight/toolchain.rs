//! rustc against rust-toolchain.toml.

use super::Finding;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// `1.95.0`
    pub(super) release: Option<String>,
    /// `x86_64-unknown-linux-gnu`
    pub(super) host: Option<String>,
    pub(super) wanted: Option<String>,
}

pub(super) fn judge(toolchain: &Toolchain) -> Finding {
    let Some(release) = &toolchain.release else {
        return Finding::failure(
            "toolchain",
            "rustc does not run",
            "rustup toolchain install, or `bash scripts/dev-init.sh`",
        );
    };
    let host = toolchain.host.as_deref().unwrap_or("unknown host");
    match &toolchain.wanted {
        Some(wanted) if wanted != release => Finding::warning(
            "toolchain",
            format!("rustc {release} on {host}, and rust-toolchain.toml says {wanted}: peaks and lints may differ"),
            format!("rustup toolchain install {wanted}"),
        ),
        _ => Finding::ok("toolchain", format!("rustc {release} on {host}")),
    }
}

/// The channel in a rust-toolchain.toml.
pub(super) fn channel_in(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.trim_start().starts_with("channel"))?;
    Some(line.split('"').nth(1)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn toolchain(release: Option<&str>) -> Toolchain {
        Toolchain {
            release: release.map(str::to_owned),
            host: Some("x86_64-unknown-linux-gnu".into()),
            wanted: channel_in("[toolchain]\nchannel = \"1.95.0\"\n"),
        }
    }

    #[test]
    fn the_pinned_release_is_ok_another_a_warning_none_a_failure() {
        assert_eq!(judge(&toolchain(Some("1.95.0"))).verdict, Verdict::Ok);
        assert_eq!(judge(&toolchain(Some("1.97.0-nightly"))).verdict, Verdict::Warning);
        assert_eq!(judge(&toolchain(None)).verdict, Verdict::Failure);
    }
}
