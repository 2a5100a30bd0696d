"""
Wake up when another process writes to a SQLite file.

inotify on the file's folder where there is one (Linux, through ctypes), which costs
nothing while nothing happens; a look at the file's time stamps every 20 ms elsewhere.
Either is only a hint: who is woken reads the truth.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FileWatch"]

_POLL = 0.02
_LOOK_ANYWAY = 1.0
"""inotify can overflow, and another container's mount may not be seen (seconds)."""

_IN_NONBLOCK = 0o4000
_IN_CLOEXEC = 0o2000000
_IN_MODIFY = 0x2
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_MOVED_TO = 0x80


class FileWatch:
    """
    Waits for changes of a file and of SQLite's files beside it.

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
        if os.fsencode(self._path.name) in events:
            self._changed.set()

    async def _poll(self) -> None:
        before = self._stamp()
        for _ in range(int(_LOOK_ANYWAY / _POLL)):
            await asyncio.sleep(_POLL)
            if self._stamp() != before:
                return

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        found = []
        for suffix in ("", "-wal", "-journal"):
            try:
                status = os.stat(f"{self._path}{suffix}")
            except FileNotFoundError:
                continue
            found.append((status.st_mtime_ns, status.st_size))
        return tuple(found)


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
    mask = _IN_MODIFY | _IN_CREATE | _IN_DELETE | _IN_MOVED_TO
    if library.inotify_add_watch(descriptor, os.fsencode(folder), mask) < 0:
        os.close(descriptor)
        return None
    return descriptor
