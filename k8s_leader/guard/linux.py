"""
The few system calls that Python does not offer (Linux, through ctypes).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

__all__ = ["KernelTimer", "become_subreaper", "boot_time", "die_with_parent"]

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_CLOCK_BOOTTIME = 7
_SIGEV_SIGNAL = 0
_TIMER_ABSTIME = 1
_SIGKILL = 9
_LEAST = 0.001


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_libc = ctypes.CDLL(None, use_errno=True)  # once: a child that execs shall not wait


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0))


def boot_time() -> float:
    """
    Return seconds on CLOCK_BOOTTIME, on which every deadline is counted.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def become_subreaper() -> None:
    """
    Have orphans below this process become its children, as those of PID 1 do.
    """
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """
    Have the kernel send a signal to this process when its parent's thread dies.
    """
    _prctl(_SET_PDEATHSIG, number)


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
    A POSIX timer on CLOCK_BOOTTIME that sends SIGKILL to this process (rule S10).

    It needs neither Python nor a running process: it ends one that is stopped or that
    holds the GIL in C code. It does not end a PID 1, and forked children do not
    inherit it.

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
        Kill at ``at`` (boot-time seconds); an instant that has passed kills at once.
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


def _library() -> ctypes.CDLL:
    if hasattr(_libc, "timer_create"):
        return _libc
    return ctypes.CDLL("librt.so.1", use_errno=True)  # glibc before 2.34
