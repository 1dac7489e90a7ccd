"""Measure maou's file operations against Polars and pyarrow on generated records.

    python -m maou.infra.utility.benchmark_polars_io --num-records 50000

Each operation runs a few times with every library in turn, so that a slow moment of the machine hits all of
them, and the median counts. All libraries read the same files and write LZ4. A ratio above 1 means that maou
is faster. Neither peer can split or merge files; there the peers run the loop that a user would write.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

import maou.infra.utility.benchmark_peers as peers
from maou.domain.data.rust_io import (
    check_rust_backend,
    load_hcpe_df,
    load_preprocessing_df,
    merge_hcpe_feather_files,
    save_hcpe_df,
    save_preprocessing_df,
    split_hcpe_feather,
)
from maou.infra.utility.records import generate_hcpe_df, generate_preprocessing_df

LIBRARIES = ("maou", "polars", "pyarrow")

PREPROCESSING_SHARE = 50
"""A preprocessing record takes about 12 kB and an HCPE record 100 B: fewer keep the two comparable."""

PIECES = 10
"""Files that the split makes and the merge takes."""

Run = Callable[[], object]


@dataclass
class Measurement:
    """One operation: seconds of each run by library; a library that has no such operation is absent."""

    operation: str
    rows: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, library: str) -> float | None:
        """Median seconds, or None where the library did not run."""
        return statistics.median(self.seconds[library]) if library in self.seconds else None

    def ratio(self, library: str) -> float | None:
        """How many times as long `library` takes as maou, or None where it did not run."""
        own, other = self.median("maou"), self.median(library)
        return other / own if own and other else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status. Bad arguments exit with 2 and a message."""
    options = _parse(arguments)
    try:
        check_rust_backend()
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="maou-benchmark-") as directory:
        measurements = measure(options.num_records, options.rounds, Path(directory))
    print(table(measurements))
    if options.json:
        options.json.write_text(_as_json(options.num_records, options.rounds, measurements))
        print(f"wrote {options.json}")
    return 0


def measure(num_records: int, rounds: int, directory: Path) -> list[Measurement]:
    """Run each operation `rounds` times on `num_records` HCPE and a share of preprocessing records."""
    hcpe = generate_hcpe_df(num_records)
    preprocessing = generate_preprocessing_df(max(1, num_records // PREPROCESSING_SHARE))
    return [
        *_save_and_load("hcpe", hcpe, save_hcpe_df, load_hcpe_df, rounds, directory),
        *_save_and_load(
            "preprocessing", preprocessing, save_preprocessing_df, load_preprocessing_df, rounds, directory
        ),
        *_split_and_merge(hcpe, rounds, directory),
        _index(hcpe, rounds, directory),
    ]


def table(measurements: Sequence[Measurement]) -> str:
    """Text table of medians in milliseconds with a ratio column for each peer."""
    header = ["operation", "rows", *(f"{name} ms" for name in LIBRARIES), "polars/maou", "pyarrow/maou"]
    rows = [header]
    for item in measurements:
        times = [_number(item.median(name), 1000, 2) for name in LIBRARIES]
        ratios = [_number(item.ratio(name), 1, 2) for name in LIBRARIES[1:]]
        rows.append([item.operation, str(item.rows), *times, *ratios])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, the first one underlined: columns side by side, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *rest = rows
    return "\n".join(_line(row, widths) for row in (first, ["-" * width for width in widths], *rest))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m maou.infra.utility.benchmark_polars_io",
        description="Measure save, load, split, merge and index build against Polars and pyarrow.",
    )
    parser.add_argument(
        "--num-records",
        type=positive,
        default=50_000,
        metavar="N",
        help="HCPE records (default %(default)s)",
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="runs each (default %(default)s)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write every run's time there as well")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """An argument that is a number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return number


def writable(text: str) -> Path:
    """An argument that is a file to be written."""
    # Checked before the runs, which may take minutes.
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: not a file in an existing directory")
    return path


def _save_and_load(
    name: str,
    df: pl.DataFrame,
    save: Callable[[pl.DataFrame, Path], None],
    load: Callable[[Path], pl.DataFrame],
    rounds: int,
    directory: Path,
) -> list[Measurement]:
    source = directory / f"{name}.feather"
    save(df, source)
    saves: dict[str, Run] = {
        "maou": lambda: save(df, directory / "maou.feather"),
        "polars": lambda: peers.polars_save(df, directory / "polars.feather"),
    }
    loads: dict[str, Run] = {"maou": lambda: load(source), "polars": lambda: peers.polars_load(source)}
    if peers.HAS_PYARROW:
        table = df.to_arrow()
        saves["pyarrow"] = lambda: peers.pyarrow_save(table, directory / "pyarrow.feather")
        loads["pyarrow"] = lambda: peers.pyarrow_load(source)
    return [
        alternate(f"save {name}", len(df), saves, rounds),
        alternate(f"load {name}", len(df), loads, rounds),
    ]


def _split_and_merge(hcpe: pl.DataFrame, rounds: int, directory: Path) -> list[Measurement]:
    source = directory / "hcpe.feather"
    rows = -(-len(hcpe) // PIECES)
    pieces = split_hcpe_feather(source, directory / "pieces", rows)
    out = {name: directory / f"out-{name}" for name in LIBRARIES}
    for path in out.values():
        path.mkdir()
    splits: dict[str, Run] = {
        "maou": lambda: split_hcpe_feather(source, out["maou"], rows),
        "polars": lambda: peers.polars_split(source, out["polars"], rows),
    }
    merges: dict[str, Run] = {
        "maou": lambda: merge_hcpe_feather_files(pieces, out["maou"], len(hcpe)),
        "polars": lambda: peers.polars_merge(pieces, out["polars"]),
    }
    if peers.HAS_PYARROW:
        splits["pyarrow"] = lambda: peers.pyarrow_split(source, out["pyarrow"], rows)
        merges["pyarrow"] = lambda: peers.pyarrow_merge(pieces, out["pyarrow"])
    return [
        alternate(f"split into {len(pieces)}", len(hcpe), splits, rounds),
        alternate(f"merge {len(pieces)}", len(hcpe), merges, rounds),
    ]


def _index(hcpe: pl.DataFrame, rounds: int, directory: Path) -> Measurement:
    from maou._rust.maou_index import SearchIndex

    source = str(directory / "hcpe.feather")
    runs: dict[str, Run] = {"maou": lambda: SearchIndex([source], "hcpe").build_from_files()}
    return alternate("build index", len(hcpe), runs, rounds)


def alternate(operation: str, rows: int, runs: dict[str, Run], rounds: int) -> Measurement:
    """Each of `runs` once to warm up, then `rounds` times in turn."""
    measurement = Measurement(operation, rows, {name: [] for name in runs})
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            measurement.seconds[name].append(time.perf_counter() - start)
    return measurement


def _number(value: float | None, factor: int, digits: int) -> str:
    return "-" if value is None else f"{value * factor:.{digits}f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest])


def _as_json(num_records: int, rounds: int, measurements: Sequence[Measurement]) -> str:
    import maou._rust

    report = {
        "num_records": num_records,
        "rounds": rounds,
        "extension": maou._rust.__file__,
        "versions": {
            "python": platform.python_version(),
            "polars": pl.__version__,
            "pyarrow": peers.pyarrow_version(),
        },
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "measurements": [asdict(item) for item in measurements],
    }
    return json.dumps(report, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
