"""How much memory an operation takes at its peak."""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")

CLEAR = Path("/proc/self/clear_refs")

RESET_PEAK = "5"
"""What sets the peak of a process back to what it holds now (proc(5))."""


class Peak:
    """Counts from where it is made; `bytes()` is the most that the process held since, beyond what it held then.

    On Linux it is resident memory. Elsewhere the peak of a process cannot be set back: there it is what the peak grew
    by since then, which is right for the first operation of a process.
    """

    def __init__(self) -> None:
        """Set the peak back, where that can be done."""
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            self._before = _peak_of_process()
        else:
            self._before = _status("VmRSS")

    def bytes(self) -> int:
        """Bytes at the peak."""
        return max(0, _peak_of_process() - self._before)


def _peak_of_process() -> int:
    if STATUS.exists():
        return _status("VmHWM")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(name: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {name}")
