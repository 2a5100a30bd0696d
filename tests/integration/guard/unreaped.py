"""
A process that SIGKILL does not get rid of, as one in uninterruptible sleep.

Nobody can put a process to uninterruptible sleep on request. But what a debugger holds
stays, killed or not, until the debugger has looked: for its parent it is just as
impossible to reap, and needs no privilege.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Self

__all__ = ["LET_ME_BE_HELD", "Unreaped"]

_SEIZE = 0x4206
_WALL = 0x40000000

LET_ME_BE_HELD = """
import ctypes
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_long(-1), 0, 0, 0)
"""
"""What a process says (where Yama guards ptrace) to be held by a process beside it."""


class Unreaped:
    """
    Holds a process, dead or alive, until the end of the ``with`` block.

    A debugger is a thread: it has to hold and to let go in the same one.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._held = threading.Event()
        self._let_go = threading.Event()
        self._error = 0
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(_SEIZE, self._pid, None, None) != 0:
            self._error = ctypes.get_errno()
        self._held.set()
        self._let_go.wait()
        if not self._error:
            os.waitpid(self._pid, _WALL)

    def __enter__(self) -> Self:
        self._thread.start()
        self._held.wait()
        assert not self._error, os.strerror(self._error)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._thread.join()
