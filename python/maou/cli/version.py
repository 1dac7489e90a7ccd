"""The version, of which the compiled extension is the one place."""

from __future__ import annotations

from maou.cli.errors import explained


def version() -> str:
    """Name and version."""
    from maou.domain.data.rust_io import check_rust_backend

    with explained("load", "maou._rust"):
        check_rust_backend()
    from maou._rust import __version__

    return f"maou {__version__}"
