"""
The HTTP server: a thread with an event loop of its own.

Whatever a client does, it does it to that thread: the election renews in another one.
The libraries that serve are loaded there, too, when it starts, so that they delay
neither the start of the program nor the first acquisition.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from k8s_leader.runner.term import call_in
from k8s_leader.web.door import Door
from k8s_leader.web.listen import BACKLOG

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["HttpServer", "Site"]

_logger = logging.getLogger(__name__)

_BURST = 32
"""Connections accepted in one go: each costs a descriptor before it is judged."""

_LONGEST_LINE = 4096


class Site(Protocol):
    """
    What is served.

    Attributes:
        keep: to be called with the transport of a stream, which may last.
    """

    keep: Callable[[asyncio.BaseTransport | None], None]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """
        Answer a request.
        """


class HttpServer:
    """
    Serves pages on a socket that listens already.

    Args:
        listening: the socket; closed at the end.
        make_pages: called in the thread, once, when it starts.
    """

    def __init__(
        self, listening: socket.socket, *, make_pages: Callable[[], Site]
    ) -> None:
        self._listening = listening
        self._make_pages = make_pages
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, name="k8s-leader-http", daemon=True
        )

    def start(self) -> None:
        """
        Begin to serve; again, or after :meth:`close`, has no effect.
        """
        with self._lock:
            if not self._closed and self._thread.ident is None:
                self._thread.start()

    def close(self, timeout: float | None = None) -> None:
        """
        Stop to serve; wait for the thread's end, for ``timeout`` seconds at most.
        """
        with self._lock:
            self._closed = True
            if self._thread.ident is None:
                self._listening.close()
                return
            if self._loop is not None and self._over is not None:
                call_in(self._loop, self._over.set)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            _logger.exception("HTTP ended; the election goes on")

    async def _serve(self) -> None:
        with self._listening:
            pages = self._make_pages()
            over = asyncio.Event()
            with self._lock:
                self._loop, self._over = asyncio.get_running_loop(), over
                if self._closed:
                    over.set()
            await _serve(self._listening, pages, over)


async def _serve(listening: socket.socket, pages: Site, over: asyncio.Event) -> None:
    from aiohttp import web

    quiet = logging.getLogger(f"{__name__}.requests")
    quiet.disabled = True  # who sends nonsense does not fill our log
    server = web.Server(
        pages.answer,
        handler_cancellation=True,
        access_log=None,
        logger=quiet,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
        lingering_time=0.0,
    )
    door = Door(server)
    pages.keep = door.leave
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(door, sock=listening, backlog=_BURST)
    listening.listen(BACKLOG)  # asyncio takes its burst for the length of the queue
    try:
        await over.wait()
    finally:
        listener.close()
        await server.shutdown(timeout=0.1)
        door.close()
        await asyncio.sleep(0)  # what was aborted is closed in the next turn
