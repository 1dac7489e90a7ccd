"""What the figures depend on: machine, versions, build."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from maou.infra.utility.benchmark.cells import LIBRARIES
from maou.infra.utility.benchmark.data import HAS_GAMES
from maou.infra.utility.machine import processor, version


def facts() -> dict[str, Any]:
    """Machine, versions, and which extension it was."""
    import maou._rust

    return {
        "machine": {
            "platform": platform.platform(),
            "processor": processor(),
            "cpus": os.cpu_count(),
            "memory_bytes": _memory(),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "extension": {"path": maou._rust.__file__, "bytes": Path(maou._rust.__file__ or "").stat().st_size},
        "records": "random games" if HAS_GAMES else "random columns",
        "duckdb_through": "pyarrow",
    }


def _memory() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
