"""The machine that a benchmark runs on: what it is, and what memory it has left."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")


def facts(modules: Sequence[str]) -> dict[str, Any]:
    """The machine, and the versions of Python, SQLite and these installed packages."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "available_bytes": available_memory(),
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{module: version(module) for module in modules},
        },
    }


def available_memory() -> int | None:
    """Bytes that a process may still take: the machine's, or less in a memory cgroup. None where nothing tells."""
    meminfo = _fields(Path("/proc/meminfo"))
    machine = [meminfo["MemAvailable"] << 10] if "MemAvailable" in meminfo else []
    return min([*machine, *_left_in_cgroups()], default=None)


def processor() -> str:
    """The processor's name, or what Python calls it."""
    models = (line.split(":", 1)[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name"))
    return next(models, platform.processor())


def version(module: str) -> str | None:
    """Of an installed package; None where it is not installed, as maou in a checkout."""
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return None


def _left_in_cgroups() -> Iterator[int]:
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _left_in(CGROUPS, path, "memory.max", "anon")
        elif "memory" in controllers.split(","):
            yield from _left_in(CGROUPS / "memory", path, "memory.limit_in_bytes", "total_rss")


def _left_in(root: Path, path: str, limit_file: str, anonymous: str) -> Iterator[int]:
    group = root / path.strip("/")
    # A limit of a group holds for those within; page cache gives way.
    for directory in (group, *group.parents):
        limit = _lines(directory / limit_file)
        if limit and limit[0].isdigit():
            yield max(0, int(limit[0]) - _fields(directory / "memory.stat").get(anonymous, 0))
        if directory == root:
            break


def _fields(path: Path) -> dict[str, int]:
    """Names and numbers of a file that has one of each a line."""
    fields = (line.replace(":", " ").split() for line in _lines(path))
    return {field[0]: int(field[1]) for field in fields if len(field) > 1 and field[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
