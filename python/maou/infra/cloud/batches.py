"""Files cut and joined where some of them are in object stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from maou.domain.data.paths import StrPath, is_url
from maou.infra.cloud.files import COPY, fetched, scratch
from maou.infra.cloud.location import Location, join, parse
from maou.infra.cloud.objects import delete, may_exist, parse_writable, put


def split(file_path: StrPath, output_dir: StrPath, run: Callable[[str, str], list[str]]) -> list[Path | str]:
    """Cut `file_path` into files in `output_dir`; either may be a URL.

    Args:
        file_path: what to cut.
        output_dir: a directory, or the URL that the keys of the pieces begin with.
        run: cuts a local file into files of a local directory, and returns them, or the file as it was.

    Returns:
        Paths, and URLs for what is in a store, in order.

    Raises:
        ValueError: when a piece would replace `file_path`.
    """
    # Of which the pieces get their names.
    name = parse(str(file_path)).name if is_url(file_path) else COPY
    with _local(file_path, name) as source, _directory(output_dir) as directory:
        pieces = run(source, directory)
        if pieces == [source]:
            return [_as_given(file_path)]
        return _published(pieces, output_dir, [file_path])


def merge(
    file_paths: Sequence[StrPath], output_dir: StrPath, run: Callable[[list[str], str], list[str]]
) -> list[Path | str]:
    """Join `file_paths` into files in `output_dir`, as `split`; `run` takes local files and a local directory."""
    with ExitStack() as stack:
        # Each in a directory of its own: two may have one name.
        sources = [stack.enter_context(_local(path)) for path in file_paths]
        directory = stack.enter_context(_directory(output_dir))
        return _published(run(sources, directory), output_dir, file_paths)


@contextmanager
def _local(path: StrPath, name: str = COPY) -> Iterator[str]:
    if is_url(path):
        with fetched(str(path), name=name) as local:
            yield local
    else:
        yield os.fspath(path)


@contextmanager
def _directory(output_dir: StrPath) -> Iterator[str]:
    if is_url(output_dir):
        # Refused now, and not after all the work.
        parse_writable(join(str(output_dir), "x"))
        with scratch() as directory:
            yield directory
    else:
        yield os.fspath(output_dir)


def _published(pieces: Sequence[str], output_dir: StrPath, inputs: Sequence[StrPath]) -> list[Path | str]:
    """The pieces where they were wanted: all of them, or, after an error, none that was not there before."""
    if not is_url(output_dir):
        return [Path(piece) for piece in pieces]
    targets = [parse(join(str(output_dir), Path(piece).name)) for piece in pieces]
    _check_inputs_survive(inputs, targets)
    new: list[Location] = []
    try:
        for piece, target in zip(pieces, targets, strict=True):
            is_new = not may_exist(target)
            put(piece, target)
            if is_new:
                new.append(target)
    except BaseException:
        for target in new:
            # The error that is on its way says more.
            with suppress(OSError):
                delete(target)
        raise
    return [target.url for target in targets]


def _check_inputs_survive(inputs: Sequence[StrPath], targets: Sequence[Location]) -> None:
    places = {target.place for target in targets}
    for path in inputs:
        if is_url(path) and (location := parse(str(path))).place in places:
            raise ValueError(
                f"the input {location} has the name of an output and would be replaced: choose another output_dir or "
                "output_prefix"
            )


def _as_given(path: StrPath) -> Path | str:
    return str(path) if is_url(path) else Path(path)
