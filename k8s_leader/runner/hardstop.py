"""
The hard stop: the kernel kills this process at the end of its grant (rule S10).

A POSIX timer on CLOCK_BOOTTIME whose signal is SIGKILL needs neither Python nor a
running process: it ends one that is stopped, that holds the GIL in C code, or whose
event loop is blocked. It cannot end PID 1 and exists on Linux only; elsewhere a weaker
second line stands in, ``faulthandler.dump_traceback_later(exit=True)``: it exits with
1, there is one per process, and it blocks on a full stderr.

Not guaranteed: anything about subprocesses. They outlive a SIGKILL of their parent,
and belong under the entrypoint.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from typing import Protocol

from k8s_leader.clock import Clock, SystemClock
from k8s_leader.guard.linux import KernelTimer

__all__ = ["HardStop", "KernelTimer", "WatchdogThread", "hard_stop"]

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
    The weaker second line: a thread in C that writes all stacks and exits with 1.

    Args:
        clock: boot-time clock.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def arm(self, at: float) -> None:
        """
        Exit at ``at``, unless the process is stopped or stderr is full.
        """
        wait = max(_LEAST, at - self._clock.now())
        faulthandler.dump_traceback_later(wait, exit=True)

    def disarm(self) -> None:
        """
        Do not exit.
        """
        faulthandler.cancel_dump_traceback_later()


def hard_stop(*, clock: Clock | None = None) -> HardStop:
    """
    Return the strongest hard stop that works in this process.
    """
    if sys.platform == "linux" and os.getpid() != 1:
        try:
            return KernelTimer()
        except (OSError, AttributeError) as exc:
            _logger.warning("no kernel timer (%s): the hard stop is a weaker one", exc)
    return WatchdogThread(clock=clock or SystemClock())
