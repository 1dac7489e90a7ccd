"""Measure maou's file operations against Polars, pyarrow and DuckDB.

    python -m maou.infra.utility.benchmark_polars_io --num-records 50000
    python -m maou.infra.utility.benchmark_polars_io --sizes 10000,100000 --json report.json --plot report.html

Each library runs in a process of its own with the same number of threads. The processes take turns, so that a slow
moment of the machine hits all of them, and the median of the rounds counts. Memory is what a fresh process takes at
the peak of its first run, beyond what it held before. All libraries read the same file, which maou wrote, and one
that they wrote themselves; all write LZ4. Files are read again and again: they come from the page cache.

Ratios are ours to the best other library: below 1 is better. `docs/performance.md` has results.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from maou.domain.data.rust_io import check_rust_backend
from maou.infra.utility.arguments import directory, list_of, one_of, positive, writable
from maou.infra.utility.benchmark import plot, report
from maou.infra.utility.benchmark.cells import DEFAULT_KINDS, KINDS, OPERATIONS, Cell, FileSizes
from maou.infra.utility.benchmark.facts import facts
from maou.infra.utility.benchmark.run import Plan, measure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status. Bad arguments exit with 2 and a message."""
    options = _parse(arguments)
    try:
        check_rust_backend()
        if options.plots:
            plot.check()
        with tempfile.TemporaryDirectory(prefix="maou-benchmark-", dir=options.directory) as directory:
            return _run(options, Path(directory))
    except (ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, directory: Path) -> int:
    sizes = options.sizes or [options.num_records]
    plan = Plan(options.kinds, sizes, options.operations, options.rounds, options.threads, directory)
    cells: list[Cell] = []
    files: list[FileSizes] = []
    notes: list[str] = []
    for found in measure(plan):
        if isinstance(found, Cell):
            print(f"{found.kind}, {found.rows} rows, {found.operation}: done", file=sys.stderr)
            cells.append(found)
        elif isinstance(found, FileSizes):
            files.append(found)
        else:
            notes.append(found)
    tables = [report.times_and_memory(cells), report.file_sizes(files), *notes]
    print("\n\n".join(tables))
    settings = {"sizes": sizes, "rounds": options.rounds, "threads": options.threads, **facts()}
    if options.json:
        options.json.write_text(report.as_json(settings, cells, files, notes), encoding="utf-8")
        print(f"wrote {options.json}")
    for path in options.plots:
        plot.write_plot(path, cells, tables)
        print(f"wrote {path}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m maou.infra.utility.benchmark_polars_io",
        description="Measure reading, writing, split, merge and index build against Polars, pyarrow and DuckDB.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--num-records", type=positive, default=50_000, metavar="N", help="records of each kind (default %(default)s)"
    )
    size.add_argument("--sizes", type=list_of(positive), metavar="N,N", help="several numbers of records")
    parser.add_argument(
        "--kinds",
        type=list_of(one_of(KINDS)),
        default=list(DEFAULT_KINDS),
        metavar="KIND,KIND",
        help=f"of {', '.join(KINDS)} (default all but the last)",
    )
    parser.add_argument(
        "--operations",
        type=list_of(one_of(OPERATIONS)),
        default=list(OPERATIONS),
        metavar="NAME,NAME",
        help=f"of {', '.join(OPERATIONS)} (default all)",
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="runs of each (default %(default)s)")
    parser.add_argument(
        "--threads", type=positive, default=_cpus(), metavar="N", help="for each library (default %(default)s, all)"
    )
    parser.add_argument("--directory", type=directory, metavar="DIR", help="where files are written (a temporary one)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write every figure there as well")
    parser.add_argument(
        "--plot",
        dest="plots",
        type=_plot,
        action="append",
        default=[],
        metavar="FILE",
        help=f"draw time against rows: {', '.join(plot.ENDINGS)}; may be given again",
    )
    return parser.parse_args(arguments)


def _plot(text: str) -> Path:
    path = writable(text)
    if path.suffix not in plot.ENDINGS:
        raise argparse.ArgumentTypeError(f"cannot draw {text!r}: must end with one of {', '.join(plot.ENDINGS)}")
    return path


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
