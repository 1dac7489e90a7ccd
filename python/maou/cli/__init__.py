"""The command `maou`: looks into files of records, cuts, joins, checks, converts and searches them.

`parser` has every flag and help text, `files` opens every file, `errors` has what a user is told when that fails, and
`shown` how anything may be printed.
Beside them is one module a subcommand, imported when it runs, so that `maou --help` does not load Polars.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from maou.cli.errors import FAILED, CommandError, complain, reason
from maou.cli.parser import parse
from maou.cli.shown import survive_any_encoding

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of the signal."""

CLOSED_PIPE = 141
"""Exit status when nobody reads the output any more, as of a program that the signal ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 on failure, 130 after Ctrl-C. Wrong usage exits with 2."""
    survive_any_encoding()
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        status: int = options.run(options)
        _flush()
        return status
    except CommandError as error:
        complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        _remove_copies()
        # Not `return`: Python would wait for a thread that is at work in the extension, or pull the ground from
        # under it.
        os._exit(INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return CLOSED_PIPE
    except OSError as error:
        # Files have been explained by who opened them; this is the output.
        _discard_output()
        complain(f"cannot write the output: {reason(error)}")
        return FAILED


def _remove_copies() -> None:
    # Those of objects, which a thread may be reading. Where there are none, nothing was imported for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    files = sys.modules.get("maou.infra.cloud.files")
    if files is not None:
        files.remove_scratch()


def _flush() -> None:
    # None when the shell has closed it: `>&-`.
    if sys.stdout is not None:
        sys.stdout.flush()


def _discard_output() -> None:
    # Python flushes once more when it ends, and would complain.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
