"""
The hard stop: the kernel kills this process at the end of its grant (rule S10).

A POSIX timer on CLOCK_BOOTTIME whose signal is SIGKILL needs neither Python nor a
running process: it ends one that is stopped, that holds the GIL in C code, or whose
event loop is blocked. It cannot end PID 1 and exists on Linux only; elsewhere a weaker
second line stands in, a thread of ``faulthandler`` in C: it needs no GIL, but does not
run in a stopped process, and exits with 1. The stacks that it writes go to the null
device, because it would wait for a stderr that nobody reads.

Not guaranteed: anything about subprocesses. They outlive a SIGKILL of their parent,
and belong under the entrypoint.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from functools import cache
from typing import Protocol

from k8s_leader.clock import Clock, SystemClock

__all__ = ["HardStop", "WatchdogThread", "hard_stop"]

_logger = logging.getLogger(__name__)

_LEAST = 0.001


class HardStop(Protocol):
    """
    Ends this process at an instant, whatever it is doing.
    """

    def arm(self, at: float) -> None:
        """
        End the process at ``at`` (boot-time seconds); replaces the instant before.
        """

    def disarm(self) -> None:
        """
        Do not end the process.
        """


class WatchdogThread:
    """
    The weaker second line: a thread in C that exits with 1.

    Args:
        clock: boot-time clock.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def arm(self, at: float) -> None:
        """
        Exit at ``at``, unless the process is stopped.
        """
        _deadlines()[self] = at
        self._wind()

    def disarm(self) -> None:
        """
        Do not exit.
        """
        _deadlines().pop(self, None)
        self._wind()

    def _wind(self) -> None:
        """
        Set the one timer that a process has to the earliest deadline in it.
        """
        first = min(_deadlines().values(), default=None)
        if first is None:
            faulthandler.cancel_dump_traceback_later()
            return
        wait = max(_LEAST, first - self._clock.now())
        faulthandler.dump_traceback_later(wait, exit=True, file=_nowhere())


@cache
def _deadlines() -> dict[WatchdogThread, float]:
    """
    Return what all candidates of this process armed: they share one timer.
    """
    return {}


@cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def hard_stop(*, clock: Clock | None = None) -> HardStop:
    """
    Return the strongest hard stop that works in this process.
    """
    if sys.platform == "linux" and os.getpid() != 1:
        from k8s_leader.guard.linux import KernelTimer

        try:
            return KernelTimer()
        except (OSError, AttributeError) as exc:
            _logger.warning("no kernel timer (%s): the hard stop is a weaker one", exc)
    return WatchdogThread(clock=clock or SystemClock())
