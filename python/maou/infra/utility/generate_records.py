"""Write records of random games to a file, or to the files of a directory.

    python -m maou.infra.utility.generate_records hcpe 1000000 games.feather
    python -m maou.infra.utility.generate_records preprocessing 200000 features/ --batch-rows 10000

One batch is in memory at a time. A directory gets one file for each batch; a file gets all of them, by way of a
temporary directory beside it that takes as much space again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from maou.domain.data import rust_io
from maou.domain.data.paths import is_url
from maou.infra.utility.game_records import GENERATORS

SAVE: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    "hcpe": rust_io.save_hcpe_df,
    "preprocessing": rust_io.save_preprocessing_df,
    "intermediate": rust_io.save_intermediate_df,
    "stage1": rust_io.save_stage1_df,
    "stage2": rust_io.save_stage2_df,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status. Bad arguments exit with 2 and a message."""
    options = _parse(arguments)
    batch = {} if options.batch_rows is None else {"batch_rows": options.batch_rows}
    try:
        rust_io.check_rust_backend()
        frames = GENERATORS[options.kind](options.num_records, options.seed, **batch)
        if options.is_directory:
            write_directory(options.kind, frames, options.out)
        else:
            write_file(options.kind, frames, options.out)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: cannot write {options.out}: {error}", file=sys.stderr)
        return 1
    print(f"wrote {options.num_records} {options.kind} records to {options.out}")
    return 0


def write_directory(kind: str, frames: Iterator[pl.DataFrame], directory: Path) -> list[Path]:
    """Write each frame to `{kind}_00000.feather` … in `directory`, which is made where missing; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, frame in enumerate(frames):
        paths.append(directory / f"{kind}_{number:05}.feather")
        SAVE[kind](frame, paths[-1])
    return paths


def write_file(kind: str, frames: Iterator[pl.DataFrame], path: Path) -> None:
    """Write all frames to one file, one batch each or larger. Raises ValueError when there is no frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as directory:
        pieces = write_directory(kind, frames, Path(directory))
        if not pieces:
            raise ValueError("there are no records")
        (merged,) = rust_io.merge_hcpe_feather_files(pieces, directory, rows_per_chunk=sys.maxsize)
        merged.replace(path)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m maou.infra.utility.generate_records",
        description="Write records of random legal games of shogi.",
    )
    parser.add_argument("kind", metavar="KIND", choices=GENERATORS, help=", ".join(GENERATORS))
    parser.add_argument("num_records", metavar="NUM_RECORDS", type=_positive)
    parser.add_argument(
        "out", metavar="OUT", type=_local, help="a file, or a directory: one that is there or ends with a slash"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="other records (default %(default)s)")
    parser.add_argument("--batch-rows", type=_positive, metavar="N", help="records in memory at a time")
    options = parser.parse_args(arguments)
    options.is_directory = options.out.endswith(("/", "\\")) or Path(options.out).is_dir()
    options.out = Path(options.out)
    return options


def _local(text: str) -> str:
    if is_url(text):
        raise argparse.ArgumentTypeError(
            f"cannot write {text}: give a local path, and copy the files there with maou.infra.storage.upload"
        )
    return text


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
