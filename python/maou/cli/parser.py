"""Every flag and every help text. Nothing here loads Polars: help and completion answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

DEFAULT_ROWS = 500_000

KINDS = ("hcpe", "preprocessing", "stage1", "stage2")
"""What an index can be made of."""

LARGEST = (1 << 63) - 1
"""What the extension counts in has 64 bits."""

_VALUES_WITH_A_DASH = ("--id", "--prefix", "--eval")

_SIZES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

_EXPORT_HELP = """\
Write a file's records as Parquet or CSV, whichever the ending of --to says: .parquet or .csv.

The target appears when it is whole. Files larger than memory can be exported: they are read in parts of 64 MiB.
CSV needs memory for one part at a time, Parquet for several, about 500 MB in all. CSV has no lists: leave such
columns out with --columns. Bytes, as in `hcp`, become hexadecimal digits in CSV."""

_SEARCH_HELP = """\
Find records by id, by the beginning of ids, or by evaluation: in an index that `maou data index` has written, or
in files, of which an index is then made in memory."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; `run(options)` of the result runs the subcommand. Wrong usage exits with 2."""
    return build_parser().parse_args(_joined(arguments))


def build_parser() -> argparse.ArgumentParser:
    """Make the parser. Metavars tell completion what to offer: FILE, DIR."""
    parser = argparse.ArgumentParser(prog="maou", description="Work with files of shogi records.")
    parser.add_argument("--version", action=_Version, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    data = commands.add_parser("data", help="look into, cut, join, check, convert and search files of records")
    data_commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_info, _head, _split, _merge, _verify, _export, _index, _search):
        add(data_commands)
    _completion(commands)
    return parser


class _Version(argparse.Action):
    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from maou.cli.version import version

        print(version())
        parser.exit()


def _info(commands: Any) -> None:
    parser = _command(commands, "info", "show what is in files: kind, rows, columns, sizes, distributions")
    parser.add_argument("files", nargs="+", metavar="FILE", help="Arrow IPC (feather) files")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the distributions of HCPE files into FILE.png, or a web page FILE.html; needs maou[plot]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _head(commands: Any) -> None:
    parser = _command(commands, "head", "show some rows of a file; only these are read")
    parser.add_argument("file", metavar="FILE", help="an Arrow IPC (feather) file")
    parser.add_argument("-n", dest="rows", type=_positive, default=10, metavar="N", help="rows (default %(default)s)")
    parser.add_argument("--offset", type=_natural, default=0, metavar="K", help="the first row, from 0")
    parser.add_argument("--columns", type=_names, metavar="A,B", help="these columns, in this order")


def _split(commands: Any) -> None:
    parser = _command(commands, "split", "cut a file into smaller ones; prints their names")
    parser.add_argument("file", metavar="FILE", help="an Arrow IPC (feather) file")
    _add_output(parser)


def _merge(commands: Any) -> None:
    parser = _command(commands, "merge", "join files, in order; prints the names of the new ones")
    parser.add_argument("files", nargs="+", metavar="FILE", help="Arrow IPC (feather) files of the same columns")
    _add_output(parser)
    parser.add_argument(
        "--prefix",
        default="merged",
        metavar="P",
        help="the new files are P_chunk0000.feather and so on (default %(default)s)",
    )


def _verify(commands: Any) -> None:
    parser = _command(commands, "verify", "read files whole and hold them against their checksums")
    parser.add_argument("files", nargs="+", metavar="FILE", help="Arrow IPC (feather) files")


def _export(commands: Any) -> None:
    parser = _command(commands, "export", "write a file's records as Parquet or CSV", _EXPORT_HELP)
    parser.add_argument("file", metavar="FILE", help="an Arrow IPC (feather) file")
    parser.add_argument("--to", required=True, metavar="FILE", help="FILE.parquet or FILE.csv")
    parser.add_argument("--columns", type=_names, metavar="A,B", help="these columns, in this order")


def _index(commands: Any) -> None:
    parser = _command(commands, "index", "make an index that `maou data search` finds records with")
    parser.add_argument("files", nargs="+", metavar="FILE", help="Arrow IPC (feather) files of one kind")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=_index_name,
        metavar="FILE",
        help="NAME.maouidx; one that is there already is brought up to date",
    )
    _add_kind(parser)
    parser.add_argument("--memory", type=_size, metavar="SIZE", help="memory to use at most, as 512M or 2G")


def _search(commands: Any) -> None:
    parser = _command(commands, "search", "find records by id or evaluation", _SEARCH_HELP)
    parser.add_argument("files", nargs="+", metavar="FILE", help="NAME.maouidx, or Arrow IPC (feather) files")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--id", metavar="X", help="the record with this id")
    what.add_argument("--prefix", metavar="P", help="records whose ids begin so, in the order of their ids")
    what.add_argument(
        "--eval", type=_range, metavar="MIN:MAX", help="from MIN to MAX, both included; either may be left out"
    )
    parser.add_argument("--offset", type=_natural, default=0, metavar="K", help="pass over so many records")
    parser.add_argument(
        "--limit", type=_positive, default=20, metavar="N", help="records at most (default %(default)s)"
    )
    parser.add_argument("--show", action="store_true", help="show the records, not only where they are")
    _add_kind(parser)


def _completion(commands: Any) -> None:
    about = "print a script that completes `maou` in a shell; needs maou[cli]"
    parser = commands.add_parser("completion", help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.add_argument("shell", metavar="SHELL", help="bash, zsh, fish and others")
    parser.set_defaults(run=_running("completion"))


def _command(commands: Any, name: str, about: str, description: str | None = None) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=description or f"{about[0].upper()}{about[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_running(name))
    return parser


def _running(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        status: int = import_module(f"maou.cli.{name}").run(options)
        return status

    return run


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="where the new files go; made if missing")
    parser.add_argument(
        "--rows", type=_positive, default=DEFAULT_ROWS, metavar="N", help="rows in a new file (default %(default)s)"
    )


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", choices=KINDS, help="kind of the records, where their columns do not tell")


def _joined(arguments: Sequence[str]) -> list[str]:
    # argparse takes -100:100 and ids with a dash in front for options, unless they are written `--eval=-100:100`.
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _VALUES_WITH_A_DASH:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _positive(text: str) -> int:
    number = _natural(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _natural(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) > LARGEST:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}")
    return int(digits)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if "" in names:
        raise argparse.ArgumentTypeError(f"must be names with commas between them, got {text!r}")
    return names


def _range(text: str) -> tuple[int | None, int | None]:
    low, colon, high = text.partition(":")
    try:
        bounds = int(low) if low else None, int(high) if high else None
    except ValueError:
        bounds, colon = (None, None), ""
    if not colon or any(bound is not None and not -LARGEST <= bound <= LARGEST for bound in bounds):
        raise argparse.ArgumentTypeError(f"must be MIN:MAX, as -100:100, got {text!r}")
    return bounds


def _size(text: str) -> int:
    unit = text.lstrip("0123456789")
    digits = text.removesuffix(unit) if unit else text
    exponent = _SIZES.get(unit.upper().removesuffix("B").removesuffix("I"))
    if not digits or exponent is None or int(digits) << exponent > LARGEST:
        raise argparse.ArgumentTypeError(f"must be a size, as 512M or 2G, got {text!r}")
    return int(digits) << exponent


def _index_name(text: str) -> str:
    if not text.endswith(".maouidx"):
        raise argparse.ArgumentTypeError(f"must end with .maouidx, got {text!r}")
    return text
