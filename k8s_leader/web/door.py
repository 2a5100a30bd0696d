"""
The door: how many connections there are, and for how long.

A server that must answer a kubelet cannot be filled by somebody who connects and says
nothing. A connection carries one request and lasts a few seconds; when too many are
open, the oldest makes room for the newest. Streams of events are let out of that by
whoever serves them, and are counted there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Door"]


class Door:
    """
    A protocol factory that bounds another one.

    Args:
        serve: makes the protocol of one connection.
        most: connections open at once, streams not counted.
        patience: seconds that one may take for request and answer together.
    """

    def __init__(
        self,
        serve: Callable[[], asyncio.Protocol],
        *,
        most: int = 128,
        patience: float = 10.0,
    ) -> None:
        self._serve = serve
        self._most = most
        self._patience = patience
        self._guests: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def __call__(self) -> asyncio.Protocol:
        """
        Return the protocol of a new connection.
        """
        return _Guest(self, self._serve())

    def enter(self, transport: asyncio.Transport) -> None:
        """
        Count a connection; the oldest goes when there are too many.
        """
        if len(self._guests) >= self._most:
            oldest = next(iter(self._guests))
            self.leave(oldest)
            _abort(oldest)
        loop = asyncio.get_running_loop()
        late = loop.call_later(self._patience, _abort, transport)
        self._guests[transport] = late

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """
        Count a connection no more: it is closed, or has become a stream.
        """
        late = None if transport is None else self._guests.pop(transport, None)
        if late is not None:
            late.cancel()

    def close(self) -> None:
        """
        Close every connection that is counted.
        """
        for transport in list(self._guests):
            self.leave(transport)
            _abort(transport)


class _Guest(asyncio.Protocol):
    """
    One connection: everything is handed on.
    """

    def __init__(self, door: Door, inner: asyncio.Protocol) -> None:
        self._door = door
        self._inner = inner
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if isinstance(transport, asyncio.Transport):
            self._door.enter(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()
