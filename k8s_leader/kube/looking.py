"""
Looks at files that somebody else changes, without ever waiting long for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["PATIENCE", "Looking"]

PATIENCE: Final = 0.25
"""Seconds that a request waits for a file, once a look: far below its deadline."""


class Looking:
    """
    One look at a time, in a thread that nobody has to wait for at the end.

    A file on a node whose disk hangs must cost neither a renewal nor one thread for
    each request, and no executor may join its reader when the process ends.

    Args:
        look: reads the files and takes note; deals with what goes wrong.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._running: asyncio.Future[None] | None = None

    async def briefly(self) -> None:
        """
        Look, and wait a moment for it; not at all for a look that hangs already.
        """
        if self._running is None or self._running.done():
            await asyncio.wait({self._start()}, timeout=PATIENCE)

    async def through(self) -> None:
        """
        Look again from now on, and wait for it; the caller has a time limit.
        """
        if self._running is not None and not self._running.done():
            await asyncio.shield(self._running)
        await asyncio.shield(self._start())

    def _start(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done = self._running = loop.create_future()

        def tell() -> None:
            if not done.done():
                done.set_result(None)

        def run() -> None:
            try:
                self._look()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                    loop.call_soon_threadsafe(tell)

        threading.Thread(target=run, name="k8s-leader-files", daemon=True).start()
        return done
