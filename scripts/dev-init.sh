#!/usr/bin/env bash
# dev-init.sh: from a machine with git, a C compiler and Python to a working extension.
#
# Finds or installs rustup and uv, then runs `cargo xtask build` and `cargo xtask verify`. Safe to run again. Works in a
# non-interactive shell without ~/.cargo/bin on PATH (Google Colab), as root and as a user. Writes outside the checkout
# only what rustup and uv are: it says so before it does.
#
#   bash scripts/dev-init.sh [ARGUMENTS OF cargo xtask build]
#
# MAOU_INIT_ONLY=1 stops after the tools are there.
set -euo pipefail

say() { printf 'dev-init: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# Ends with what is missing and how to get it.
need() {
    have "$1" && return
    say "error: no $1 on this machine; install it first (Debian, Ubuntu, Colab: apt-get install -y $2)"
    exit 1
}

# A download, with whichever tool is there.
fetch() {
    if have curl; then
        curl --proto '=https' --tlsv1.2 -sSf "$1"
    elif have wget; then
        wget -qO- --https-only "$1"
    else
        say "error: neither curl nor wget is here to download $1 (apt-get install -y curl)"
        exit 1
    fi
}

find_rust() {
    local bin="${CARGO_HOME:-$HOME/.cargo}/bin"
    if ! have cargo && [ -x "$bin/cargo" ]; then
        say "cargo is in $bin, which is not on PATH; using it for this run"
        export PATH="$bin:$PATH"
    fi
    have cargo && return
    say "installing rustup into ${RUSTUP_HOME:-$HOME/.rustup} and $bin; no shell profile is changed"
    fetch https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none --no-modify-path
    export PATH="$bin:$PATH"
    say "for later shells: export PATH=\"$bin:\$PATH\""
}

find_uv() {
    local bin="${UV_INSTALL_DIR:-$HOME/.local/bin}"
    if ! have uv && [ -x "$bin/uv" ]; then
        export PATH="$bin:$PATH"
    fi
    have uv && return
    # The installer is a convenience: cargo xtask does the same with pip, only slower.
    say "installing uv into $bin; no shell profile is changed"
    if fetch https://astral.sh/uv/install.sh | env UV_NO_MODIFY_PATH=1 sh >/dev/null 2>&1; then
        export PATH="$bin:$PATH"
    else
        say "uv could not be installed; going on with pip"
    fi
}

main() {
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    need git git
    need cc gcc
    need python3 "python3 python3-venv"
    find_rust
    find_uv
    if [ "${MAOU_INIT_ONLY:-}" = 1 ]; then
        say "the tools are there"
        return
    fi
    cargo xtask build "$@"
    cargo xtask verify
}

main "$@"
