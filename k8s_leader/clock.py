"""
The two clocks of the project, behind one port, so that tests can inject theirs.

Guarantee: ``now`` never steps and, on Linux, goes on while the machine is suspended
(CLOCK_BOOTTIME), so that a deadline on it holds across a suspend. Where the platform
has no such clock it is CLOCK_MONOTONIC, which may stand still during a suspend: a
weaker bound, which the documentation names. Instants of ``now`` mean nothing in
another boot or on another machine.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """
    Where the time comes from.
    """

    def now(self) -> float:
        """
        Return seconds on the boot-time clock; every deadline is counted on it.
        """

    def wall(self) -> float:
        """
        Return Unix seconds; only for the times that people read in the record.
        """


class SystemClock:
    """
    The clocks of the operating system.
    """

    def now(self) -> float:
        """
        Return seconds on CLOCK_BOOTTIME (CLOCK_MONOTONIC where there is none).
        """
        if _BOOTTIME is None:  # macOS, Windows
            return time.monotonic()
        return time.clock_gettime(_BOOTTIME)

    def wall(self) -> float:
        """
        Return Unix seconds.
        """
        return time.time()
