"""`maou completion`: scripts that complete the command in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from maou.cli.errors import CommandError
from maou.cli.parser import build_parser

INSTALL_COMMAND = "pip install 'maou[cli]'"


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError as error:
        raise CommandError(f"cannot complete without shtab; install it with: {INSTALL_COMMAND}") from error
    if options.shell not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        raise CommandError(f"cannot complete in {options.shell}; there are {known}")
    parser = build_parser()
    offered = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        if action.metavar in offered:
            # Where shtab looks for it.
            vars(action)["complete"] = offered[action.metavar]
        elif action.metavar == "SHELL":
            action.choices = shtab.SUPPORTED_SHELLS
    print(shtab.complete(parser, shell=options.shell))
    return 0


def _actions(parser: Any) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for child in action.choices.values():
                yield from _actions(child)
