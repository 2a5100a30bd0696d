"""
Keeps the memory of a process that runs for months where it was after a minute.

What refers to itself in a circle waits for the collector, which looks at its oldest
generation too rarely for a process that makes little garbage; and pages of the heap
that were used once stay resident though nothing is in them. Both are level after each
tidying. Not guaranteed: anything where the C library has no ``malloc_trim`` (musl,
macOS), except that the garbage is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Iterator
from typing import Final

__all__ = ["EVERY", "kept_tidy"]

EVERY: Final = 60.0
"""Seconds from one tidying to the next; each takes some 5 ms of the election's loop."""


@contextlib.contextmanager
def kept_tidy(*, every: float = EVERY) -> Iterator[None]:
    """
    Tidy up again and again in the running loop while the block lasts.

    Args:
        every: seconds from one time to the next.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def later() -> None:
        nonlocal timer
        timer = loop.call_later(every, again)

    def again() -> None:
        gc.collect()
        _trim()
        later()

    later()
    try:
        yield
    finally:
        timer.cancel()


def _trim() -> None:
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
