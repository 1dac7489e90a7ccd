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
from collections.abc import Callable, Sequence
from pathlib import Path

from maou.domain.data.rust_io import check_rust_backend
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
        description="Measure reading, writing, split, merge and index build against Polars, pyarrow and DuckDB.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--num-records", type=_positive, default=50_000, metavar="N", help="records of each kind (default %(default)s)"
    )
    size.add_argument("--sizes", type=_list(_positive), metavar="N,N", help="several numbers of records")
    parser.add_argument(
        "--kinds",
        type=_list(_one_of(KINDS)),
        default=list(DEFAULT_KINDS),
        metavar="KIND,KIND",
        help=f"of {', '.join(KINDS)} (default all but the last)",
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
        "--operations",
        type=_list(_one_of(OPERATIONS)),
        default=list(OPERATIONS),
        metavar="NAME,NAME",
        help=f"of {', '.join(OPERATIONS)} (default all)",
    )
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="runs of each (default %(default)s)")
    parser.add_argument(
        "--threads", type=_positive, default=_cpus(), metavar="N", help="for each library (default %(default)s, all)"
    )
    parser.add_argument("--directory", type=_directory, metavar="DIR", help="where files are written (a temporary one)")
    parser.add_argument("--json", type=_writable, metavar="FILE", help="write every figure there as well")
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
def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, got {text!r}")
        return text

    return parse


def _list(parse: Callable[[str], int | str]) -> Callable[[str], list[int | str]]:
    return lambda text: [parse(part.strip()) for part in text.split(",")]


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"not a directory: {text!r}")
    return path.absolute()


def _writable(text: str) -> Path:
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
def _plot(text: str) -> Path:
    path = _writable(text)
    if path.suffix not in plot.ENDINGS:
        raise argparse.ArgumentTypeError(f"cannot draw {text!r}: must end with one of {', '.join(plot.ENDINGS)}")
    return path


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
