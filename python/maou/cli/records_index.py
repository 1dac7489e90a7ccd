"""Record indices: made of files in memory, or opened from a file that `maou data index` has written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maou.cli import files
from maou.cli.errors import CommandError, explained
from maou.cli.kinds import guess_kind
from maou.cli.parser import KINDS
from maou.cli.progress import watched
from maou.cli.shown import shown
from maou.cli.table import count
from maou.domain.data.paths import is_url
from maou.domain.data.rust_io import check_rust_backend

if TYPE_CHECKING:
    from maou._rust.maou_index import SearchIndex

INDEX_SUFFIX = ".maouidx"


def new_index(paths: Sequence[str], kind: str) -> SearchIndex:
    """Make an empty `SearchIndex` of files."""
    return _search_index()(paths, kind)


def check_local(paths: Sequence[str]) -> None:
    """Refuse URLs."""
    for path in paths:
        if is_url(path):
            raise CommandError(
                f"cannot index or search {shown(path)}: only local files can be; copy it here with "
                "maou.infra.storage.download"
            )


def find_index(paths: Sequence[str], kind: str | None) -> SearchIndex:
    """Open the index that is named, or make one of the files in memory."""
    check_local(paths)
    if any(path.endswith(INDEX_SUFFIX) for path in paths):
        return _opened(paths)
    kind = kind or index_kind(paths)
    with explained("index", ", ".join(paths)):
        index = new_index(paths, kind)
        watched(f"indexing {count(len(paths), 'file')}", lambda _: index.build_from_files())
    return index


def index_kind(paths: Sequence[str]) -> str:
    """Kind of the records of the first file, for the rest to agree with."""
    with explained("read", paths[0]):
        kind = guess_kind(watched(f"reading {paths[0]}", lambda _: files.schema(paths[0])))
    if kind not in KINDS:
        found = "not known" if kind == "other" else f"{kind}, which has no index"
        raise CommandError(
            f"cannot index {paths[0]}: the kind of its records is {found}; say which to take: --type {'|'.join(KINDS)}"
        )
    return kind


def _opened(paths: Sequence[str]) -> SearchIndex:
    if len(paths) > 1:
        raise CommandError(f"cannot search {count(len(paths), 'file')}, one of them an index; name the index alone")
    (path,) = paths
    with explained("open", path):
        index = _search_index().open(path)
        is_stale = index.is_stale()
    if is_stale:
        raise CommandError(f"cannot search {path}: {_staleness(index, path)}")
    return index


def _staleness(index: SearchIndex, path: str) -> str:
    """What has become of the files of an index, and what helps."""
    names = index.file_paths()
    gone = [name for name in names if not Path(name).exists()]
    there = [name for name in names if name not in gone]
    again = shlex.join(["maou", "data", "index", "--type", _kind(index), *there, "-o", path])
    # The API takes names as they are.
    hint = (
        ""
        if all(Path(name).is_absolute() for name in names)
        else " (its files are named from the directory where it was made)"
    )
    if not gone:
        return f"its files have changed since{hint}; bring it up to date: {again}"
    rest = len(gone) - 1
    more = f", nor {'is' if rest == 1 else 'are'} {count(rest, 'other')}" if rest else ""
    without = f"the index without it: {again}" if there else "another index"
    return f"{gone[0]} is not there{more}{hint}; put it back, or make {without}"


def _kind(index: SearchIndex) -> str:
    # Nothing else of it says so.
    found = re.search(r"array_type='(\w+)'", repr(index))
    assert found
    return found[1]


def _search_index() -> type[SearchIndex]:
    check_rust_backend()
    from maou._rust.maou_index import SearchIndex

    return SearchIndex
