"""
How commands that go on and on end on Ctrl-C: at once.

They only look, so there is nothing to clean up, and nothing may keep them: not a
request under way, not a look-up of a name in a thread, not a library that swallows a
cancellation which meets its own time-out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

__all__ = ["ends_at_once"]


@contextlib.contextmanager
def ends_at_once() -> Iterator[None]:
    """
    Let SIGINT end the process with 130 meanwhile, whatever it is doing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # an application that calls us has its own ways
        return
    before = signal.signal(signal.SIGINT, _end)  # asyncio leaves it where it is
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(*_: object) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # it may be printing just now
        sys.stdout.flush()
    os._exit(128 + signal.SIGINT)
