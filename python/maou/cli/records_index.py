"""Record indices: made of files in memory, or opened from a file that `maou data index` has written."""

from __future__ import annotations

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
        watched(
            f"indexing {count(len(paths), 'file')}",
            lambda progress: index.build_from_files(progress=progress),
            unit="records",
        )
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
        reason = index.stale_reason()
    if reason:
        raise CommandError(f"cannot search {path}: {reason}; {_cure(index, path)}")
    return index


def _cure(index: SearchIndex, path: str) -> str:
    names = index.file_paths()
    there = [name for name in names if Path(name).exists()]
    again = shlex.join(["maou", "data", "index", "--type", index.array_type, *there, "-o", path])
    if len(there) == len(names):
        return f"bring it up to date: {again}"
    return f"put it back, or make {f'the index without it: {again}' if there else 'another index'}"


def _search_index() -> type[SearchIndex]:
    check_rust_backend()
    from maou._rust.maou_index import SearchIndex

    return SearchIndex
