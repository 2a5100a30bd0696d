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

import ctypes
import faulthandler
import logging
import os
import sys
from typing import Protocol

from k8s_leader.clock import Clock, SystemClock

__all__ = ["HardStop", "KernelTimer", "WatchdogThread", "hard_stop"]

_logger = logging.getLogger(__name__)

_CLOCK_BOOTTIME = 7
_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1
_SIGKILL = 9
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


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_sec", ctypes.c_long),
        ("interval_nsec", ctypes.c_long),
        ("sec", ctypes.c_long),
        ("nsec", ctypes.c_long),
    )


class KernelTimer:
    """
    A POSIX timer that sends SIGKILL; not inherited by forked children.

    Raises:
        OSError: the platform has no such timer, or no more of them.
    """

    def __init__(self) -> None:
        self._libc = _library()
        event = _SigEvent(signo=_SIGKILL, notify=_SIGEV_SIGNAL)
        self._timer = ctypes.c_void_p()
        done = self._libc.timer_create(
            ctypes.c_int(_CLOCK_BOOTTIME),
            ctypes.byref(event),
            ctypes.byref(self._timer),
        )
        _check(done)

    def arm(self, at: float) -> None:
        """
        Kill at ``at``; an instant that has passed kills at once.
        """
        self._set(max(at, _LEAST))

    def disarm(self) -> None:
        """
        Do not kill.
        """
        self._set(0.0)

    def _set(self, at: float) -> None:
        spec = _TimerSpec(sec=int(at), nsec=int(at % 1 * 1e9))
        flags = ctypes.c_int(_TIMER_ABSTIME)
        _check(
            self._libc.timer_settime(self._timer, flags, ctypes.byref(spec), None),
        )


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


def _library() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "timer_create"):
        return libc
    return ctypes.CDLL("librt.so.1", use_errno=True)  # glibc before 2.34


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
