"""The process of one library: `python -m maou.infra.utility.benchmark.child`.

Reads a task, a line of JSON, from its input; then runs it once for every further line, and answers each with a line of
JSON: seconds, peak memory, or what went wrong.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from maou.infra.utility.benchmark.cells import PIECES, WRITING, Task
from maou.infra.utility.benchmark.libraries import Run, prepare
from maou.infra.utility.benchmark.memory import Peak


def main() -> int:
    """Answer until the input ends."""
    task = Task(**json.loads(sys.stdin.readline()))
    _use_processors(task.threads)
    try:
        run = prepare(task, rows_per_piece=-(-task.rows // PIECES))
        _answer({"ready": True})
        for _ in sys.stdin:
            if task.operation in WRITING:
                _make_room(Path(task.out))
            _answer(_measure(run))
    except Exception as error:
        # Whatever a library raises: the table then says so, and the other libraries go on.
        _answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _make_room(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # What others left to be written must not slow this run down.
    if hasattr(os, "sync"):
        os.sync()


def _measure(run: Run) -> dict[str, Any]:
    gc.collect()
    peak = Peak()
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    peak_bytes = peak.bytes()
    # Not before: what was read has to be in memory at the peak.
    del result
    return {"seconds": seconds, "peak_bytes": peak_bytes}


def _use_processors(threads: int) -> None:
    # The thread pools that no setting reaches get no more processors either.
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _answer(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
