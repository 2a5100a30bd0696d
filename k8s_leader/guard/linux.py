"""
The few system calls that Python does not offer (Linux, through ctypes).
"""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["become_subreaper", "die_with_parent"]

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """
    Have orphans below this process become its children, as those of PID 1 do.
    """
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """
    Have the kernel kill this process when its parent's thread dies.
    """
    _prctl(_SET_PDEATHSIG, int(signal.SIGKILL))
