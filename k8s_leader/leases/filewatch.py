"""
Wake up when another process has written to a SQLite file.

Writers touch the file after each commit: the one moment from which on a reader finds
something new, and which SQLite itself leaves no trace of. inotify on the file's folder
sees that where there is one (Linux, through ctypes) and costs nothing while nothing
happens; elsewhere the file's time stamps are looked at every 20 ms. Either is only a
hint: who is woken reads the truth.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FileWatch", "touch"]

_POLL = 0.02
_LOOK_ANYWAY = 5.0
"""
Seconds. inotify can overflow, a writer may be killed before it touches the file, and
who writes without us (``sqlite3`` by hand) never does: it is seen when it closes it.
"""

_IN_NONBLOCK = 0o4000
_IN_CLOEXEC = 0o2000000
_IN_ATTRIB = 0x4
_IN_CLOSE_WRITE = 0x8
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_MOVED_TO = 0x80


class FileWatch:
    """
    Waits until a file was touched, made or removed.

    Use it as a context manager in the loop that waits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """
        Start to watch.
        """
        self._descriptor = _inotify(self._path.parent)
        if self._descriptor is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._descriptor, self._drain, self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """
        Stop to watch.
        """
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    async def wait(self) -> None:
        """
        Return when the file may have changed.
        """
        if self._descriptor is None:
            await self._poll()
            return
        try:
            async with asyncio.timeout(_LOOK_ANYWAY):
                await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def _drain(self, descriptor: int) -> None:
        events = os.read(descriptor, 65536)
        if os.fsencode(self._path.name) + b"\0" in events:
            self._changed.set()

    async def _poll(self) -> None:
        before = self._stamp()
        for _ in range(int(min(1.0, _LOOK_ANYWAY) / _POLL)):
            await asyncio.sleep(_POLL)
            if self._stamp() != before:
                return

    def _stamp(self) -> int:
        try:
            return os.stat(self._path).st_mtime_ns
        except FileNotFoundError:
            return 0


def touch(path: Path) -> None:
    """
    Wake those who wait for a write to this file.
    """
    try:
        os.utime(path)
    except OSError:
        return  # it was removed, or is another user's: they look now and then


def _inotify(folder: Path) -> int | None:
    """
    Return a descriptor that becomes readable on changes; ``None`` if not possible.
    """
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = int(library.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))
    if descriptor < 0:  # the limit of instances is reached
        return None
    mask = _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_CREATE | _IN_DELETE | _IN_MOVED_TO
    if library.inotify_add_watch(descriptor, os.fsencode(folder), mask) < 0:
        os.close(descriptor)
        return None
    return descriptor
