#!/usr/bin/env bash
# sanitize.sh: the tests of maou_io, where all unsafe code that handles files is, under what finds its mistakes.
#
#   bash scripts/sanitize.sh [address] [thread] [miri]
#
# Without arguments all three. `address` and `thread` are AddressSanitizer and ThreadSanitizer; `address` needs the
# toolchain of rust-toolchain.toml and nothing else. The others need what stable Rust does not have:
#
#   rustup toolchain install nightly --component miri,rust-src
#
# Miri runs neither C nor stores past the cache, and it is slow: it sees the other modules that have unsafe code or threads.
# Built in target/sanitize.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_BUILD_TARGET:-$(rustc --version --verbose | sed -n 's/^host: //p')}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/sanitize"

# Tests ask for more memory than there is, and expect to hear so.
export ASAN_OPTIONS=allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1

address() {
    # The sanitizer is on the stable compiler, behind a flag that only says that it may change.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR="$CARGO_TARGET_DIR/address" \
        cargo test --target "$target" --package maou_io --lib --test hostile
}

thread() {
    # What is not compiled with it, std too, would be taken for a race.
    RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR="$CARGO_TARGET_DIR/thread" \
        cargo +nightly test -Zbuild-std --target "$target" --package maou_io --lib
}

miri() {
    CARGO_TARGET_DIR="$CARGO_TARGET_DIR/miri" cargo +nightly miri test --package maou_io --lib -- \
        read::check wire::region::tests::memory_is wire::region::tests::memory_that_is_not threads::
}

for check in "${@:-address thread miri}"; do
    for name in $check; do
        case "$name" in
            address | thread | miri) "$name" ;;
            *)
                echo "sanitize: error: no check '$name': there are address, thread and miri" >&2
                exit 2
                ;;
        esac
    done
done
