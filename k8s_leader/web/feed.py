"""
Server-sent events: the present status first, then every change, never a renewal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from k8s_leader.observers.port import Notice
from k8s_leader.runner.term import call_in
from k8s_leader.web.answers import change_of

__all__ = ["Feed", "event"]

Stream = asyncio.Queue[bytes | None]
"""What one reader still has to get; ``None``: it is over."""


def event(kind: str, data: dict[str, Any]) -> bytes:
    """
    Return one event as it is sent.
    """
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


class Feed:
    """
    The observer that hands changes on to those who read them.

    Args:
        most: readers at once.
        longest: changes that one may be behind before it is cut off.

    Told in the election's thread, it only ever appends to the other thread's queue.
    """

    def __init__(self, *, most: int = 32, longest: int = 64) -> None:
        self._most = most
        self._longest = longest
        self._streams: set[Stream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def on_notice(self, notice: Notice) -> None:
        """
        Hand a change on to the readers.
        """
        if not self._streams or self._loop is None:
            return
        change = change_of(notice)
        if change is not None:
            call_in(self._loop, lambda: self._publish(event("change", change)))

    @property
    def is_full(self) -> bool:
        """
        Tell whether no more readers are let in.
        """
        return len(self._streams) >= self._most

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Stream]:
        """
        Yield a queue of the changes from now on; in the web's own loop.
        """
        self._loop = asyncio.get_running_loop()
        stream: Stream = asyncio.Queue(self._longest)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def _publish(self, data: bytes) -> None:
        for stream in list(self._streams):
            try:
                stream.put_nowait(data)
            except asyncio.QueueFull:  # too slow: it may come back for the status
                self._streams.discard(stream)
                stream.get_nowait()
                stream.put_nowait(None)
