"""
A TCP proxy that misbehaves on command, for standing between a client and a server.

It runs in a thread with an event loop of its own, so that tests of blocking and of
asynchronous code can both use it, and switching takes effect before the call returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["TcpProxy"]

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = 65536


class TcpProxy:
    """
    Forwards connections from a port on 127.0.0.1 to a server; starts passing all.

    Attributes:
        port: where it listens; the same for its whole life.
        accepted: how many connections were accepted so far.
    """

    def __init__(self, host: str, port: int) -> None:
        """
        Listen at once.

        Args:
            host: address of the server behind.
            port: its port.
        """
        self._target = (host, port)
        self._latency = 0.0
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.accepted = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._flowing = asyncio.Event()
        self._call(self._open())

    @classmethod
    def before(cls, url: str) -> Self:
        """
        Stand before the server of this URL.
        """
        parts = urlsplit(url)
        assert parts.hostname is not None
        return cls(parts.hostname, parts.port or 443)

    @property
    def url(self) -> str:
        """
        The https address of the proxy.
        """
        return f"https://127.0.0.1:{self.port}"

    def pass_through(self, *, latency: float = 0.0) -> None:
        """
        Forward everything, each chunk `latency` seconds late in either direction.

        Bytes that a black hole held back arrive now, as TCP would deliver them.
        """
        self._call(self._pass(latency))

    def black_hole(self) -> None:
        """
        Accept connections and let no byte through, on existing ones neither.
        """
        self._call(self._hold())

    def reset(self) -> None:
        """
        Reset (RST) all connections of this moment; later ones pass.
        """
        self._call(self._reset_all())

    def refuse(self) -> None:
        """
        Refuse new connections and reset the existing ones, until `pass_through`.
        """
        self._call(self._close_port())

    def close(self) -> None:
        """
        End the proxy and its thread.
        """
        if self._loop.is_closed():
            return
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _pass(self, latency: float) -> None:
        self._latency = latency
        await self._open()

    async def _open(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port
            )
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def _hold(self) -> None:
        await self._open()
        self._flowing.clear()

    async def _close_port(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset_all()

    async def _reset_all(self) -> None:
        for writer in self._connections:
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            writer.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shut_down(self) -> None:
        await self._close_port()
        await self._loop.shutdown_asyncgens()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # reset or closed from outside; the stream server must not log it
        finally:
            writer.close()
            self._connections.discard(writer)
            self._tasks.discard(task)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._flowing.wait()
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return
        self._connections.add(back_writer)
        try:
            await asyncio.gather(
                self._pump(reader, back_writer), self._pump(back_reader, writer)
            )
        finally:
            back_writer.close()
            self._connections.discard(back_writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._latency:
                    await asyncio.sleep(self._latency)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            await self._flowing.wait()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
