"""What the figures depend on: machine, versions, build."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

from maou.infra.utility.benchmark.cells import LIBRARIES
from maou.infra.utility.benchmark.data import HAS_GAMES

CPUINFO = Path("/proc/cpuinfo")


def facts() -> dict[str, Any]:
    """Machine, versions, and which extension it was."""
    import maou._rust

    return {
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "memory_bytes": _memory(),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}},
        "extension": {"path": maou._rust.__file__, "bytes": Path(maou._rust.__file__ or "").stat().st_size},
        "records": "random games" if HAS_GAMES else "random columns",
        "duckdb_through": "pyarrow",
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # maou runs from a checkout too.
        return None


def _processor() -> str:
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _memory() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
